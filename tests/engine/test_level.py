"""Unit tests of the level watch."""

from __future__ import annotations

import numpy as np

from affectd.engine.level import LevelWatch

RATE = 16_000


def states(watch: LevelWatch, samples: np.ndarray) -> list[tuple[int, str]]:
    """Return the states with the 10 ms block in which they began."""
    return [
        (number, state)
        for number, start in enumerate(range(0, samples.size, 160))
        for state in watch.push(samples[start : start + 160])
    ]


def tone(seconds: float, amplitude: float) -> np.ndarray:
    phase = 2 * np.pi * 200 * np.arange(round(seconds * RATE)) / RATE
    return np.clip(amplitude * np.sin(phase + 0.1), -1, 1).astype(np.float32)


def zeros(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def test_two_seconds_of_zeros_are_silence_told_once_and_so_is_its_end() -> None:
    samples = np.concatenate([zeros(30), tone(1, 0.1), zeros(3)])
    heard = states(LevelWatch(RATE), samples)
    assert heard == [(199, "silent"), (3_000, "sounding"), (3_299, "silent")]


def test_a_quiet_room_is_not_silent() -> None:
    dither = np.zeros(10 * RATE, np.float32)
    dither[:: RATE // 2] = 2.0**-15
    assert states(LevelWatch(RATE), dither) == []


def test_zeros_are_counted_from_within_a_block() -> None:
    watch = LevelWatch(RATE)
    first = np.zeros(RATE, np.float32)
    first[RATE // 2] = 0.1
    assert watch.push(first) == []
    assert watch.push(zeros(1.4)) == []
    assert watch.push(zeros(0.2)) == ["silent"]


def test_clipping_is_told_at_once_and_then_every_ten_seconds() -> None:
    heard = states(LevelWatch(RATE), tone(25, 3.0))
    assert heard == [(99, "clipping"), (1_099, "clipping"), (2_099, "clipping")]


def test_full_scale_for_less_than_a_hundredth_is_no_clipping() -> None:
    samples = tone(5, 0.9)
    samples[:: RATE // 100] = 1.0
    assert states(LevelWatch(RATE), samples) == []
