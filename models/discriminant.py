"""Linear discriminant analysis with shrinkage, from sums that folds can share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Discriminant", "Moments", "fit_discriminant"]

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over vectors, by class: all that the analysis needs of them.

    They add up over speakers and corpora, so that leaving some out is a subtraction.
    """

    counts: Matrix
    """Number of vectors of each class, or their summed weight, ``(classes,)``."""
    sums: Matrix
    """Sum of the vectors of each class, ``(classes, d)``."""
    squares: Matrix
    """Sum of their outer products over all classes, ``(d, d)``."""

    @classmethod
    def of(
        cls,
        vectors: npt.NDArray[np.float32],
        classes: npt.NDArray[np.int64],
        count: int,
        *,
        weights: Matrix | None = None,
    ) -> Moments:
        """Sum vectors up.

        Args:
            vectors: float32 ``(n, d)``, of about the same scale in every dimension.
            classes: Of each vector, from 0, int64 ``(n,)``.
            count: Number of classes.
            weights: What each vector counts, ``(n,)``; one if not said.
        """
        if weights is None:
            weights = np.ones(len(vectors))
        members = np.eye(count)[classes] * weights[:, None]
        weighted = vectors * np.sqrt(weights)[:, None].astype(np.float32)
        return cls(
            members.sum(0),
            (members.T @ vectors).astype(np.float64),
            (weighted.T @ weighted).astype(np.float64),
        )

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.counts + other.counts, self.sums + other.sums, self.squares + other.squares
        )

    def __sub__(self, other: Moments) -> Moments:
        return self + other * -1.0

    def __mul__(self, weight: float) -> Moments:
        return Moments(self.counts * weight, self.sums * weight, self.squares * weight)


@dataclass(frozen=True, slots=True)
class Discriminant:
    """Scores of the classes are ``((x - centre) * scale) @ weights.T + bias``."""

    centre: Matrix
    scale: Matrix
    weights: Matrix
    """``(classes, d)``."""
    bias: Matrix

    def __call__(self, vectors: npt.NDArray[np.float32]) -> Matrix:
        """Return the scores of vectors, float64 ``(n, classes)``."""
        weights = self.weights * self.scale
        scores: Matrix = vectors @ weights.T + (self.bias - weights @ self.centre)
        return scores


def fit_discriminant(moments: Moments, *, shrinkage: float) -> Discriminant:
    """Return the discriminant of classes that are as likely as each other.

    Dimensions are standardised first. The covariance within the classes is then shrunk towards a
    multiple of the identity: O. Ledoit and M. Wolf, "A well-conditioned estimator for
    large-dimensional covariance matrices", Journal of Multivariate Analysis 88 (2004), with a
    share that is given and not estimated, for the vectors of one speaker are not independent.

    Args:
        moments: Of what is learnt from; a class without vectors gets scores of minus infinity.
        shrinkage: Share of the identity, above 0 and at most 1.

    Raises:
        ValueError: there is nothing to learn from, or the shrinkage is not allowed.
    """
    if not 0 < shrinkage <= 1:
        raise ValueError(f"shrinkage is {shrinkage}; allowed is above 0 and at most 1")
    present = moments.counts > 1e-9
    total = moments.counts[present].sum()
    if present.sum() < 2:
        raise ValueError("fewer than two classes to tell apart")
    counts = moments.counts[present]
    means = moments.sums[present] / counts[:, None]
    centre = moments.sums[present].sum(0) / total
    spread = np.diag(moments.squares) / total - np.square(centre)
    scale = 1 / np.sqrt(np.maximum(spread, 1e-8))
    within = moments.squares / total - (means * (counts / total)[:, None]).T @ means
    within *= scale[:, None] * scale
    level = np.trace(within) / len(within)
    within *= 1 - shrinkage
    within[np.diag_indices_from(within)] += shrinkage * level
    targets = (means - centre) * scale
    solved = np.linalg.solve(within.astype(np.float32), targets.T.astype(np.float32)).T
    solved = solved.astype(np.float64)
    weights = np.zeros((len(present), solved.shape[1]))
    bias = np.full(len(present), -np.inf)
    weights[present] = solved
    bias[present] = -0.5 * (solved * targets).sum(1)
    return Discriminant(centre, scale, weights, bias)
