"""The power spectrum in vectors; numpy's transform in double precision is the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from affectd.kernels.fourier import POWER_SAMPLES, power_spectrum
from affectd.kernels.jit import kernel


@kernel("void(float32[::1], int64, float32[::1], float32[::1])")
def spectrum_of(samples: np.ndarray, start: int, window: np.ndarray, power: np.ndarray) -> None:
    power_spectrum(samples, start, window, power)


def powers(samples: np.ndarray, start: int = 0, window: np.ndarray | None = None) -> np.ndarray:
    power = np.full(POWER_SAMPLES // 2 + 3, -1, np.float32)
    given = np.ones(POWER_SAMPLES, np.float32) if window is None else window
    spectrum_of(samples, start, given, power)
    assert (power[-2:] == -1).all(), "written past the last frequency"
    return power[:-2]


@pytest.mark.parametrize("start", [0, 1, 255, 1_000])
def test_noise_has_numpys_power_at_every_frequency(start: int) -> None:
    random = np.random.default_rng(start)
    samples = random.standard_normal(2_048).astype(np.float32)
    window = np.hanning(POWER_SAMPLES).astype(np.float32)
    inside = samples[start : start + POWER_SAMPLES].astype(np.float64)
    expected = np.abs(np.fft.rfft(inside * window)) ** 2
    found = powers(samples, start, window)
    np.testing.assert_allclose(found, expected, atol=1e-6 * expected.max(), rtol=1e-4)


@pytest.mark.parametrize("frequency", [0, 1, 2, 15, 16, 17, 31, 32, 255, 256, 257, 496, 511, 512])
def test_a_sine_on_a_frequency_has_its_power_there_alone(frequency: int) -> None:
    turn = 2 * np.pi * frequency * np.arange(POWER_SAMPLES) / POWER_SAMPLES
    found = powers(np.cos(turn).astype(np.float32))
    expected = np.zeros(POWER_SAMPLES // 2 + 1)
    expected[frequency] = POWER_SAMPLES**2 / (1 if frequency in (0, 512) else 4)
    np.testing.assert_allclose(found, expected, atol=1e-7 * POWER_SAMPLES**2)


def test_a_click_has_the_same_power_everywhere() -> None:
    for place in (0, 1, 500, 1_023):
        click = np.zeros(POWER_SAMPLES, np.float32)
        click[place] = 3
        np.testing.assert_allclose(powers(click), 9, rtol=1e-5)
