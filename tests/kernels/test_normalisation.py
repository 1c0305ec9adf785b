"""Unit and property tests of the normalisation; plain numpy in double precision is the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affectd.kernels.normalisation import NORMALISATIONS, Normalisation, normalise

windows = arrays(
    np.float32,
    st.tuples(st.integers(1, 20), st.integers(1, 12)),
    elements=st.floats(-100, 60, width=32).map(lambda value: np.float32(round(value, 2))),
)


def oracle(logmel: np.ndarray, kind: str) -> np.ndarray:
    values = np.maximum(logmel.astype(np.float64), logmel.max() - 80.0)
    centred = values - values.mean(axis=0 if kind == "band" else None)
    deviation = np.sqrt((centred**2).mean())
    return centred / deviation if deviation > 1e-5 else np.zeros_like(centred)


@pytest.mark.parametrize("kind", NORMALISATIONS)
@given(logmel=windows)
def test_normalise_equals_numpy(kind: Normalisation, logmel: np.ndarray) -> None:
    before = logmel.copy()
    ours = normalise(logmel, kind)
    assert ours.dtype == np.float32
    assert ours.shape == logmel.shape
    expected = oracle(logmel, kind)
    # Values are rounded to float32 before they are scaled up by what may be a small deviation.
    deviation = max(1e-5, float(oracle_deviation(logmel, kind)))
    np.testing.assert_allclose(ours, expected, atol=1e-5 + 2e-5 / deviation)
    assert np.array_equal(before, logmel), "the window must stay as it is"


def oracle_deviation(logmel: np.ndarray, kind: str) -> float:
    values = np.maximum(logmel.astype(np.float64), logmel.max() - 80.0)
    centred = values - values.mean(axis=0 if kind == "band" else None)
    return float(np.sqrt((centred**2).mean()))


@pytest.mark.parametrize("kind", NORMALISATIONS)
@given(gain_db=st.floats(-40, 40))
def test_the_level_makes_no_difference(kind: Normalisation, gain_db: float) -> None:
    logmel = np.random.default_rng(3).normal(-30, 12, (50, 16)).astype(np.float32)
    louder = logmel + np.float32(gain_db)
    np.testing.assert_allclose(normalise(louder, kind), normalise(logmel, kind), atol=1e-4)


@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_a_constant_window_becomes_zeros(kind: Normalisation) -> None:
    assert not normalise(np.full((5, 4), -41.7, np.float32), kind).any()


def test_a_hand_worked_window() -> None:
    logmel = np.array([[0, -2], [0, 2]], np.float32)
    root = np.sqrt(2)
    np.testing.assert_allclose(normalise(logmel, "standard"), [[0, -root], [0, root]], atol=1e-6)
    tilted = np.array([[10, -2], [10, 2]], np.float32)
    np.testing.assert_allclose(normalise(tilted, "band"), [[0, -root], [0, root]], atol=1e-6)


def test_values_under_80_db_of_range_are_raised() -> None:
    logmel = np.array([[0, -80], [-200, -80]], np.float32)
    np.testing.assert_array_equal(normalise(logmel)[1], normalise(logmel)[1, ::-1])


@pytest.mark.parametrize("shape", [(0, 64), (64,), (1, 2, 3)])
def test_what_is_no_window_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"a window of shape .* cannot be normalised"):
        normalise(np.zeros(shape, np.float32))


def test_an_unknown_kind_is_refused_with_those_allowed() -> None:
    with pytest.raises(ValueError, match=r"'median'; allowed are \('standard', 'band'\)"):
        normalise(np.zeros((2, 2), np.float32), "median")  # type: ignore[arg-type]  # on purpose
