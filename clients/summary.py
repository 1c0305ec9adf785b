"""Who sounds how, over time: a folder of recordings at one glance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from affectd.clients.palette import bar, colour_of
from affectd.clients.timeline import Timeline
from affectd.clients.wording import printable, reason

__all__ = ["EmotionProfile", "emotion_profiles", "summary_table", "utterance_table"]

_BAR_COLUMNS = 10
_STRIP_COLUMNS = 24


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
    """The label that is heard longest in each of equal parts; `None` where none is named."""


def emotion_profiles(
    timelines: Iterable[Timeline], *, parts: int = _STRIP_COLUMNS
) -> list[EmotionProfile]:
    """Sum up recordings, one by one."""
    return [_profile_of(timeline, parts) for timeline in timelines]


def _profile_of(timeline: Timeline, parts: int) -> EmotionProfile:
    heard = timeline.utterances
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
            _loudest(heard, timeline.seconds * at / parts, timeline.seconds * (at + 1) / parts)
            for at in range(parts)
        ),
    )


def _loudest(heard: Iterable[Mapping[str, Any]], start: float, end: float) -> str | None:
    seconds: dict[str, float] = {}
    for each in heard:
        overlap = min(each["end"], end) - max(each["start"], start)
        if overlap > 0 and each["label"]:
            seconds[each["label"]] = seconds.get(each["label"], 0.0) + overlap
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
