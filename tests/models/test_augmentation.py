from __future__ import annotations

import librosa
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.models.augmentation import (
    Augmentation,
    limit_band,
    mask_bands_and_frames,
    reverberate,
    shift_filters,
    warp,
)
from affectd.models.augmentation import _centres_hz as centres_hz
from affectd.models.noise import NoiseBank

FRONT_END = FrontEnd()
Frames = npt.NDArray[np.float32]


def clip(frames: int = 200) -> Frames:
    return np.random.default_rng(1).normal(-50, 10, (frames, 64)).astype(np.float32)


def test_band_centres_are_librosas() -> None:
    expected = librosa.mel_frequencies(66, fmin=0, fmax=8_000)[1:-1]
    assert np.allclose(centres_hz(FRONT_END), expected)


def test_a_warp_of_nothing_is_a_cut() -> None:
    logmel = clip()
    cut = warp(logmel, first_frame=20, frames=100, tempo=1, semitones=0, front_end=FRONT_END)
    assert np.allclose(cut, logmel[20:120], atol=1e-4)


def test_time_is_stretched_by_linear_interpolation() -> None:
    logmel = clip()
    fast = warp(logmel, first_frame=0, frames=90, tempo=1.5, semitones=0, front_end=FRONT_END)
    places = 1.5 * np.arange(90)
    for band in (0, 31, 63):
        assert np.allclose(
            fast[:, band], np.interp(places, np.arange(200), logmel[:, band]), atol=1e-3
        )


@pytest.mark.parametrize("semitones", [-2.0, 1.5])
def test_a_shift_moves_a_tone_by_its_ratio(semitones: float) -> None:
    def tone(hz: float) -> Frames:
        samples = 0.3 * np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000)
        return LogMel(FRONT_END).batch(samples.astype(np.float32))

    shifted = warp(
        tone(1_500), first_frame=0, frames=40, tempo=1, semitones=semitones, front_end=FRONT_END
    )
    real = tone(1_500 * 2 ** (semitones / 12))
    assert abs(int(shifted[20].argmax()) - int(real[20].argmax())) <= 1


def test_past_the_clip_it_is_as_quiet_as_the_clip_gets() -> None:
    logmel = clip()
    window = warp(logmel, first_frame=-10, frames=30, tempo=1, semitones=0, front_end=FRONT_END)
    assert np.allclose(window[:10], np.percentile(logmel, 5, axis=0), atol=1e-4)
    assert np.allclose(window[10:], logmel[:20], atol=1e-4)


def test_another_microphone_changes_every_frame_alike() -> None:
    logmel = clip()
    difference = shift_filters(logmel, deviation_db=6, rng=np.random.default_rng(0)) - logmel
    assert np.ptp(difference, axis=0).max() < 1e-3
    assert np.ptp(difference[0]) > 1


@given(seed=st.integers(0, 500), frames=st.integers(5, 184))
def test_masks_are_zero_and_leave_the_rest(seed: int, frames: int) -> None:
    logmel = np.random.default_rng(seed).normal(5, 1, (frames, 64)).astype(np.float32)
    masked = mask_bands_and_frames(
        logmel, masks=2, mask_bands=10, mask_frames=24, rng=np.random.default_rng(seed)
    )
    kept = masked != 0
    assert np.array_equal(masked[kept], logmel[kept])
    assert (~kept).all(axis=1).sum() <= 2 * (frames // 5)
    assert (~kept).all(axis=0).sum() <= 20


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    frames=st.integers(30, 400),
    first=st.integers(0, 10),
    last=st.integers(0, 10),
)
def test_windows_are_finite_seeded_and_within_their_lengths(
    seed: int, frames: int, first: int, last: int, white_and_pink: NoiseBank
) -> None:
    logmel, speech = clip(frames), (first, frames - last)

    def draw() -> Frames:
        return Augmentation(noise=1).window(
            logmel,
            speech,
            front_end=FRONT_END,
            window_frames=184,
            minimum_frames=34,
            noise=white_and_pink,
            rng=np.random.default_rng(seed),
        )

    window = draw()
    assert 34 <= len(window) <= 184
    assert np.isfinite(window).all()
    assert np.array_equal(window, draw())


def test_without_disturbance_a_short_clip_is_its_speech(white_and_pink: NoiseBank) -> None:
    plain = Augmentation(
        early=0, crop=0, leading_seconds=0, trailing_seconds=0, stretch=0, shift=0, tilt=0, noise=0
    )
    logmel = clip(120)
    window = plain.window(
        logmel,
        (10, 100),
        front_end=FRONT_END,
        window_frames=184,
        minimum_frames=34,
        noise=white_and_pink,
        rng=np.random.default_rng(0),
    )
    assert np.allclose(window, logmel[10:100], atol=1e-4)


def test_a_line_carries_a_part_of_the_frequencies() -> None:
    logmel = clip()
    limited = limit_band(logmel, low_hz=300, high_hz=3_400, front_end=FRONT_END)
    centres = centres_hz(FRONT_END)
    carried = (centres >= 300) & (centres <= 3_400)
    np.testing.assert_array_equal(limited[:, carried], logmel[:, carried])
    np.testing.assert_allclose(limited[:, ~carried], logmel[:, ~carried] - 80, atol=1e-4)


@pytest.mark.parametrize("ratio_db", [-3.0, 0.0, 10.0])
def test_a_rooms_tail_dies_away_and_has_the_wanted_energy(ratio_db: float) -> None:
    logmel = np.full((400, 64), -300, np.float32)
    logmel[0] = 0
    heard = reverberate(logmel, seconds=0.5, direct_to_reverberant_db=ratio_db, front_end=FRONT_END)
    tail = heard[1:].astype(np.float64)
    assert 10 * np.log10((10 ** (tail[:, 0] / 10)).sum()) == pytest.approx(-ratio_db, abs=0.1)
    decay = tail[1:60, 0] - tail[:59, 0]
    np.testing.assert_allclose(decay, -60 * FRONT_END.frame_seconds / 0.5, atol=1e-3)
    np.testing.assert_array_equal(heard[0], logmel[0])
