"""The confusion matrix as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from affectd.models.metrics import Confusion

__all__ = ["save_confusion_plot"]


def save_confusion_plot(confusion: Confusion, path: Path, *, title: str) -> None:
    """Draw a confusion matrix, each row in percent of its label's clips, and save it.

    Args:
        confusion: The matrix; labels without a clip get no row.
        path: A PNG, SVG or PDF file.
        title: Stands above.

    Raises:
        ValueError: the file name ends otherwise.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if path.suffix.lower() not in {".png", ".svg", ".pdf"}:
        raise ValueError(f"picture is {path.name!r}; allowed endings are .png, .svg and .pdf")
    rows = np.flatnonzero(confusion.counts.sum(axis=1))
    counts = confusion.counts[rows]
    percent = 100 * counts / counts.sum(axis=1, keepdims=True)
    figure = Figure(figsize=(7, 6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(len(confusion.labels)), confusion.labels, rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), [confusion.labels[row] for row in rows])
    axes.set_xlabel("guessed")
    axes.set_ylabel("true")
    axes.set_title(title)
    for row in range(percent.shape[0]):
        for column in range(percent.shape[1]):
            axes.text(
                column,
                row,
                f"{percent[row, column]:.0f}",
                ha="center",
                va="center",
                color="white" if percent[row, column] > 50 else "black",
            )
    figure.colorbar(image, label="% of the true label's clips")
    figure.savefig(path)
