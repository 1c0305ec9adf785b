"""Percentiles of raw samples; nothing is averaged before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

__all__ = ["Percentiles"]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """How one quantity was distributed over a run."""

    samples: int
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Percentiles:
        """Summarise a run.

        Raises:
            ValueError: there are no values.
        """
        if not len(values):
            raise ValueError("nothing was measured")
        p50, p95, p99 = np.percentile(np.asarray(values, np.float64), (50, 95, 99))
        return cls(len(values), float(p50), float(p95), float(p99), float(max(values)))

    def to_dict(self) -> dict[str, float]:
        """Return the figures, rounded to a microsecond where they are milliseconds."""
        return {name: round(value, 3) for name, value in asdict(self).items()}
