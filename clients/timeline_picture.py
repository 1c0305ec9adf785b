"""Timelines as a PNG file, drawn by matplotlib; imported only where one is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import IO

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from affectd.clients.palette import colour_of
from affectd.clients.timeline import Timeline

__all__ = ["draw", "save_png"]

_WIDTH = 10.0
_LEFT, _RIGHT, _ABOVE, _BELOW = 0.75, 1.5, 0.6, 0.6
_ROW, _BETWEEN = 1.2, 0.6
_ROW_SECONDS = (30, 60, 120, 300)
_MOST_ROWS = 40
_LABEL_POINTS = 8
_LETTER_INCHES = 0.075
_DPI = 150
_MOST_PIXELS = 32_000
"""Of a side; what many folders hold is drawn smaller."""


def draw(timelines: Sequence[Timeline]) -> Figure:
    """Draw timelines below each other, a long one in several rows.

    Args:
        timelines: At least one.
    """
    rows = [(timeline, *span) for timeline in timelines for span in _spans(timeline.seconds)]
    height = _ABOVE + len(rows) * _ROW + (len(rows) - 1) * _BETWEEN + _BELOW
    # A figure of its own, not pyplot's: nothing here needs a display or a global state.
    figure = Figure(figsize=(_WIDTH, height))
    figure.subplots_adjust(
        left=_LEFT / _WIDTH,
        right=1 - _RIGHT / _WIDTH,
        top=1 - _ABOVE / height,
        bottom=_BELOW / height,
        hspace=_BETWEEN / _ROW,
    )
    grid = figure.subplots(len(rows), squeeze=False)[:, 0]
    for axes, (timeline, start, end) in zip(grid, rows, strict=True):
        _areas(axes, timeline, start, end)
        _labels(axes, timeline, start, end)
        axes.set(xlim=(start, end), ylim=(0, 1), ylabel="probability", yticks=(0, 1))
        if not start:
            axes.set_title(timeline.name, loc="left", pad=18, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
    grid[-1].set_xlabel("seconds")
    # Each label once, and in the order in which the areas lie on each other.
    labels = timelines[0].labels
    handles = [grid[0].fill_between([], [], color=colour_of(label)) for label in labels]
    figure.legend(handles[::-1], labels[::-1], loc="upper right", frameon=False)
    return figure


def save_png(timelines: Sequence[Timeline], out: IO[bytes]) -> None:
    """Draw timelines as a PNG file.

    Args:
        timelines: At least one.
        out: Where to write.
    """
    figure = draw(timelines)
    dpi = min(_DPI, int(_MOST_PIXELS / figure.get_figheight()))
    figure.savefig(out, format="png", dpi=dpi)


def _spans(seconds: float) -> list[tuple[float, float]]:
    """Return the rows of a recording, in seconds; one where that is enough."""
    if seconds <= _ROW_SECONDS[0]:
        return [(0.0, seconds)]
    length = next((each for each in _ROW_SECONDS if seconds <= each * _MOST_ROWS), _ROW_SECONDS[-1])
    count = math.ceil(seconds / length)
    return [(float(length * row), float(length * (row + 1))) for row in range(count)]


def _areas(axes: Axes, timeline: Timeline, start: float, end: float) -> None:
    for run in timeline.runs():
        times = [each["end"] for each in run]
        scores = [[each["scores"][label] for each in run] for label in timeline.labels]
        if len(run) == 1:
            times, scores = [run[0]["start"], *times], [2 * each for each in scores]
        if times[-1] > start and times[0] < end:
            axes.stackplot(times, scores, colors=[colour_of(label) for label in timeline.labels])


def _labels(axes: Axes, timeline: Timeline, start: float, end: float) -> None:
    """Write what utterances sound like, where it covers no other."""
    a_second = (_WIDTH - _LEFT - _RIGHT) / (end - start) if end > start else 0.0
    free = 0.0
    for each in timeline.utterances:
        middle = (each["start"] + each["end"]) / 2
        if not start <= middle < end:
            continue
        word = each["label"] or "?"
        half, place = _LETTER_INCHES * (len(word) + 1) / 2, (middle - start) * a_second
        if place - half < free:
            continue
        free = place + half
        axes.text(middle, 1.03, word, ha="center", size=_LABEL_POINTS)
