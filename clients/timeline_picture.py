"""Timelines as a PNG file, drawn by matplotlib; imported only where one is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from matplotlib.figure import Figure

from affectd.clients.palette import colour_of
from affectd.clients.timeline import Timeline

__all__ = ["save_png"]

_INCHES = (10.0, 2.4)


def save_png(timelines: Sequence[Timeline], out: IO[bytes]) -> None:
    """Draw timelines below each other.

    Args:
        timelines: At least one.
        out: Where to write.
    """
    # A figure of its own, not pyplot's: nothing here needs a display or a global state.
    figure = Figure(figsize=(_INCHES[0], _INCHES[1] * len(timelines)), layout="constrained")
    rows = figure.subplots(len(timelines), squeeze=False)[:, 0]
    for axes, timeline in zip(rows, timelines, strict=True):
        labels = timeline.labels
        for run in timeline.runs():
            times = [each["end"] for each in run]
            scores = [[each["scores"][label] for each in run] for label in labels]
            if len(run) == 1:
                times, scores = [run[0]["start"], *times], [2 * each for each in scores]
            axes.stackplot(times, scores, colors=[colour_of(label) for label in labels])
        for each in timeline.utterances:
            middle = (each["start"] + each["end"]) / 2
            axes.text(middle, 1.03, each["label"] or "?", ha="center", size=8)
        axes.set(xlim=(0, timeline.seconds), ylim=(0, 1), ylabel="probability")
        axes.set_title(timeline.name, loc="left", pad=18, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
    rows[-1].set_xlabel("seconds")
    # Each label once, and in the order in which the areas lie on each other.
    handles = [
        rows[0].fill_between([], [], color=colour_of(label)) for label in timelines[0].labels
    ]
    figure.legend(
        handles[::-1], timelines[0].labels[::-1], loc="outside right upper", frameon=False
    )
    figure.savefig(out, format="png", dpi=150)
