"""Unit tests of the one call that hears a block, against the same step by step in Python."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
import webrtcvad

from affectd.engine.sources import DemoSource
from affectd.engine.voice import VoiceActivity, VoiceSettings
from affectd.kernels.front_end import FrontEnd
from affectd.kernels.listening import FRAME_SPEAKING, FRAME_VOICED, Listener
from affectd.kernels.logmel import LogMel
from affectd.kernels.speech import NoiseFloor

RATE, STEP = 16_000, 160
Heard = tuple[np.ndarray, np.ndarray, np.ndarray]


class StepByStep:
    """WebRTC's detector through its Python package, and the hysteresis in plain words."""

    def __init__(self, settings: VoiceSettings) -> None:
        self._settings = settings
        self._onset = max(1, round(settings.onset_seconds / 0.01))
        self._detector = webrtcvad.Vad(settings.aggressiveness)
        self._recent: deque[bool] = deque(maxlen=max(1, self._onset * 3 // 2))
        self._unvoiced = 0
        self._loudest = 0
        self.speaking = False

    def levelled(self, step: np.ndarray) -> np.ndarray:
        peak = int(min(np.abs(step).max(), np.float32(16)) * np.float32(2**30))
        quietest = int(8_192 / 100 / 32_768 * 2**30)
        self._loudest = max(peak, self._loudest - self._loudest // 512, quietest)
        gain = np.float32(8_192) * np.float32(2**30) / np.float32(self._loudest)
        return (step * gain).clip(-8_192, 8_192).astype(np.int16)

    def push(self, step: np.ndarray, snr_db: float) -> bool:
        voiced = snr_db >= self._settings.minimum_snr_db and self._detector.is_speech(
            self.levelled(step).tobytes(), RATE
        )
        self._recent.append(voiced)
        self._unvoiced = 0 if voiced and self.speaking else self._unvoiced + 1
        if not self.speaking:
            if self._unvoiced >= 3_000:
                self._detector = webrtcvad.Vad(self._settings.aggressiveness)
                self._unvoiced = 0
            if voiced and sum(self._recent) >= self._onset:
                self.speaking = True
                self._unvoiced = 0
        elif self._unvoiced >= round(self._settings.hangover_seconds / 0.01):
            self.speaking = False
            self._recent.clear()
            self._unvoiced = 0
        return voiced


def expected(samples: np.ndarray, settings: VoiceSettings) -> Heard:
    """Return frames, levels and flags as they were found before there was a kernel."""
    front_end = FrontEnd()
    frames = LogMel(front_end).push(samples)
    snr_db = NoiseFloor(front_end).push(frames)
    voice = StepByStep(settings)
    flags, voiced, level, frame_end = [], False, -20.0, front_end.fft_samples
    for number, step in enumerate(samples.reshape(-1, STEP)):
        end = (number + 1) * STEP
        for before in (True, False):
            # A frame that ends with a step hears of it, one that ends within it does not.
            while len(flags) < len(frames) and (frame_end < end if before else frame_end == end):
                flags.append(voiced * FRAME_VOICED + voice.speaking * FRAME_SPEAKING)
                voiced, level = False, float(snr_db[len(flags) - 1])
                frame_end += front_end.hop_samples
            if before:
                voiced |= voice.push(step, level)
    return frames, snr_db, np.array(flags)


def heard(samples: np.ndarray, settings: VoiceSettings, sizes: list[int]) -> Heard:
    """Return what the kernel hears in blocks of these numbers of steps, over and over."""
    voice = VoiceActivity(settings)
    listener = Listener(LogMel(), NoiseFloor(FrontEnd()), voice.voicing)
    parts, place, turn = [], 0, 0
    while place < samples.size:
        size = STEP * sizes[turn % len(sizes)]
        parts.append(listener.push(samples[place : place + size]))
        place, turn = place + size, turn + 1
    frames, snr_db, flags = (np.concatenate(each) for each in zip(*parts, strict=True))
    return frames, snr_db, flags


def speech(seconds_of_silence: float = 1.0) -> np.ndarray:
    """Return the demo's clips with silence between, then with noise, then far too loud."""
    pause = np.zeros(round(seconds_of_silence * RATE), np.float32)
    clean = np.concatenate([piece for clip in DemoSource().clips() for piece in (clip, pause)])
    noise = np.random.default_rng(1).standard_normal(clean.size).astype(np.float32)
    joined = np.concatenate((clean, clean + np.float32(0.01) * noise, 8 * clean))
    return joined[: joined.size - joined.size % STEP]


@pytest.mark.parametrize(
    "settings",
    [
        VoiceSettings(),
        VoiceSettings(aggressiveness=0, onset_seconds=0.01, hangover_seconds=0.1),
        VoiceSettings(aggressiveness=3, minimum_snr_db=-20, onset_seconds=0.3),
    ],
)
@pytest.mark.parametrize("sizes", [[1], [4], [2, 1, 7], [100_000]])
def test_it_hears_what_step_by_step_is_heard(settings: VoiceSettings, sizes: list[int]) -> None:
    samples = speech()
    for found, wanted in zip(
        heard(samples, settings, sizes), expected(samples, settings), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


def test_speech_is_found_at_all() -> None:
    _, _, flags = heard(speech(), VoiceSettings(), [4])
    assert 0.2 < (flags & FRAME_SPEAKING != 0).mean() < 0.95
    assert 0.1 < (flags & FRAME_VOICED != 0).mean() < 0.9


def test_the_detector_begins_anew_after_half_a_minute_without_speech() -> None:
    hum = 0.003 * np.random.default_rng(2).standard_normal(40 * RATE).astype(np.float32)
    samples = np.concatenate((hum.astype(np.float32), speech()[: 20 * RATE]))
    # Asked all the time, so that a detector which had not begun anew would have adapted.
    settings = VoiceSettings(minimum_snr_db=-20, aggressiveness=3)
    for found, wanted in zip(
        heard(samples, settings, [4]), expected(samples, settings), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


def test_after_a_restart_all_but_the_background_is_forgotten() -> None:
    samples = speech()[: 20 * RATE]
    voice = VoiceActivity()
    noise = NoiseFloor(FrontEnd())
    listener = Listener(LogMel(), noise, voice.voicing)
    first = listener.push(samples)
    listener.restart(12_345)
    noise.reset()
    for found, wanted in zip(listener.push(samples), first, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_glitch_far_beyond_full_scale_deafens_for_seconds_at_most() -> None:
    samples = speech(0.0)[: 60 * RATE].copy()
    samples[2 * RATE] = 65_536
    _, _, flags = heard(samples, VoiceSettings(), [4])
    plain = heard(speech(0.0)[: 60 * RATE], VoiceSettings(), [4])[2]
    later = slice(len(flags) * 2 // 3, None)
    speaking, wanted = (np.mean(each[later] & FRAME_SPEAKING != 0) for each in (flags, plain))
    assert speaking > 0.8 * wanted > 0.4
