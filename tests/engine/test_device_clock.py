"""Unit and property tests of the device clock: stamps are an input, no clock is read."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectd.engine.device_clock import DeviceClock

RATE = 16_000
BLOCK = 160


def missing(stamps: list[float]) -> list[tuple[int, float]]:
    """Return the blocks before which audio is missing, with how much."""
    clock = DeviceClock(RATE)
    found = [(number, clock.push(BLOCK, stamp)[1]) for number, stamp in enumerate(stamps)]
    return [(number, seconds) for number, seconds in found if seconds]


@given(seed=st.integers(0, 1_000), jitter=st.floats(0, 0.09), drift=st.floats(-3e-4, 3e-4))
def test_jitter_and_drift_are_no_loss_and_are_smoothed(
    seed: int, jitter: float, drift: float
) -> None:
    random = Random(seed)
    clock = DeviceClock(RATE)
    last = 0.0
    for number in range(3_000):
        true = 100 + number * 0.01 * (1 + drift)
        at, lost = clock.push(BLOCK, true + jitter * random.random())
        assert lost == 0
        assert -0.005 <= at - true <= jitter + 0.005
        if number > 500:
            assert at - last == pytest.approx(0.01, abs=0.001)
        last = at


@given(
    seed=st.integers(0, 1_000),
    lost=st.floats(0.15, 20),
    jitter=st.floats(0, 0.03),
    place=st.integers(100, 400),
)
def test_a_loss_is_found_once_within_a_second_and_measured(
    seed: int, lost: float, jitter: float, place: int
) -> None:
    random = Random(seed)
    stamps = [
        number * 0.01 + (lost if number >= place else 0) + jitter * random.random()
        for number in range(600)
    ]
    [(number, seconds)] = missing(stamps)
    assert place <= number <= place + 100
    assert seconds == pytest.approx(lost, abs=jitter + 0.002)


def test_two_losses_are_two() -> None:
    stamps = [n * 0.01 + (0.5 if n >= 200 else 0) + (0.3 if n >= 400 else 0) for n in range(600)]
    (first, second) = missing(stamps)
    assert first[1] == pytest.approx(0.5)
    assert second[1] == pytest.approx(0.3)


@pytest.mark.parametrize("stall", [0.15, 0.4, 0.9])
def test_blocks_that_are_late_and_catch_up_are_no_loss(stall: float) -> None:
    stamps = [max(number * 0.01, 3 + stall if number >= 300 else 0) for number in range(800)]
    assert missing(stamps) == []


def test_bursts_of_blocks_are_no_loss() -> None:
    stamps = [(number // 8 + 1) * 0.08 for number in range(800)]
    assert missing(stamps) == []


def test_blocks_of_a_sample_are_smoothed_from_few_stamps() -> None:
    random = Random(1)
    clock = DeviceClock(RATE)
    for number in range(2 * RATE):
        at, lost = clock.push(1, number / RATE + 0.02 * random.random())
        assert lost == 0
        assert len(clock._earliest) + len(clock._stamps) < 200
    assert at == pytest.approx(2, abs=0.021)


def test_samples_that_were_captured_but_overwritten_are_no_loss() -> None:
    clock = DeviceClock(RATE)
    for number in range(100):
        clock.push(BLOCK, number * 0.01)
    clock.skip(RATE)
    for number in range(200, 400):
        at, lost = clock.push(BLOCK, number * 0.01)
        assert lost == 0
        assert at == pytest.approx(number * 0.01)
