"""Directions of vectors in which the scatter within classes and corpora is even."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affectd.models.discriminant import Matrix, Moments, scatter_within

__all__ = ["Whitening", "fit_whitening"]


@dataclass(frozen=True, slots=True)
class Whitening:
    """Vectors become ``(x - centre) @ directions``."""

    centre: Matrix
    directions: Matrix
    """``(d, kept)``."""

    def __call__(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return vectors along the directions, float32 ``(n, kept)``."""
        directions = self.directions.astype(np.float32)
        shift = (self.centre @ self.directions).astype(np.float32)
        along: npt.NDArray[np.float32] = vectors @ directions - shift
        return along


def fit_whitening(
    corpora: Sequence[Moments],
    *,
    shrinkage: float,
    kept: int,
    voices: Sequence[Sequence[Moments]] = (),
    strangeness: float = 0.0,
) -> Whitening:
    """Return the directions of the largest scatter, each divided by its shrunk deviation.

    Speakers differ most along the directions that are shortened most.

    Args:
        corpora: Of what is learnt from, each times its weight.
        shrinkage: Share of the mean variance in that of each direction, above 0 and at most 1.
        kept: How many directions.
        voices: See `affectd.models.discriminant.fit_discriminant`.
        strangeness: See there.

    Raises:
        ValueError: the shrinkage is not allowed, or there are fewer directions.
    """
    if not 0 < shrinkage <= 1:
        raise ValueError(f"shrinkage is {shrinkage}; allowed is above 0 and at most 1")
    fit = scatter_within(corpora, voices=voices, strangeness=strangeness)
    if kept > len(fit.scale):
        raise ValueError(f"kept is {kept}; the vectors have {len(fit.scale)} dimensions")
    variances, axes = np.linalg.eigh(fit.within.astype(np.float32))
    variances, axes = variances[::-1].astype(np.float64), axes[:, ::-1].astype(np.float64)
    level = variances.mean()
    shrunk = (1 - shrinkage) * variances[:kept] + shrinkage * level
    return Whitening(fit.centre, axes[:, :kept] / np.sqrt(shrunk) * fit.scale[:, None])
