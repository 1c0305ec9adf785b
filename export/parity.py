"""Whether a graph says what its checkpoint says, on windows of every length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affectd.export.speech import Windows
from affectd.models.scoring import Scorer

__all__ = ["Parity", "logits_of", "measure_parity"]

_BATCH = 5
"""Not one of the engine's batches: a graph that froze its example's batch would be found out."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a graph lies from its checkpoint."""

    windows: Windows
    differences: npt.NDArray[np.float64]
    """Absolute differences of the logits, ``(windows, classes)``; infinite where one is NaN."""
    agreement: float
    """Share of windows with the same winning label, between 0 and 1."""

    @property
    def largest(self) -> float:
        """Largest difference of a logit."""
        return float(self.differences.max())

    @property
    def mean(self) -> float:
        """Mean difference of the logits."""
        return float(self.differences.mean())

    def to_dict(self) -> dict[str, float]:
        """Return the figures as an artefact's metadata has them."""
        return {
            "windows": float(len(self.windows)),
            "real_speech": float(self.windows.real),
            "largest_logit_difference": self.largest,
            "mean_logit_difference": self.mean,
            "label_agreement": self.agreement,
        }


def logits_of(scorer: Scorer, windows: Windows) -> npt.NDArray[np.float32]:
    """Return the logits of windows, float32 ``(windows, classes)``.

    They go in by fives, padded to the longest, and then one by one, unpadded, in turn: a graph may
    have a way of its own for each.
    """
    found: list[npt.NDArray[np.float32]] = []
    for chosen in _groups(windows.windows):
        frames = np.array([len(window) for window in chosen], np.int64)
        logmel = np.zeros((len(chosen), frames.max(), chosen[0].shape[1]), np.float32)
        for row, window in zip(logmel, chosen, strict=True):
            row[: len(window)] = window
        found.append(scorer(logmel, frames))
    return np.concatenate(found)


def _groups(
    windows: Sequence[npt.NDArray[np.float32]],
) -> Iterator[Sequence[npt.NDArray[np.float32]]]:
    for start in range(0, len(windows), 2 * _BATCH):
        yield windows[start : start + _BATCH]
        for one in range(start + _BATCH, min(start + 2 * _BATCH, len(windows))):
            yield windows[one : one + 1]


def measure_parity(expected: npt.NDArray[np.float32], scorer: Scorer, windows: Windows) -> Parity:
    """Compare a graph with what its checkpoint says.

    Args:
        expected: The checkpoint's logits, float32 ``(windows, classes)``.
        scorer: Runs the graph.
        windows: What to compare on.
    """
    found = logits_of(scorer, windows)
    differences = np.abs(found.astype(np.float64) - expected)
    differences[~np.isfinite(differences)] = np.inf
    agreement = float((found.argmax(axis=1) == expected.argmax(axis=1)).mean())
    return Parity(windows, differences, agreement)
