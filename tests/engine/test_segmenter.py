"""Unit and property tests of the segmenter: frames that tell their own number, no audio."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectd.engine.segmenter import Cut, Segmenter, SegmenterSettings
from affectd.kernels.front_end import FrontEnd

FRONT_END = FrontEnd()
HOP, FFT, RATE = 256, 1_024, 16_000


def segmenter(preroll_seconds: float = 0.3, **settings: float) -> Segmenter:
    return Segmenter(FRONT_END, SegmenterSettings(**settings), preroll_seconds=preroll_seconds)


def push(
    target: Segmenter, activity: Iterable[tuple[bool, bool]], first: int = 0
) -> list[tuple[int, Cut]]:
    """Push frames that hold their number; return each cut with the frame that gave it."""
    return [
        (number, cut)
        for number, (voiced, speaking) in enumerate(activity, first)
        for cut in target.push(
            np.full(64, number, np.float32), float(number % 50), voiced=voiced, speaking=speaking
        )
    ]


def frames(seconds: float, *, voiced: bool, speaking: bool) -> list[tuple[bool, bool]]:
    return [(voiced, speaking)] * round(seconds * RATE / HOP)


def quiet(seconds: float) -> list[tuple[bool, bool]]:
    return frames(seconds, voiced=False, speaking=False)


def talk(seconds: float) -> list[tuple[bool, bool]]:
    return frames(seconds, voiced=True, speaking=True)


def hangover(seconds: float = 0.5) -> list[tuple[bool, bool]]:
    return frames(seconds, voiced=False, speaking=True)


def end_of(frame: int) -> int:
    return frame * HOP + FFT


def numbers(cut: Cut) -> list[int]:
    """Return the numbers of the frames in a window."""
    assert (cut.logmel == cut.logmel[:, :1]).all()
    return [int(value) for value in cut.logmel[:, 0]]


def test_silence_gives_nothing() -> None:
    assert push(segmenter(), quiet(30)) == []


def test_windows_come_every_hop_from_the_first_on() -> None:
    target = segmenter(hop_seconds=0.25, first_seconds=0.6)
    cuts = push(target, quiet(2) + talk(4))
    onset = end_of(125)
    due = [onset + RATE * (0.6 + 0.25 * number) for number in range(14)]
    for (number, cut), wanted in zip(cuts, due, strict=True):
        assert cut.end == end_of(number)
        assert wanted <= cut.end < wanted + HOP
        assert not cut.final
        assert cut.utterance == 1


def test_a_window_holds_the_last_three_seconds_of_its_utterance_and_no_frame_of_before() -> None:
    cuts = push(segmenter(window_seconds=3.0), quiet(2) + talk(6))
    for number, cut in cuts:
        held = numbers(cut)
        assert held == list(range(held[0], number + 1))
        assert cut.start == held[0] * HOP
        assert cut.start >= cut.utterance_start
        assert len(held) <= FRONT_END.frames(3 * RATE)
    assert len(numbers(cuts[0][1])) < FRONT_END.frames(3 * RATE)
    assert len(numbers(cuts[-1][1])) == FRONT_END.frames(3 * RATE)


@pytest.mark.parametrize("preroll_seconds", [0.0, 0.3, 1.0])
def test_an_utterance_begins_at_least_the_preroll_before_its_onset(preroll_seconds: float) -> None:
    cuts = push(segmenter(preroll_seconds), quiet(3) + talk(1))
    onset_frame_start = 188 * HOP
    reach = onset_frame_start - cuts[0][1].utterance_start
    assert preroll_seconds * RATE <= reach < preroll_seconds * RATE + FFT


def test_the_preroll_ends_where_the_stream_begins() -> None:
    cuts = push(segmenter(1.0), quiet(0.1) + talk(1))
    assert cuts[0][1].utterance_start == 0


def test_the_final_window_ends_shortly_after_the_last_voice() -> None:
    activity = quiet(1) + talk(2) + hangover(0.5) + quiet(1)
    cuts = push(segmenter(tail_seconds=0.1), activity)
    number, final = cuts[-1]
    assert final.final
    assert not final.too_short
    last_voiced = end_of(62 + 125 - 1)
    assert last_voiced <= final.end <= last_voiced + 0.1 * RATE
    assert numbers(final)[-1] < number
    assert [cut.final for _, cut in cuts].count(True) == 1


def test_a_pause_between_words_brings_no_window_of_its_own() -> None:
    before, pause = talk(1), hangover(0.45)
    activity = before + pause + talk(0.4)
    inside = range(len(before), len(before) + len(pause))
    cuts = push(segmenter(), activity)
    assert not [number for number, _ in cuts if number in inside]
    assert [number for number, _ in cuts if number == inside[-1] + 1], "one when speech goes on"


def test_an_utterance_without_a_pause_is_cut_at_the_longest() -> None:
    cuts = push(segmenter(longest_seconds=5.0), talk(12))
    finals = [cut for _, cut in cuts if cut.final]
    assert [cut.utterance for cut in finals] == [1, 2]
    for cut in finals:
        assert 5 * RATE <= cut.end - cut.utterance_start < 5 * RATE + HOP
        assert not cut.too_short
    assert cuts[-1][1].utterance == 3
    between = finals[1].utterance_start - finals[0].end
    assert 0 <= between < HOP, "nothing is heard twice, and less than a step by neither"


@pytest.mark.parametrize("frames", range(8))
def test_speech_that_ends_where_it_is_cut_is_not_lost(frames: int) -> None:
    target = segmenter(longest_seconds=5.0)
    number = 0
    while len(finals := [cut for _, cut in push(target, [(True, True)]) if cut.final]) < 1:
        number += 1
    [cut_off] = finals
    rest = push(target, [(True, True)] * frames + hangover() + quiet(0.1))
    spoken_end = end_of(number + frames)
    last = [cut for _, cut in rest if cut.final]
    reached = last[0].end if last else cut_off.end
    assert len(last) <= 1
    assert reached >= spoken_end - (HOP if last else 0)
    assert not frames or last


@pytest.mark.parametrize(
    ("voiced_seconds", "too_short"), [(0.1, True), (0.25, True), (0.35, False), (0.6, False)]
)
def test_an_utterance_of_less_than_half_the_first_window_is_too_short(
    voiced_seconds: float, too_short: bool
) -> None:
    [(_, final)] = push(segmenter(), quiet(1) + talk(voiced_seconds) + hangover() + quiet(0.1))
    assert final.final
    assert final.too_short is too_short


def test_finish_ends_the_utterance_and_says_so_once() -> None:
    target = segmenter()
    push(target, quiet(1) + talk(2))
    [final] = target.finish()
    assert final.final
    assert final.end == end_of(62 + 125 - 1)
    assert target.finish() == []


def test_after_a_restart_nothing_of_before_is_heard_and_positions_go_on() -> None:
    target = segmenter()
    push(target, talk(2))
    target.finish()
    target.restart(1_000_000)
    cuts = push(target, talk(1))
    assert cuts[0][1].utterance == 2
    assert cuts[0][1].utterance_start == 1_000_000
    assert numbers(cuts[0][1])[0] == 0
    assert cuts[0][1].end == 1_000_000 + end_of(cuts[0][0])


def test_a_longer_hop_holds_from_the_next_window_on() -> None:
    target = segmenter()
    before = push(target, talk(2))
    target.hop_seconds = 1.0
    assert target.hop_seconds == 1.0
    after = push(target, talk(4), first=125)
    ends = [cut.end for _, cut in before[-1:] + after]
    assert [round((b - a) / RATE) for a, b in itertools.pairwise(ends[1:])] == [1, 1, 1]


def test_voiced_fraction_and_level_are_those_of_the_window() -> None:
    target = segmenter(hop_seconds=0.05)
    activity = [(number % 4 != 0, True) for number in range(400)]
    number, cut = push(target, activity)[-1]
    held = numbers(cut)
    voiced = [each for each in held if each % 4 != 0]
    assert cut.voiced_fraction == pytest.approx(len(voiced) / len(held))
    assert cut.snr_db == pytest.approx(np.mean([each % 50 for each in voiced]), abs=1e-4)
    assert number == held[-1]


def test_a_window_is_a_copy() -> None:
    target = segmenter()
    _, cut = push(target, talk(1))[0]
    before = cut.logmel.copy()
    push(target, talk(30))
    assert np.array_equal(cut.logmel, before)


@given(
    phases=st.lists(
        st.tuples(st.sampled_from(["quiet", "talk", "pause"]), st.integers(1, 400)), max_size=12
    ),
    window_seconds=st.sampled_from([0.5, 1.0, 3.0]),
    longest_seconds=st.sampled_from([1.0, 4.0, 15.0]),
    tail_seconds=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_whatever_the_activity_windows_are_whole_and_in_order(
    phases: list[tuple[str, int]],
    window_seconds: float,
    longest_seconds: float,
    tail_seconds: float,
) -> None:
    target = segmenter(
        1.0,
        window_seconds=window_seconds,
        longest_seconds=longest_seconds,
        tail_seconds=tail_seconds,
    )
    activity: list[tuple[bool, bool]] = []
    for kind, count in phases:
        if kind == "pause" and activity and activity[-1][1]:
            # The voice activity's hang-over is at most 1.5 s.
            activity += [(False, True)] * min(count, 93) + [(True, True)]
        elif kind == "talk":
            activity += [(True, True)] * count
        else:
            activity += [(False, False)] * count
    cuts = push(target, activity)
    cuts += [(len(activity), cut) for cut in target.finish()]
    ended: set[int] = set()
    for number, cut in cuts:
        held = numbers(cut)
        assert held == list(range(held[0], held[0] + len(held)))
        assert 1 <= len(held) <= FRONT_END.frames(round(window_seconds * RATE))
        assert held[-1] <= number
        assert (cut.start, cut.end) == (held[0] * HOP, end_of(held[-1]))
        assert cut.utterance_start <= cut.start
        assert 0 <= cut.voiced_fraction <= 1
        assert cut.utterance not in ended
        if cut.final:
            ended.add(cut.utterance)
    ends = {cut.utterance: cut.end for _, cut in cuts if cut.final}
    assert all(cut.end <= ends[cut.utterance] for _, cut in cuts)
    assert all(cut.utterance_start >= ends.get(cut.utterance - 1, 0) for _, cut in cuts)
    assert [cut.utterance for _, cut in cuts] == sorted(cut.utterance for _, cut in cuts)
    assert ended == {cut.utterance for _, cut in cuts}
