"""Unit tests of voice activity: WebRTC's real detector, noise from numpy, speech from the demo."""

from __future__ import annotations

import numpy as np
import pytest

from affectd.engine.voice import STEP_SAMPLES, VoiceActivity, VoiceSettings

CLEAR, NONE = 30.0, -20.0


def steps(samples: np.ndarray) -> np.ndarray:
    whole = samples[: samples.size - samples.size % STEP_SAMPLES]
    return whole.reshape(-1, STEP_SAMPLES)


@pytest.fixture(scope="module")
def vowel(clips: list[np.ndarray]) -> np.ndarray:
    """Ten milliseconds from the middle of a vowel: WebRTC calls any run of it voice."""
    loud = steps(clips[1])
    return loud[np.abs(loud).sum(axis=1).argmax()]


SILENCE = np.zeros(STEP_SAMPLES, np.float32)


def settled(settings: VoiceSettings, vowel: np.ndarray) -> VoiceActivity:
    """Return a detector whose WebRTC part has heard silence for a while."""
    voice = VoiceActivity(settings)
    for _ in range(50):
        voice.push(SILENCE, NONE)
    return voice


def test_speech_begins_after_the_onset_and_ends_after_the_hangover(vowel: np.ndarray) -> None:
    settings = VoiceSettings(onset_seconds=0.08, hangover_seconds=0.5)
    voice = settled(settings, vowel)
    spoken = []
    voiced = []
    for step in range(100):
        voiced.append(voice.push(vowel, CLEAR if step < 30 else NONE))
        spoken.append(voice.speaking)
    assert voiced[:30] == [True] * 30
    assert not any(voiced[30:])
    assert spoken.index(True) == 7, "the eighth voiced step makes 80 ms"
    assert spoken[7:79] == [True] * 72
    assert spoken[79:] == [False] * 21, "49 steps without voice go on, the 50th ends it"


def test_a_click_is_no_speech(vowel: np.ndarray) -> None:
    voice = settled(VoiceSettings(onset_seconds=0.08), vowel)
    for step in range(300):
        voice.push(vowel, CLEAR if step % 20 < 7 else NONE)
        assert not voice.speaking


def test_onset_forgives_short_gaps_within_one_and_a_half_times_its_length(
    vowel: np.ndarray,
) -> None:
    voice = settled(VoiceSettings(onset_seconds=0.08), vowel)
    for step in range(12):
        voice.push(vowel, NONE if step % 3 == 2 and step < 11 else CLEAR)
    assert voice.speaking


def test_a_pause_shorter_than_the_hangover_is_part_of_the_speech(vowel: np.ndarray) -> None:
    voice = settled(VoiceSettings(hangover_seconds=0.5), vowel)
    for _ in range(10):
        voice.push(vowel, CLEAR)
    for _ in range(20):
        for _ in range(49):
            voice.push(vowel, NONE)
            assert voice.speaking
        voice.push(vowel, CLEAR)


def test_both_judges_must_agree(vowel: np.ndarray) -> None:
    settings = VoiceSettings(minimum_snr_db=3.0)
    assert settled(settings, vowel).push(vowel, 3.0) is True
    assert settled(settings, vowel).push(vowel, 2.9) is False
    assert settled(settings, vowel).push(SILENCE, 60.0) is False


def test_reset_forgets_the_speech(vowel: np.ndarray) -> None:
    voice = settled(VoiceSettings(), vowel)
    for _ in range(20):
        voice.push(vowel, CLEAR)
    assert voice.speaking
    voice.reset()
    assert not voice.speaking
    for _ in range(7):
        voice.push(vowel, CLEAR)
    assert not voice.speaking


def test_webrtc_alone_takes_noise_for_speech_and_the_second_judge_does_not() -> None:
    """Why there are two: the figure in `VoiceSettings.minimum_snr_db`."""
    random = np.random.default_rng(1)
    noise = steps((0.1 * random.standard_normal(10 * 16_000)).astype(np.float32))
    alone, both = VoiceActivity(), VoiceActivity()
    assert np.mean([alone.push(step, CLEAR) for step in noise]) > 0.5
    assert not any(both.push(step, 1.0) for step in noise)


@pytest.mark.parametrize("decibels", [-40, -20, 20])
def test_voice_is_heard_in_the_same_steps_at_any_level(
    clips: list[np.ndarray], decibels: int
) -> None:
    clip = np.concatenate([clips[0], clips[1]])
    gain = np.float32(10 ** (decibels / 20))
    plain, other = VoiceActivity(), VoiceActivity()
    same = [
        plain.push(one, CLEAR) == other.push(two, CLEAR)
        for one, two in zip(steps(clip), steps(gain * clip), strict=True)
    ]
    # What is quieter than -52 dB is not brought all the way: the clip's faint ends are, here.
    assert np.mean(same) > 0.97 if decibels < 0 else all(same)
