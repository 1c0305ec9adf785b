"""Unit and property tests of the log-mel spectrogram; librosa is the oracle."""

from __future__ import annotations

import itertools

import librosa
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel, NonFiniteSampleError, require_finite

FRONT_ENDS = [
    FrontEnd(),
    FrontEnd(fft_samples=400, hop_samples=160, bands=80),
    FrontEnd(
        sample_rate=8_000, fft_samples=250, hop_samples=250, bands=23, low_hz=64, high_hz=3_800
    ),
]


def signal(samples: int, sample_rate: int = 16_000, seed: int = 1) -> np.ndarray:
    """Return a chirp over a quiet noise, with silence in the middle."""
    random = np.random.default_rng(seed)
    seconds = np.arange(samples) / sample_rate
    chirp = np.sin(2 * np.pi * (80 + 300 * seconds) * seconds) * np.hanning(max(samples, 1))
    out = 0.5 * chirp + 1e-3 * random.standard_normal(samples)
    out[samples // 3 : samples // 2] = 0
    return out.astype(np.float32)


MINUTE = signal(60 * 16_000)


def librosa_logmel(samples: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=samples.astype(np.float64),
        sr=front_end.sample_rate,
        n_fft=front_end.fft_samples,
        hop_length=front_end.hop_samples,
        n_mels=front_end.bands,
        fmin=front_end.low_hz,
        fmax=front_end.high_hz,
        center=False,
        power=2.0,
    )
    return 10 * np.log10(np.maximum(power, front_end.floor_power)).T


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_frames_equal_librosas_above_the_floor(front_end: FrontEnd) -> None:
    samples = signal(5 * front_end.sample_rate, front_end.sample_rate)
    ours = LogMel(front_end).batch(samples)
    theirs = librosa_logmel(samples, front_end)
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    floor_db = 10 * np.log10(front_end.floor_power)
    silent = theirs <= floor_db
    assert 0.05 < silent.mean() < 0.5, "the signal must reach both above the floor and under it"
    np.testing.assert_allclose(ours[silent], floor_db, atol=1e-5)
    # A float32 transform resolves no more than 70 dB of one frame; librosa's own is no better.
    heard = ~silent & (theirs > theirs.max(axis=1, keepdims=True) - 70)
    assert heard.mean() > 0.5
    np.testing.assert_allclose(ours[heard], theirs[heard], atol=1e-3)
    np.testing.assert_allclose(ours[~silent], theirs[~silent], atol=0.01)


def test_a_full_scale_sine_has_the_power_worked_out_by_hand() -> None:
    """A sine on a bin's centre has a peak of (fft_samples / 4)² under a Hann window."""
    front_end = FrontEnd()
    frequency = 64 * 16_000 / 1_024
    sine = np.sin(2 * np.pi * frequency * np.arange(1_024) / 16_000).astype(np.float32)
    frame = LogMel(front_end).batch(sine)[0]
    filters = librosa.filters.mel(sr=16_000, n_fft=1_024, n_mels=64)
    power = np.zeros(513)
    power[63:66] = [128.0**2, 256.0**2, 128.0**2]
    np.testing.assert_allclose(frame.max(), 10 * np.log10((filters @ power).max()), atol=1e-3)


def pushed(logmel: LogMel, samples: np.ndarray, cuts: list[int]) -> np.ndarray:
    edges = [0, *cuts, samples.size]
    return np.concatenate([logmel.push(samples[a:b]) for a, b in itertools.pairwise(edges)])


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@given(data=st.data())
def test_any_chunking_gives_the_same_frames(front_end: FrontEnd, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 12_000))
    samples = MINUTE[:size]
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=60)))
    expected = LogMel(front_end).batch(samples)
    assert pushed(LogMel(front_end), samples, cuts).tobytes() == expected.tobytes()


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("block", [1, 159, 160, 256, 257, 4_800])
def test_equal_blocks_give_the_same_frames(front_end: FrontEnd, block: int) -> None:
    samples = MINUTE[: 8_000 if block == 1 else 32_000]
    cuts = list(range(block, samples.size, block))
    expected = LogMel(front_end).batch(samples)
    assert pushed(LogMel(front_end), samples, cuts).tobytes() == expected.tobytes()


def test_a_block_of_a_minute_gives_the_same_frames() -> None:
    logmel = LogMel()
    first = logmel.push(MINUTE[:7])
    frames = np.concatenate([first, logmel.push(MINUTE[7:])])
    expected = pushed(LogMel(), MINUTE, list(range(1_600, MINUTE.size, 1_600)))
    assert frames.tobytes() == expected.tobytes()
    assert len(frames) == FrontEnd().frames(MINUTE.size)


def test_batch_leaves_the_stream_alone() -> None:
    logmel = LogMel()
    start = logmel.push(MINUTE[:3_000])
    logmel.batch(MINUTE[10_000:20_000])
    frames = np.concatenate([start, logmel.push(MINUTE[3_000:9_000])])
    assert frames.tobytes() == LogMel().batch(MINUTE[:9_000]).tobytes()


def test_reset_begins_a_new_stream() -> None:
    logmel = LogMel()
    logmel.push(MINUTE[:5_000])
    logmel.reset()
    assert logmel.push(MINUTE[:2_000]).tobytes() == LogMel().batch(MINUTE[:2_000]).tobytes()


@pytest.mark.parametrize("size", [0, 1, 1_023])
def test_less_than_a_frame_gives_none(size: int) -> None:
    assert LogMel().batch(MINUTE[:size]).shape == (0, 64)
    assert LogMel().push(MINUTE[:size]).shape == (0, 64)


@settings(max_examples=50)
@given(
    before=st.lists(st.integers(0, 3_000), max_size=4),
    size=st.integers(1, 3_000),
    place=st.floats(0, 1, exclude_max=True),
    value=st.sampled_from([float("nan"), float("inf"), float("-inf")]),
)
@example(before=[], size=1, place=0.0, value=float("nan"))
def test_a_non_finite_sample_is_refused_and_the_stream_goes_on_as_if_its_block_had_not_come(
    before: list[int], size: int, place: float, value: float
) -> None:
    logmel = LogMel()
    position = 0
    frames = []
    for block in before:
        frames.append(logmel.push(MINUTE[position : position + block]))
        position += block
    bad = MINUTE[:size].copy()
    bad[int(place * size)] = value
    with pytest.raises(NonFiniteSampleError) as caught:
        logmel.push(bad)
    assert caught.value.position == position + int(place * size)
    assert np.array_equal(caught.value.value, value, equal_nan=True)
    assert str(caught.value) == f"sample {caught.value.position} is {value}: audio must be finite"
    frames.append(logmel.push(MINUTE[position : position + 4_000]))
    expected = LogMel().batch(MINUTE[: position + 4_000])
    assert np.concatenate(frames).tobytes() == expected.tobytes()


def test_the_first_of_several_non_finite_samples_is_named() -> None:
    samples = np.zeros(100, np.float32)
    samples[[30, 31, 99]] = [np.inf, np.nan, -np.inf]
    with pytest.raises(NonFiniteSampleError, match="sample 1030 is inf"):
        require_finite(samples, 1_000)


def test_the_largest_finite_samples_are_no_infinity() -> None:
    require_finite(np.full(100_000, np.finfo(np.float32).max, np.float32))
    require_finite(np.full(3, np.finfo(np.float32).tiny / 4, np.float32))
    require_finite(np.empty(0, np.float32))


@pytest.mark.parametrize(
    "samples", [np.zeros(10), np.zeros(10, np.int16), np.zeros((10, 1), np.float32)]
)
def test_other_than_one_dimension_of_float32_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(TypeError, match=r"needed is float32 \(n,\)"):
        LogMel().push(samples)


def test_a_view_with_a_stride_is_taken() -> None:
    stereo = np.stack([MINUTE[:4_000], MINUTE[4_000:8_000]], axis=1)
    expected = LogMel().batch(MINUTE[:4_000])
    assert LogMel().push(stereo[:, 0]).tobytes() == expected.tobytes()
