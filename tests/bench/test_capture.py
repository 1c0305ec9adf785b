"""The continuity of a capture: counted right, and kept in machine code beside busy threads."""

from __future__ import annotations

import numpy as np
import pytest

from affectd.bench.capture import Continuity, measure_capture, numbered, numbers
from affectd.bench.virtual_microphone import missing_tools
from affectd.engine.device_clock import DeviceClock


def heard(*blocks: np.ndarray) -> dict[str, object]:
    continuity, clock, at = Continuity(), DeviceClock(16_000), 5.0
    for block in blocks:
        continuity.take(block.astype(np.float32) / 32_768, at, clock)
        at += block.size / 16_000
    return continuity.summary()


def test_numbers_are_read_back_and_never_silent() -> None:
    samples = numbered(150_000)
    assert np.all(samples != 0)
    assert np.array_equal(numbers(samples.astype(np.float32) / 32_768), np.arange(150_000) % 65_534)
    assert numbers(np.zeros(1, np.float32)) == -1


def test_a_sound_without_loss_has_no_gaps() -> None:
    sound = numbered(140_000)
    found = heard(*np.array_split(sound, 900))
    assert (found["samples"], found["gaps"], found["lost_samples"]) == (140_000, 0, 0)


def test_every_hole_and_its_length_is_found() -> None:
    sound = numbered(140_000)
    found = heard(sound[:1_000], sound[1_123:66_000], sound[70_000:])
    assert (found["gaps"], found["lost_samples"]) == (2, 123 + 4_000)


def test_silence_of_the_player_is_no_loss() -> None:
    sound = numbered(3_000)
    quiet = np.zeros(320, np.int16)
    found = heard(quiet, sound[:1_000], quiet, np.concatenate((quiet, sound[1_000:])))
    assert (found["gaps"], found["silent_samples"], found["samples"]) == (0, 640, 3_000)


@pytest.mark.skipif(
    bool(missing_tools()), reason=f"not installed: {missing_tools()}; see .ci/system-packages test"
)
def test_machine_code_loses_no_sample_beside_busy_threads() -> None:
    figures = measure_capture(2, threads=3)
    assert set(figures["captures"]) == {"machine code", "interpreter"}
    machine = figures["captures"]["machine code"]
    # Of the two seconds the last blocks may still lie in the ring.
    assert machine["samples"] >= 1.5 * 16_000
    assert (machine["gaps"], machine["lost_samples"], machine["overflow_flags"]) == (0, 0, 0)
