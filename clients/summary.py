"""Who sounds how, over time: a folder of recordings at one glance."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from affectd.clients.palette import bar, colour_of
from affectd.clients.timeline import Timeline
from affectd.clients.wording import printable, reason

__all__ = ["EmotionProfile", "emotion_profiles", "summary_table", "utterance_table"]

_BAR_COLUMNS = 10
_STRIP_COLUMNS = 24
_WINDOWS = 1.5
"""An utterance longer than so many windows has a course of its own."""


@dataclass(frozen=True, slots=True)
class EmotionProfile:
    """How one recording sounds as a whole: how present each emotion is, instead of one alone.

    The term is that of E. Mower, M. J. Matarić and S. Narayanan, "A Framework for Automatic Human
    Emotion Classification Using Emotion Profiles", 2011.
    """

    name: str
    seconds: float
    """Of speech."""
    utterances: int
    shares: Mapping[str, float]
    """Mean probability of every label, weighted by the length of the utterances."""
    valence: float
    arousal: float
    course: tuple[str | None, ...]
    """The label that is heard longest in each of equal parts; `None` where none is named. Within an
    utterance of several windows it is what these say, each around its middle."""


def emotion_profiles(
    timelines: Iterable[Timeline], *, parts: int = _STRIP_COLUMNS
) -> list[EmotionProfile]:
    """Sum up recordings, one by one."""
    return [_profile_of(timeline, parts) for timeline in timelines]


def _profile_of(timeline: Timeline, parts: int) -> EmotionProfile:
    heard = timeline.utterances
    told = list(_told(timeline))
    lengths = [each["end"] - each["start"] for each in heard]
    total = sum(lengths)

    def mean(values: Sequence[float]) -> float:
        pairs = zip(lengths, values, strict=True)
        return sum(length * value for length, value in pairs) / total if total else 0.0

    return EmotionProfile(
        name=timeline.name,
        seconds=total,
        utterances=len(heard),
        shares={
            label: mean([each["scores"][label] for each in heard]) for label in timeline.labels
        },
        valence=mean([each["valence"] for each in heard]),
        arousal=mean([each["arousal"] for each in heard]),
        course=tuple(
            _longest(told, timeline.seconds * at / parts, timeline.seconds * (at + 1) / parts)
            for at in range(parts)
        ),
    )


def _told(timeline: Timeline) -> Iterator[tuple[float, float, str | None]]:
    """Yield from when to when which label is told."""
    moments = timeline.moments
    ends = [one["end"] for one in moments]
    for each in timeline.utterances:
        start, end = each["start"], each["end"]
        ending = moments[bisect_left(ends, start) : bisect_right(ends, end)]
        inside = [one for one in ending if one["start"] >= start]
        window = max((one["end"] - one["start"] for one in inside), default=0.0)
        if not inside or end - start < _WINDOWS * window:
            yield start, end, each["label"]
            continue
        # The first ones begin where the utterance does, and hear less than a window.
        full = [one for one in inside if one["start"] > start] or inside
        middles = [(one["start"] + one["end"]) / 2 for one in full]
        borders = [start, *((a + b) / 2 for a, b in pairwise(middles)), end]
        for (first, last), one in zip(pairwise(borders), full, strict=True):
            yield first, last, one["label"]


def _longest(
    told: Iterable[tuple[float, float, str | None]], start: float, end: float
) -> str | None:
    seconds: dict[str, float] = {}
    for first, last, label in told:
        overlap = min(last, end) - max(first, start)
        if overlap > 0 and label:
            seconds[label] = seconds.get(label, 0.0) + overlap
    return max(seconds, key=seconds.__getitem__, default=None)


def summary_table(found: Sequence[EmotionProfile]) -> RenderableType:
    """Return a row a recording: how it sounds on the whole, and how that changes."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recording", overflow="fold")
    table.add_column("speech", justify="right", no_wrap=True)
    table.add_column("sounds mostly", no_wrap=True)
    table.add_column("valence", justify="right", no_wrap=True)
    table.add_column("arousal", justify="right", no_wrap=True)
    table.add_column("over time", no_wrap=True)
    labels = sorted({label for profile in found for label in profile.course if label})
    letters = _letters(labels)
    for profile in found:
        leading = max(profile.shares, key=profile.shares.__getitem__, default="")
        share = profile.shares.get(leading, 0.0)
        course = Text()
        for label in profile.course:
            course.append(letters[label] if label else "·", colour_of(label) if label else "dim")
        said = Text(f"{printable(leading)} {share:.0%} " if profile.utterances else "no speech")
        if profile.utterances:
            said.append(bar(share, _BAR_COLUMNS), colour_of(leading))
        table.add_row(
            Text(printable(profile.name)),
            f"{profile.seconds:.1f} s",
            said,
            f"{profile.valence:+.2f}" if profile.utterances else "",
            f"{profile.arousal:+.2f}" if profile.utterances else "",
            course,
        )
    key = "  ".join(f"{letters[label]} {label}" for label in labels)
    return Group(table, Text(f"{key}  · none named", "dim"))


def _letters(labels: Iterable[str]) -> dict[str, str]:
    """Return a letter a label: the first of its own that no other has."""
    letters: dict[str, str] = {}
    for label in labels:
        own = [each for each in label if each not in letters.values()]
        letters[label] = own[0] if own else "?"
    return letters


def utterance_table(timelines: Iterable[Timeline]) -> RenderableType:
    """Return a row an utterance."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recording", overflow="fold")
    for name in ("start", "end"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("emotion", no_wrap=True)
    table.add_column("sure", justify="right", no_wrap=True)
    for timeline in timelines:
        for each in timeline.utterances:
            label = each["label"]
            said = Text.assemble(("■ ", colour_of(label)), printable(label)) if label else Text()
            if not label:
                said.append(f"□ {reason(each['abstained'])}")
            table.add_row(
                Text(printable(timeline.name)),
                f"{each['start']:.2f}",
                f"{each['end']:.2f}",
                said,
                f"{each['confidence']:.0%}",
            )
    return table
