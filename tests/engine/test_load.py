"""Unit and property tests of the load governor: time is an input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectd.engine.load import LoadGovernor


def test_each_loss_doubles_the_hop_up_to_two_seconds() -> None:
    governor = LoadGovernor(0.25)
    told = [governor.window(1, now=0.1 * number) for number in range(5)]
    assert told == ["degraded", "degraded", "degraded", None, None]
    assert governor.hop_seconds == 2.0


def test_windows_given_up_are_announced_once() -> None:
    governor = LoadGovernor(0.25)
    governor.window(3, now=0.0)
    governor.window(2, now=0.1)
    assert governor.announce() == 5
    assert governor.announce() == 0


def test_after_calm_the_hop_comes_back_step_by_step() -> None:
    governor = LoadGovernor(0.25)
    governor.window(1, now=0.0)
    governor.window(1, now=0.0)
    assert governor.window(0, now=9.9) is None
    assert governor.hop_seconds == 1.0
    assert governor.window(0, now=10.0) == "degraded"
    assert governor.hop_seconds == 0.5
    assert governor.window(0, now=19.9) is None
    assert governor.window(0, now=20.0) == "recovered"
    assert governor.hop_seconds == 0.25
    assert governor.window(0, now=40.0) is None


def test_a_loss_during_the_calm_begins_it_anew() -> None:
    governor = LoadGovernor(1.0)
    governor.window(1, now=0.0)
    governor.window(1, now=9.0)
    assert governor.window(0, now=18.0) is None
    assert governor.window(0, now=19.0) == "recovered"


@pytest.mark.parametrize("hop_seconds", [2.0, 5.0])
def test_a_hop_that_is_long_already_stays(hop_seconds: float) -> None:
    governor = LoadGovernor(hop_seconds)
    assert governor.window(1, now=0.0) == "degraded"
    assert governor.hop_seconds == hop_seconds
    assert governor.window(0, now=10.0) == "recovered"


def test_losses_at_the_longest_hop_are_told_every_five_seconds() -> None:
    governor = LoadGovernor(2.0)
    told = [governor.window(1, now=float(second)) for second in range(11)]
    assert [second for second, state in enumerate(told) if state] == [0, 5, 10]


@given(
    hop_seconds=st.floats(0.05, 10),
    steps=st.lists(st.tuples(st.integers(0, 3), st.floats(0, 12)), max_size=60),
)
def test_the_hop_stays_within_its_bounds_and_every_change_of_state_is_told(
    hop_seconds: float, steps: list[tuple[int, float]]
) -> None:
    governor = LoadGovernor(hop_seconds)
    now = 0.0
    degraded = False
    for superseded, elapsed in steps:
        now += elapsed
        told = governor.window(superseded, now)
        assert hop_seconds <= governor.hop_seconds <= max(2.0, hop_seconds)
        if told:
            degraded = told in ("degraded", "voice_only")
        assert degraded or governor.hop_seconds == hop_seconds


def test_windows_that_are_late_on_end_lengthen_the_hop_and_one_alone_does_not() -> None:
    governor = LoadGovernor(0.25)
    late = [governor.window(0, now=0.1 * n, waited_seconds=0.2) for n in range(3)]
    assert late == [None, None, "degraded"]
    governor = LoadGovernor(0.25)
    for number in range(20):
        assert governor.window(0, now=number, waited_seconds=0.2 * (number % 2)) is None


def test_where_the_longest_hop_does_not_help_only_the_voice_is_followed_and_then_tried_again() -> (
    None
):
    governor = LoadGovernor(1.0)
    told = [governor.window(1, now=float(number)) for number in range(13)]
    assert [each for each in told if each] == ["degraded", "degraded", "voice_only"]
    assert governor.voice_only
    last = 12.0  # what was in flight still came
    assert governor.tick(last + 9.9) is None
    assert governor.tick(last + 10.0) == "degraded"
    assert not governor.voice_only
    assert governor.window(0, now=last + 20.0) == "recovered"
