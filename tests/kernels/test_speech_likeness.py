"""Unit tests of how a window is described, against the same in plain numpy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.kernels.speech_likeness import FEATURES, SpeechLikeness

WHISPER = FrontEnd(fft_samples=400, hop_samples=160, bands=80)
LINEAR = FrontEnd(spectrum="linear", fft_samples=512, hop_samples=160, bands=257)
LAGS_SECONDS = (0.03, 0.06, 0.12, 0.25, 0.5)


def described(logmel: npt.NDArray[np.float32], front_end: FrontEnd) -> npt.NDArray[np.float64]:
    """The same, written for the reader."""
    mel = 2595 * np.log10(1 + np.array([60.0, 7_800.0]) / 700)
    edges = 700 * (10 ** (np.linspace(*mel, 21) / 2595) - 1)
    if front_end.spectrum == "mel":
        centres = front_end.band_edges_hz()[:, 1]
    else:
        centres = np.arange(front_end.bands) * front_end.sample_rate / front_end.fft_samples
    x = np.empty((len(logmel), 20))
    for group, (low, high) in enumerate(pairwise(edges)):
        inside = np.flatnonzero((centres >= low) & (centres < high))
        above = min(np.searchsorted(centres, low), centres.size - 1)
        x[:, group] = logmel[:, inside if inside.size else [above]].mean(axis=1)
    x = np.maximum(x, x.max() - 60)
    mean = x.mean(axis=1)
    loud = mean > mean.max() - 25
    beside = (x - mean[:, None])[loud]
    peak = (x.max(axis=1) - mean)[loud]
    told = [*beside.mean(axis=0), *beside.std(axis=0), *x.std(axis=0)]
    told += [mean.std(), loud.mean(), peak.mean(), peak.std()]
    apart, level = x - x.mean(axis=0), mean - mean.mean()
    for seconds in LAGS_SECONDS:
        lag = max(1, round(seconds / front_end.frame_seconds))
        if lag >= len(x) - 2:
            told += [0.0] * 5
            continue
        steps = np.abs(x[lag:] - x[:-lag])
        told += [steps[:, :6].mean(), steps[:, 6:12].mean(), steps[:, 12:].mean()]
        told.append((apart[lag:] * apart[:-lag]).sum() / np.square(apart).sum())
        told.append((level[lag:] * level[:-lag]).sum() / np.square(level).sum())
    return np.array(told)


def sound(seconds: float, rate: int = 16_000) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(1)
    swell = 0.02 + np.sin(2 * np.pi * 3 * np.arange(round(seconds * rate)) / rate) ** 2
    return (0.1 * swell * rng.standard_normal(swell.size)).astype(np.float32)


@pytest.mark.parametrize("front_end", [FrontEnd(), WHISPER, LINEAR])
@pytest.mark.parametrize("seconds", [0.35, 1.0, 3.0])
def test_a_window_is_described_as_in_plain_numpy(front_end: FrontEnd, seconds: float) -> None:
    logmel = LogMel(front_end).batch(sound(seconds))
    found = SpeechLikeness(front_end).describe(logmel)
    assert found.shape == (FEATURES,)
    np.testing.assert_allclose(found, described(logmel, front_end), rtol=2e-3, atol=2e-3)


def test_the_level_of_a_sound_says_nothing() -> None:
    likeness, logmel = SpeechLikeness(FrontEnd()), LogMel(FrontEnd()).batch(sound(2))
    quiet = likeness.describe(logmel - np.float32(20))
    np.testing.assert_allclose(quiet, likeness.describe(logmel), atol=1e-3)


def test_samples_are_described_by_their_spectrum() -> None:
    samples = FrontEnd(spectrum="samples", fft_samples=400, hop_samples=400, bands=400)
    heard = sound(2)
    by_samples = SpeechLikeness(samples).describe(heard.reshape(-1, 400))
    by_frames = SpeechLikeness(FrontEnd()).describe(LogMel(FrontEnd()).batch(heard))
    np.testing.assert_allclose(by_samples, by_frames, atol=1e-4)


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_few_frames_are_described_by_finite_numbers(frames: int) -> None:
    logmel = np.full((frames, 64), -100, np.float32)
    assert np.isfinite(SpeechLikeness(FrontEnd()).describe(logmel)).all()
