"""Unit tests of the percentiles, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from affectd.bench.percentiles import Percentiles


def test_percentiles_are_those_of_the_raw_samples() -> None:
    values = np.random.default_rng(0).exponential(5, 2_000)
    figures = Percentiles.of(values)
    assert (figures.samples, figures.max) == (2_000, values.max())
    expected = [np.quantile(values, share) for share in (0.5, 0.95, 0.99)]
    assert [figures.p50, figures.p95, figures.p99] == pytest.approx(expected)


def test_one_stall_is_not_averaged_away() -> None:
    assert Percentiles.of([1.0] * 99 + [1_000.0]).max == 1_000.0


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Percentiles.of([])
