"""Unit and property tests of the normalisation; plain numpy in double precision is the oracle."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.kernels.normalisation import Normalisation, level_db, normalise

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


@pytest.mark.parametrize("kind", ["standard", "band"])
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


@pytest.mark.parametrize("kind", ["standard", "band"])
@given(gain_db=st.floats(-40, 40))
def test_the_level_makes_no_difference(kind: Normalisation, gain_db: float) -> None:
    logmel = np.random.default_rng(3).normal(-30, 12, (50, 16)).astype(np.float32)
    louder = logmel + np.float32(gain_db)
    np.testing.assert_allclose(normalise(louder, kind), normalise(logmel, kind), atol=1e-4)


@pytest.mark.parametrize("kind", ["standard", "band"])
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
    with pytest.raises(ValueError, match=r"'median'; allowed are \('standard', 'band', 'none', "):
        normalise(np.zeros((2, 2), np.float32), "median")  # type: ignore[arg-type]  # on purpose


def test_none_leaves_a_window_as_it_is() -> None:
    window = np.random.default_rng(0).normal(-40, 20, (5, 3)).astype(np.float32)
    assert np.array_equal(normalise(window, "none"), window)


WHISPER = FrontEnd(fft_samples=400, hop_samples=160, bands=80)


@pytest.mark.parametrize("gain", [0.003, 0.2, 1.0])
def test_the_level_of_the_samples_is_found_from_their_bands(gain: float) -> None:
    samples = (gain * np.random.default_rng(1).standard_normal(32_000)).astype(np.float32)
    logmel = LogMel(WHISPER).batch(samples)
    expected = 10 * np.log10(samples.var())
    # What lies under the first band's peak and over the last one's is not counted in full.
    assert level_db(logmel, WHISPER) == pytest.approx(expected, abs=0.25)


def test_whisper_equals_the_released_code_on_audio_of_that_variance() -> None:
    """The oracle is librosa, with Whisper's settings and its clamp and scale."""
    random = np.random.default_rng(2)
    speech = random.standard_normal(32_000) * np.repeat(random.uniform(0.01, 1, 20), 1_600)
    scaled = (speech / speech.std() * np.sqrt(8 / 3)).astype(np.float32)
    power = librosa.feature.melspectrogram(
        y=scaled, sr=16_000, n_fft=400, hop_length=160, n_mels=80, center=False, htk=False
    )
    log_power = np.log10(np.maximum(power, 1e-10))
    expected = ((np.maximum(log_power, log_power.max() - 8) + 4) / 4).T
    logmel = LogMel(WHISPER).batch((0.05 * scaled).astype(np.float32))
    ours = normalise(logmel, "whisper", WHISPER)
    np.testing.assert_allclose(ours, expected, atol=0.01)


def test_whisper_without_a_front_end_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the frames' front end"):
        normalise(np.zeros((2, 80), np.float32), "whisper")
