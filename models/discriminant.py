"""Linear discriminant analysis with shrinkage, from sums that folds can share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = [
    "Discriminant",
    "Matrix",
    "Moments",
    "Scatter",
    "fit_discriminant",
    "scatter_within",
    "within_voices",
]

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

    def in_single_precision(self) -> Moments:
        """Return the same with outer products in float32, of which there are many to be kept."""
        return Moments(self.counts, self.sums, self.squares.astype(np.float32))

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.counts + other.counts, self.sums + other.sums, self.squares + other.squares
        )

    def __sub__(self, other: Moments) -> Moments:
        return Moments(
            self.counts - other.counts, self.sums - other.sums, self.squares - other.squares
        )


def within_voices(everyone: Moments, voices: Sequence[Moments]) -> Moments:
    """Return the sums over vectors less their voice's middle: the mean of its classes' means.

    Args:
        everyone: Of all vectors.
        voices: Of the same ones voice by voice.
    """
    counts = np.stack([voice.counts for voice in voices])
    sums = np.stack([voice.sums for voice in voices])
    # What a subtraction leaves of a class is no class.
    spoken = counts > 1e-6 * counts.max(axis=1, keepdims=True)
    means = np.where(spoken[:, :, None], sums, 0) / np.where(spoken, counts, 1)[:, :, None]
    middles = means.sum(axis=1) / spoken.sum(axis=1, keepdims=True)
    # (x - m)(x - m)' summed up is xx' - xm' - mx' + mm'.
    cross = (sums.sum(axis=1) - 0.5 * counts.sum(axis=1, keepdims=True) * middles).T @ middles
    return Moments(
        everyone.counts,
        everyone.sums - counts.T @ middles,
        everyone.squares - (cross + cross.T),
    )


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


@dataclass(frozen=True, slots=True)
class Scatter:
    """Vectors taken apart into class and the rest."""

    present: npt.NDArray[np.bool_]
    """Which classes have vectors, ``(classes,)``."""
    means: Matrix
    """Of the classes that have, ``(present, d)``."""
    centre: Matrix
    """The mean of those, ``(d,)``."""
    scale: Matrix
    """One over the deviation of each dimension, ``(d,)``."""
    within: Matrix
    """Covariance within the classes, ``(d, d)``."""
    voices: Matrix | None
    """Mean outer product of how far each voice's mean of a class lies off that class's, ``(d, d)``;
    none where no voices were told apart."""
    count: int
    """How many voices the vectors are of, at least one."""

    def beside(self, others: Sequence[Scatter], *, covariance: float, kinship: float) -> Scatter:
        """Return the same, with the help of other corpora, of other speech and other voices.

        What is left of a vector without its class scatters alike wherever people speak, and a
        corpus has few voices to tell how they differ. So the covariance is shrunk towards that of
        the others, as towards the pooled one in J. Friedman, "Regularized Discriminant Analysis",
        Journal of the American Statistical Association 84 (1989), and how voices differ is learnt
        from theirs, too.

        Args:
            others: Of the other corpora; of none, nothing is changed.
            covariance: Share of the others' covariance; among them each counts by the root of its
                voices.
            kinship: How much a voice of another corpus counts beside one of this.

        Returns:
            One with the means and the scale of this: what the corpus itself sounds like.
        """
        if not others or not (covariance or kinship):
            return self
        within = _mean([one.within for one in others], [one.count**0.5 for one in others])
        told = [(one, kinship * one.count) for one in others if kinship] + [(self, self.count)]
        known = [(one.voices, count) for one, count in told if one.voices is not None]
        return replace(
            self,
            within=_mean([self.within, within], [1 - covariance, covariance]),
            voices=_mean(*zip(*known, strict=True)) if known else None,
        )


def fit_discriminant(
    scatter: Scatter, *, shrinkage: float, strangeness: float = 0.0
) -> Discriminant:
    """Return the discriminant of classes that are as likely as each other.

    How voices differ counts as scatter within the classes, too, and can be made to count more: a
    corpus has thousands of clips of a few people, so that the next voice lies further off than the
    clips of those that were heard make it seem.

    Dimensions are standardised first. The covariance within the classes is then shrunk towards a
    multiple of the identity: O. Ledoit and M. Wolf, "A well-conditioned estimator for
    large-dimensional covariance matrices", Journal of Multivariate Analysis 88 (2004), with a
    share that is given and not estimated, for the vectors of one speaker are not independent.

    Args:
        scatter: What is learnt from; a class without vectors gets scores of minus infinity.
        shrinkage: Share of the identity, above 0 and at most 1.
        strangeness: How much the scatter of the voices' means counts beside that of the vectors.

    Raises:
        ValueError: the shrinkage is not allowed.
    """
    if not 0 < shrinkage <= 1:
        raise ValueError(f"shrinkage is {shrinkage}; allowed is above 0 and at most 1")
    within = scatter.within
    if strangeness and scatter.voices is not None:
        within = within + strangeness * scatter.voices
    within = within * scatter.scale[:, None] * scatter.scale
    level = np.trace(within) / len(within)
    within *= 1 - shrinkage
    within[np.diag_indices_from(within)] += shrinkage * level
    targets = (scatter.means - scatter.centre) * scatter.scale
    solved = np.linalg.solve(within.astype(np.float32), targets.T.astype(np.float32)).T
    solved = solved.astype(np.float64)
    weights = np.zeros((len(scatter.present), solved.shape[1]))
    bias = np.full(len(scatter.present), -np.inf)
    weights[scatter.present] = solved
    bias[scatter.present] = -0.5 * (solved * targets).sum(1)
    return Discriminant(scatter.centre, scatter.scale, weights, bias)


def scatter_within(
    everyone: Moments, voices: Sequence[Moments] = (), *, count: int | None = None
) -> Scatter:
    """Take the vectors of a corpus apart.

    Args:
        everyone: Of all of them.
        voices: Of the same ones voice by voice; without it, voices are not told apart.
        count: How many voices they are of, where they are not told apart; one if not said.

    Raises:
        ValueError: there are fewer than two classes.
    """
    # What a subtraction leaves of a class is no class.
    present = everyone.counts > 1e-6 * everyone.counts.max()
    if present.sum() < 2:
        raise ValueError("fewer than two classes to tell apart")
    counts, sums = everyone.counts[present], everyone.sums[present]
    means = sums / counts[:, None]
    within = (everyone.squares - sums.T @ means) / counts.sum()
    centre = means.mean(axis=0)
    spread = np.diag(within) + np.square(means - centre).mean(axis=0)
    return Scatter(
        present,
        means,
        centre,
        scale=1 / np.sqrt(np.maximum(spread, 1e-8)),
        within=within,
        voices=_scatter_of_voices(voices, means, present) if voices else None,
        count=len(voices) or count or 1,
    )


def _scatter_of_voices(
    voices: Sequence[Moments], means: Matrix, present: npt.NDArray[np.bool_]
) -> Matrix:
    """Return the mean outer product of how far each voice's mean of a class lies off."""
    off: list[Matrix] = []
    for voice in voices:
        counts = voice.counts[present]
        spoken = counts > 1e-6 * voice.counts.max()
        off.append(voice.sums[present][spoken] / counts[spoken, None] - means[spoken])
    apart = np.concatenate(off)
    scatter: Matrix = apart.T @ apart / len(apart)
    return scatter


def _mean(matrices: Sequence[Matrix], weights: Sequence[float]) -> Matrix:
    """Return the weighted mean of matrices of one shape."""
    mean, total = np.zeros_like(matrices[0], dtype=np.float64), sum(weights)
    for matrix, weight in zip(matrices, weights, strict=True):
        mean += weight / total * matrix
    return mean
