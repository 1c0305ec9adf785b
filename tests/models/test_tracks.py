"""Tracks of hand-crafted features against librosa."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from tests.models.vowel import FRAMES, LINEAR, RATE, SAMPLES, vowel

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.models.tracks import Tracks, chroma_filters, mel_filters


def track(name: str, frames: np.ndarray = FRAMES) -> np.ndarray:
    tracks = Tracks(LINEAR, (name,))
    return np.asarray(tracks(torch.from_numpy(frames[None]))[0])


MAGNITUDE = np.abs(
    librosa.stft(SAMPLES.astype(np.float64), n_fft=1_024, hop_length=256, center=False)
)


def test_the_filters_equal_librosas() -> None:
    expected = librosa.filters.mel(sr=RATE, n_fft=1_024, n_mels=40).T
    np.testing.assert_allclose(mel_filters(LINEAR, 40), expected, atol=1e-7)
    expected = librosa.filters.chroma(sr=RATE, n_fft=1_024, tuning=0.0).T
    np.testing.assert_allclose(chroma_filters(LINEAR), expected, atol=1e-6)


def test_cepstra_equal_librosas() -> None:
    mel = librosa.feature.melspectrogram(S=MAGNITUDE**2, sr=RATE, n_mels=128)
    decibel = librosa.power_to_db(mel, top_db=None)
    expected = librosa.feature.mfcc(S=decibel, n_mfcc=20).T
    np.testing.assert_allclose(track("mfcc-20"), expected, atol=0.05)
    slopes = librosa.feature.delta(expected.T, width=9).T
    np.testing.assert_allclose(track("delta-20")[4:-4], slopes[4:-4], atol=0.02)


def test_chroma_and_tonnetz_equal_librosas() -> None:
    chroma = librosa.feature.chroma_stft(S=MAGNITUDE**2, sr=RATE, tuning=0.0)
    np.testing.assert_allclose(track("chroma"), chroma.T, atol=1e-3)
    expected = librosa.feature.tonnetz(chroma=chroma).T
    np.testing.assert_allclose(track("tonnetz"), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "expected", "tolerance"),
    [
        ("centroid", librosa.feature.spectral_centroid(S=MAGNITUDE, sr=RATE) / 1_000, 1e-3),
        ("bandwidth", librosa.feature.spectral_bandwidth(S=MAGNITUDE, sr=RATE) / 1_000, 1e-3),
        ("rolloff", librosa.feature.spectral_rolloff(S=MAGNITUDE, sr=RATE) / 1_000, 1e-3),
        ("flatness", np.log(librosa.feature.spectral_flatness(S=MAGNITUDE)), 0.02),
        ("contrast", librosa.feature.spectral_contrast(S=MAGNITUDE, sr=RATE), 0.1),
    ],
)
def test_the_shape_of_the_spectrum_equals_librosas(
    name: str, expected: np.ndarray, tolerance: float
) -> None:
    np.testing.assert_allclose(track(name), expected.T, atol=tolerance)


@pytest.mark.parametrize("pitch_hz", [90.0, 140.0, 220.0, 310.0])
def test_the_pitch_of_a_vowel_is_found(pitch_hz: float) -> None:
    octaves, strength = track("pitch", LogMel(LINEAR).batch(vowel(pitch_hz))).T
    assert 100 * 2 ** np.median(octaves) == pytest.approx(pitch_hz, rel=0.02)
    assert np.median(strength) > 0.7
    noise = np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    assert np.median(track("pitch", LogMel(LINEAR).batch(noise))[:, 1]) < 0.5


def test_formants_are_found_where_the_spectrum_has_its_bumps() -> None:
    noise = np.random.default_rng(2).standard_normal(2 * RATE)
    hz = np.fft.rfftfreq(noise.size, 1 / RATE)
    gain = sum(np.exp(-0.5 * ((hz - peak) / 120) ** 2) for peak in (500.0, 1_500.0, 2_900.0))
    shaped = np.fft.irfft(np.fft.rfft(noise) * (0.02 + np.asarray(gain)), noise.size)
    frames = LogMel(LINEAR).batch((0.1 * shaped).astype(np.float32))
    found = np.median(track("formants", frames), axis=0)
    np.testing.assert_allclose(found, [0.5, 1.5, 2.9], atol=0.15)


def test_an_unknown_track_and_a_front_end_without_them_are_refused() -> None:
    with pytest.raises(ValueError, match="did you mean chroma"):
        Tracks(LINEAR, ("croma",))
    with pytest.raises(ValueError, match="whole linear spectrum and the extras rms"):
        Tracks(FrontEnd(), ("chroma",))
