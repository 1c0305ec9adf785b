"""Unit tests of the linear spectrum and of the measures of the samples; librosa is the oracle."""

from __future__ import annotations

import itertools

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel

SAMPLES = np.random.default_rng(3).standard_normal(24_000).astype(np.float32) * np.float32(0.1)
SAMPLES[8_000:12_000] *= np.float32(0.01)
LINEAR = FrontEnd(
    sample_rate=22_050,
    fft_samples=512,
    hop_samples=200,
    bands=257,
    high_hz=11_025.0,
    spectrum="linear",
    extras=("zero_crossings", "rms"),
)


def test_the_linear_spectrum_is_librosas_power_in_decibels() -> None:
    power = np.abs(librosa.stft(SAMPLES, n_fft=512, hop_length=200, center=False)) ** 2
    expected = 10 * np.log10(np.maximum(power, 1e-10)).T
    np.testing.assert_allclose(LogMel(LINEAR).batch(SAMPLES)[:, :257], expected, atol=0.05)


def test_fewer_bins_are_the_lowest_ones() -> None:
    whole = FrontEnd(spectrum="linear", bands=513)
    few = FrontEnd(spectrum="linear", bands=40)
    assert np.array_equal(LogMel(few).batch(SAMPLES), LogMel(whole).batch(SAMPLES)[:, :40])


def test_zero_crossings_and_level_equal_librosas() -> None:
    crossings, level = LogMel(LINEAR).batch(SAMPLES)[:, 257:].T
    frames = librosa.util.frame(SAMPLES, frame_length=512, hop_length=200)
    expected = librosa.zero_crossings(frames, pad=False, axis=0).mean(axis=0)
    np.testing.assert_allclose(crossings, expected, atol=1e-6)
    rms = librosa.feature.rms(y=SAMPLES, frame_length=512, hop_length=200, center=False)[0]
    np.testing.assert_allclose(level, 20 * np.log10(rms), atol=1e-3)


@settings(max_examples=30)
@given(data=st.data())
def test_any_chunking_gives_the_same_frames(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 4_000))
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=20)))
    stream = LogMel(LINEAR)
    edges = [0, *cuts, size]
    frames = np.concatenate([stream.push(SAMPLES[a:b]) for a, b in itertools.pairwise(edges)])
    assert frames.tobytes() == LogMel(LINEAR).batch(SAMPLES[:size]).tobytes()


def test_columns_are_bands_and_extras() -> None:
    assert LINEAR.columns == 259
    assert FrontEnd().columns == 64


def test_a_front_end_survives_its_dictionary() -> None:
    assert FrontEnd.from_dict(LINEAR.to_dict()) == LINEAR
    assert "spectrum" not in FrontEnd().to_dict(), "old artefacts and caches read as they did"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spectrum": "bark"}, "spectrum is 'bark'; allowed are"),
        ({"extras": ["jitter"]}, "extras are .*; allowed are"),
        ({"extras": ["rms", "rms"]}, "each at most once"),
        ({"extras": "rms"}, "'extras' is 'rms', not a list"),
        ({"bands": 258}, r"bands is 258; allowed are 1 to fft_samples / 2 \+ 1 \(257\)"),
    ],
)
def test_what_cannot_be_computed_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FrontEnd.from_dict({**LINEAR.to_dict(), **change})


def test_bare_samples_are_frames_however_they_come() -> None:
    bare = FrontEnd(fft_samples=320, hop_samples=320, bands=320, spectrum="samples")
    stream = LogMel(bare)
    frames = np.concatenate([stream.push(SAMPLES[:100]), stream.push(SAMPLES[100:5_000])])
    assert np.array_equal(frames.ravel(), SAMPLES[: 15 * 320])
    assert np.array_equal(LogMel(bare).batch(SAMPLES[:5_000]), frames)
    with pytest.raises(ValueError, match="with the spectrum 'samples' they are the same"):
        FrontEnd(spectrum="samples")
