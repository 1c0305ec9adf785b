"""How well labels were guessed: recalls, their unweighted average, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Confusion"]


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each label was taken for which."""

    labels: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    """Rows are the true labels and columns the guessed ones, ``(labels, labels)``."""

    @classmethod
    def of(cls, true: Sequence[str], guessed: Sequence[str], labels: Sequence[str]) -> Confusion:
        """Count guesses.

        Raises:
            ValueError: the sequences differ in length or hold an unknown label.
        """
        places = {label: place for place, label in enumerate(labels)}
        counts = np.zeros((len(places), len(places)), np.int64)
        for truth, guess in zip(true, guessed, strict=True):
            for label in (truth, guess):
                if label not in places:
                    raise ValueError(f"label is {label!r}; allowed are {', '.join(places)}")
            counts[places[truth], places[guess]] += 1
        return cls(tuple(labels), counts)

    def __add__(self, other: Confusion) -> Confusion:
        if self.labels != other.labels:
            raise ValueError(f"labels differ: {self.labels} and {other.labels}")
        return Confusion(self.labels, self.counts + other.counts)

    @property
    def clips(self) -> int:
        """Number of guesses."""
        return int(self.counts.sum())

    @property
    def recalls(self) -> dict[str, float]:
        """Share of each label's clips that were guessed right, for the labels that occur."""
        totals = self.counts.sum(axis=1)
        return {
            label: float(self.counts[place, place] / totals[place])
            for place, label in enumerate(self.labels)
            if totals[place]
        }

    @property
    def uar(self) -> float:
        """Unweighted average recall: the mean of `recalls`, between 0 and 1."""
        return float(np.mean(list(self.recalls.values()))) if self.clips else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of all clips guessed right, between 0 and 1."""
        return float(np.trace(self.counts) / self.clips) if self.clips else float("nan")

    def __str__(self) -> str:
        width = max(len(label) for label in self.labels)
        cell = max(5, *(len(label[:9]) for label in self.labels))
        lines = [
            " " * width + "".join(f" {label[:9]:>{cell}}" for label in self.labels) + "  recall"
        ]
        recalls = self.recalls
        for place, label in enumerate(self.labels):
            if label in recalls:
                row = "".join(f" {count:>{cell}}" for count in self.counts[place])
                lines.append(f"{label:<{width}}{row}  {100 * recalls[label]:5.1f}%")
        return "\n".join(lines)
