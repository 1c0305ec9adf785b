"""A recording at one glance."""

from __future__ import annotations

from typing import Any

from affectd.clients.summary import emotion_profiles
from affectd.clients.timeline import Timeline

LABELS = ("angry", "sad")


def said(start: float, end: float, label: str | None) -> dict[str, Any]:
    scores = {each: float(each == label) for each in LABELS}
    return {
        "start": start,
        "end": end,
        "label": label,
        "scores": scores,
        "valence": 0.0,
        "arousal": 0.0,
    }


def course(*utterances: dict[str, Any], moments: list[dict[str, Any]]) -> tuple[str | None, ...]:
    timeline = Timeline("talk", 12.0, LABELS, utterances, moments)
    [profile] = emotion_profiles([timeline], parts=12)
    return profile.course


def test_the_course_of_short_utterances_is_what_each_was_told_as() -> None:
    moments = [said(1.0, 2.0, "sad"), said(1.0, 3.0, "sad")]
    found = course(said(1.0, 3.0, "angry"), said(5.0, 6.0, None), moments=moments)
    assert found == (None, "angry", "angry", *[None] * 9)


def test_what_changes_within_a_long_utterance_is_told_where_it_changes() -> None:
    moments = [said(0.0, 1.0, "sad"), said(0.0, 2.0, "sad")]
    moments += [
        said(end - 3.0, end, "angry" if end < 8 else "sad")
        for end in (4.0, 5.0, 6.0, 7.0, 8.0, 9.0)
    ]
    found = course(said(0.0, 10.0, "angry"), moments=moments)
    # The windows that end at 7 and 8 s have their middles at 5.5 and 6.5 s.
    assert found == (*["angry"] * 6, *["sad"] * 4, None, None)


def test_an_utterance_without_moments_is_told_as_a_whole() -> None:
    assert course(said(0.0, 11.0, "sad"), moments=[]) == (*["sad"] * 11, None)
