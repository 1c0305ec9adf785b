from __future__ import annotations

import librosa
import numpy as np
import pytest

from affectd.kernels.front_end import FrontEnd
from affectd.models.noise import NoiseBank, add_noise, coloured_noise

FRONT_END = FrontEnd()


def test_equally_loud_noise_adds_three_decibels() -> None:
    level = np.full((50, 64), -40, np.float32)
    mixed = add_noise(level, np.full((50, 64), -90, np.float32), snr_db=0)
    assert np.allclose(mixed, -40 + 10 * np.log10(2), atol=1e-3)
    mixed = add_noise(level, np.full((50, 64), -10, np.float32), snr_db=20)
    assert np.allclose(mixed, -40 + 10 * np.log10(1.01), atol=1e-3)


def test_white_noise_is_flat_and_pink_falls_three_decibels_an_octave() -> None:
    white, pink = coloured_noise(FRONT_END, seconds=10, seed=0)
    # Slaney's bands have unit area: flat noise gives each about the same power.
    assert np.ptp(10 * np.log10((10 ** (white / 10)).mean(axis=0))[2:-2]) < 1.5
    centres = librosa.mel_frequencies(66, fmin=0, fmax=8_000)[1:-1]
    level = 10 * np.log10((10 ** (pink / 10)).mean(axis=0))
    slope = np.polyfit(np.log2(centres[8:]), level[8:], 1)[0]
    assert slope == pytest.approx(-3.01, abs=0.3)


def test_a_recording_shorter_than_the_window_repeats() -> None:
    short = NoiseBank((np.arange(7 * 64, dtype=np.float32).reshape(7, 64),))
    drawn = short.draw(50, np.random.default_rng(0))
    assert drawn.shape == (50, 64)
    assert np.array_equal(drawn[7:14], drawn[:7])
