"""Unit and property tests of what runs next: time and costs are inputs."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from affectd.engine.scheduling import Costs, choose

COSTS = Costs(
    {
        64: {1: 0.001, 2: 0.002, 4: 0.003, 8: 0.005},
        188: {1: 0.004, 2: 0.007, 4: 0.013, 8: 0.025},
    }
)


@dataclass
class Each:
    frames: int
    deadline: float


def test_one_that_waits_alone_runs_alone() -> None:
    assert choose([Each(60, 1.0)], COSTS, 0.0) == [0]


def test_the_most_urgent_goes_first_and_takes_its_like_along() -> None:
    waiting = [Each(60, 0.9), Each(180, 0.1), Each(60, 0.2), Each(180, 0.3), Each(150, 0.2)]
    assert choose(waiting, COSTS, 0.0) == [1, 3]


def test_where_lengths_are_mixed_those_of_the_same_padding_go_together() -> None:
    waiting = [Each(60, 0.9), Each(180, 0.1), Each(60, 0.2), Each(180, 0.3), Each(150, 0.2)]
    assert choose(waiting, Costs(COSTS.seconds, mixed=True), 0.0) == [1, 4]


def test_a_batch_is_no_larger_than_its_most_urgent_window_can_wait() -> None:
    waiting = [Each(188, 0.010 + place) for place in range(8)]
    assert len(choose(waiting, COSTS, 0.0)) == 2
    assert len(choose(waiting, COSTS, -0.003)) == 4
    assert len(choose(waiting, COSTS, -1.0)) == 8


def test_when_all_are_late_the_cheapest_batch_catches_up_soonest() -> None:
    waiting = [Each(188, 0.0)] * 8
    assert len(choose(waiting, COSTS, 1.0)) == 8


@given(
    st.lists(st.builds(Each, st.integers(1, 188), st.floats(-1, 1)), min_size=1, max_size=40),
    st.floats(-1, 1),
)
def test_the_most_urgent_is_always_among_them_and_nobody_twice(
    waiting: list[Each], now: float
) -> None:
    places = choose(waiting, COSTS, now)
    assert waiting[places[0]].deadline == min(each.deadline for each in waiting)
    assert len(set(places)) == len(places)
    frames = waiting[places[0]].frames
    assert len(places) in COSTS.seconds[COSTS.frames(frames)]
    assert {waiting[place].frames for place in places} == {frames}


def test_a_window_costs_what_it_does_in_the_cheapest_batch() -> None:
    assert COSTS.window_seconds() == 0.025 / 8
