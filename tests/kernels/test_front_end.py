"""Unit tests of the front end as a value; librosa is the oracle of window and filters."""

from __future__ import annotations

from dataclasses import replace

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectd.kernels.front_end import FrontEnd

DEFAULT = FrontEnd()
WHISPER_LIKE = FrontEnd(fft_samples=400, hop_samples=160, bands=80)
NARROW = FrontEnd(
    sample_rate=8_000, fft_samples=256, hop_samples=100, bands=23, low_hz=64, high_hz=3_800
)


@pytest.mark.parametrize("front_end", [DEFAULT, WHISPER_LIKE, NARROW])
def test_the_filters_equal_librosas(front_end: FrontEnd) -> None:
    expected = librosa.filters.mel(
        sr=front_end.sample_rate,
        n_fft=front_end.fft_samples,
        n_mels=front_end.bands,
        fmin=front_end.low_hz,
        fmax=front_end.high_hz,
        htk=False,
        norm="slaney",
    )
    ours = front_end.filter_matrix().T
    np.testing.assert_allclose(ours, expected, atol=1e-8)


@pytest.mark.filterwarnings("ignore:Empty filters detected")
def test_more_bands_than_bins_leave_some_filters_empty_as_librosa_does() -> None:
    front_end = FrontEnd(fft_samples=256, bands=128, hop_samples=128)
    expected = librosa.filters.mel(sr=16_000, n_fft=256, n_mels=128)
    np.testing.assert_allclose(front_end.filter_matrix().T, expected, atol=1e-8)


@pytest.mark.parametrize("front_end", [DEFAULT, WHISPER_LIKE, NARROW])
def test_the_window_is_the_periodic_hann_window(front_end: FrontEnd) -> None:
    expected = librosa.filters.get_window("hann", front_end.fft_samples, fftbins=True)
    np.testing.assert_allclose(front_end.window(), expected, atol=1e-7)


@given(samples=st.integers(0, 100_000))
def test_frames_counts_what_fits_and_samples_is_its_inverse(samples: int) -> None:
    frames = DEFAULT.frames(samples)
    assert frames == len(range(0, samples - DEFAULT.fft_samples + 1, DEFAULT.hop_samples))
    if frames:
        assert DEFAULT.samples(frames) <= samples < DEFAULT.samples(frames + 1)


def test_frame_seconds_is_the_hop() -> None:
    assert DEFAULT.frame_seconds == 0.016


@pytest.mark.parametrize("front_end", [DEFAULT, WHISPER_LIKE, NARROW])
def test_a_front_end_survives_its_dictionary(front_end: FrontEnd) -> None:
    assert FrontEnd.from_dict(front_end.to_dict()) == front_end


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_rate": 7_999}, "sample_rate is 7999 Hz; allowed are 8000 to 192000"),
        ({"fft_samples": 1_023}, "fft_samples is 1023; allowed are even numbers"),
        ({"fft_samples": 14}, "fft_samples is 14; allowed are even numbers from 16"),
        ({"hop_samples": 0}, "hop_samples is 0; allowed are 1 to"),
        ({"hop_samples": 1_025}, r"hop_samples is 1025; allowed are 1 to fft_samples \(1024\)"),
        ({"bands": 0}, "bands is 0; allowed are 1"),
        ({"bands": 513}, r"bands is 513; allowed are 1 to fft_samples / 2 \(512\)"),
        ({"low_hz": 8_000.0}, "allowed is 0 <= low_hz < high_hz <= 8000.0"),
        ({"high_hz": 8_000.5}, "are 0.0 and 8000.5; allowed"),
        ({"floor_power": 0.0}, "floor_power is 0.0; allowed is between 0 and 1"),
    ],
)
def test_what_the_kernels_cannot_compute_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(DEFAULT, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hop_samples": 256.5}, "'hop_samples' is 256.5, not a finite int"),
        ({"hop_samples": True}, "'hop_samples' is True, not a finite int"),
        ({"hop_samples": float("inf")}, "'hop_samples' is inf, not a finite int"),
        ({"bands": float("nan")}, "'bands' is nan, not a finite int"),
        ({"low_hz": float("nan")}, "'low_hz' is nan, not a finite float"),
        ({"high_hz": 10**400}, "'high_hz' is 1000.*, not a finite float"),
        ({"high_hz": "8000"}, "'high_hz' is '8000', not a finite float"),
        ({"mels": 64}, "unknown front-end field 'mels'; known are"),
    ],
)
def test_a_dictionary_with_a_bad_field_is_refused_by_name(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        FrontEnd.from_dict({**DEFAULT.to_dict(), **change})


def test_a_dictionary_without_a_field_is_refused_by_name() -> None:
    values = DEFAULT.to_dict()
    del values["bands"]
    with pytest.raises(ValueError, match="front-end field 'bands' is missing"):
        FrontEnd.from_dict(values)


def test_whole_numbers_written_as_floats_are_taken() -> None:
    assert FrontEnd.from_dict({**DEFAULT.to_dict(), "bands": 64.0, "low_hz": 0}) == DEFAULT


def test_streams_with_one_front_end_share_its_filters() -> None:
    first, second = FrontEnd(bands=41).filterbank(), FrontEnd(bands=41).filterbank()
    assert first is second
    assert FrontEnd(bands=42).filterbank() is not first
