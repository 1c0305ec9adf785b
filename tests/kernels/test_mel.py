"""Sums of bands by groups of 16; the same sums one after the other are the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.jit import kernel
from affectd.kernels.mel import MelWeights, sums_of_bands
from affectd.kernels.vectors import LANES


@kernel("void(float32[::1], float32[::1], int64[::1], int64[::1], float32[::1])")
def all_sums(
    weights: np.ndarray,
    power: np.ndarray,
    first_bin: np.ndarray,
    chunks: np.ndarray,
    out: np.ndarray,
) -> None:
    taken = 0
    for group in range(chunks.size):
        sums_of_bands(weights, taken, power, first_bin, group * LANES, chunks[group], out)
        taken += chunks[group] * LANES * LANES


@pytest.mark.parametrize(
    "front_end",
    [
        FrontEnd(),
        FrontEnd(fft_samples=400, hop_samples=160, bands=80),
        FrontEnd(fft_samples=2_048, bands=17),
        FrontEnd(bands=1),
        FrontEnd(fft_samples=64, hop_samples=32, bands=32),
    ],
    ids=lambda front_end: f"{front_end.fft_samples}-{front_end.bands}",
)
def test_every_band_is_the_sum_of_its_weighted_bins(front_end: FrontEnd) -> None:
    filterbank = front_end.filterbank()
    mel = MelWeights(filterbank)
    bins = front_end.fft_samples // 2 + 1
    power = np.zeros(max(mel.bins, bins), np.float32)
    power[:bins] = np.random.default_rng(0).random(bins, np.float32)
    out = np.full(mel.first_bin.size, np.nan, np.float32)
    all_sums(mel.weights, power, mel.first_bin, mel.chunks, out)
    expected = []
    for band in range(front_end.bands):
        run = filterbank.weights[filterbank.offset[band] : filterbank.offset[band + 1]]
        first = filterbank.first_bin[band]
        expected.append(float(run.astype(np.float64) @ power[first : first + run.size]))
    np.testing.assert_allclose(out[: front_end.bands], expected, rtol=1e-6)
    assert not out[front_end.bands :].any()
