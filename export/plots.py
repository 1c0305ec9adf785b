"""The pictures of an export's report, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from affectd.export.accuracy import Accuracy
from affectd.export.artefact import Artefact

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion_plot", "latency_plot", "logit_plot"]

_LEAST = 1e-9
"""Stands for no difference at all on a logarithmic axis."""


def logit_plot(artefacts: Sequence[Artefact]) -> bytes:
    """Draw how many logits differ from the checkpoint's by how much, a curve an artefact."""
    figure = _figure(7, 4)
    axes = figure.add_subplot()
    for artefact in artefacts:
        differences = np.sort(artefact.parity.differences.ravel())
        share = 100 * np.arange(1, differences.size + 1) / differences.size
        axes.plot(np.clip(differences, _LEAST, None), share, label=artefact.metadata.precision)
    axes.set_xscale("log")
    axes.set_xlabel("difference of a logit from the checkpoint's")
    axes.set_ylabel("% of logits at most so far")
    axes.legend()
    return _png(figure)


def latency_plot(artefacts: Sequence[Artefact]) -> bytes:
    """Draw how long windows took, a curve an artefact, and FP32 as timed beside the last."""
    figure = _figure(7, 4)
    axes = figure.add_subplot()
    timed = {
        artefact.metadata.precision: artefact.judgement.latency_ms[1]
        for artefact in artefacts
        if artefact.judgement.latency_ms is not None
    }
    beside = artefacts[-1].judgement.latency_ms
    if beside is not None and len(timed) > 1:
        timed["fp32"] = beside[0]
    for name, taken in timed.items():
        share = 100 * np.arange(1, taken.size + 1) / taken.size
        axes.plot(np.sort(taken), share, label=f"{name}, p50 {np.median(taken):.2f} ms")
    axes.set_xscale("log")
    axes.set_xlabel("ms for one window on one thread")
    axes.set_ylabel("% of windows at most so long")
    axes.legend()
    return _png(figure)


def confusion_plot(before: Accuracy, after: Accuracy, *, precision: str) -> bytes:
    """Draw the confusion matrices before and after, each row in percent of its label's clips."""
    figure = _figure(12, 5.5)
    for place, (accuracy, title) in enumerate(((before, "checkpoint"), (after, precision)), 1):
        axes = figure.add_subplot(1, 2, place)
        counts = accuracy.total.counts
        rows = np.flatnonzero(counts.sum(axis=1))
        percent = 100 * counts[rows] / counts[rows].sum(axis=1, keepdims=True)
        axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
        axes.set_xticks(range(len(accuracy.labels)), accuracy.labels, rotation=45, ha="right")
        axes.set_yticks(range(len(rows)), [accuracy.labels[row] for row in rows])
        axes.set_xlabel("guessed")
        axes.set_ylabel("true")
        axes.set_title(f"{title}: UAR {accuracy.uar:.2f} %")
        for (row, column), share in np.ndenumerate(percent):
            colour = "white" if share > 50 else "black"
            axes.text(column, row, f"{share:.0f}", ha="center", va="center", color=colour)
    return _png(figure)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
