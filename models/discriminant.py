"""Linear discriminant analysis with shrinkage, from sums that folds can share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

_TURNS = 30


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
        return self + other * -1.0

    def __mul__(self, weight: float) -> Moments:
        return Moments(self.counts * weight, self.sums * weight, self.squares * weight)


def within_voices(everyone: Moments, voices: Sequence[Moments]) -> Moments:
    """Return the sums over vectors less their voice's middle: the mean of its classes' means.

    Args:
        everyone: Of all vectors, perhaps times a weight.
        voices: Of the same ones voice by voice, without it.
    """
    counts = np.stack([voice.counts for voice in voices])
    sums = np.stack([voice.sums for voice in voices])
    weight = everyone.counts.sum() / counts.sum()
    # What a subtraction leaves of a class is no class.
    spoken = counts > 1e-6 * counts.max(axis=1, keepdims=True)
    means = np.where(spoken[:, :, None], sums, 0) / np.where(spoken, counts, 1)[:, :, None]
    middles = means.sum(axis=1) / spoken.sum(axis=1, keepdims=True)
    # (x - m)(x - m)' summed up is xx' - xm' - mx' + mm'.
    cross = (sums.sum(axis=1) - 0.5 * counts.sum(axis=1, keepdims=True) * middles).T @ middles
    return Moments(
        everyone.counts,
        everyone.sums - weight * counts.T @ middles,
        everyone.squares - weight * (cross + cross.T),
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


def fit_discriminant(
    corpora: Sequence[Moments],
    *,
    shrinkage: float,
    nuisance: float = 1.0,
    voices: Sequence[Sequence[Moments]] = (),
    strangeness: float = 0.0,
) -> Discriminant:
    """Return the discriminant of classes that are as likely as each other.

    A vector is taken for the mean of its class plus an offset of its corpus plus what is left: a
    class that only some corpora have is then not confused with what those corpora sound like. The
    offsets' own scatter counts as scatter within the classes, so that directions in which corpora
    differ are distrusted.

    How voices differ counts as scatter within the classes, too, and can be made to count more: a
    corpus has thousands of clips of a few people, so that the next voice lies further off than the
    clips of those that were heard make it seem.

    Dimensions are standardised first. The covariance within the classes is then shrunk towards a
    multiple of the identity: O. Ledoit and M. Wolf, "A well-conditioned estimator for
    large-dimensional covariance matrices", Journal of Multivariate Analysis 88 (2004), with a
    share that is given and not estimated, for the vectors of one speaker are not independent.

    Args:
        corpora: Of what is learnt from, corpus by corpus, each times its weight; a class without
            vectors gets scores of minus infinity.
        shrinkage: Share of the identity, above 0 and at most 1.
        nuisance: How much the scatter of the offsets counts.
        voices: The same vectors voice by voice, for each corpus.
        strangeness: How much the scatter of the voices' means counts beside that of the vectors.

    Raises:
        ValueError: there is nothing to learn from, or the shrinkage is not allowed.
    """
    if not 0 < shrinkage <= 1:
        raise ValueError(f"shrinkage is {shrinkage}; allowed is above 0 and at most 1")
    fit = scatter_within(corpora, nuisance=nuisance, voices=voices, strangeness=strangeness)
    within = fit.within * (1 - shrinkage)
    level = np.trace(fit.within) / len(within)
    within[np.diag_indices_from(within)] += shrinkage * level
    targets = (fit.means - fit.centre) * fit.scale
    solved = np.linalg.solve(within.astype(np.float32), targets.T.astype(np.float32)).T
    solved = solved.astype(np.float64)
    weights = np.zeros((len(fit.present), solved.shape[1]))
    bias = np.full(len(fit.present), -np.inf)
    weights[fit.present] = solved
    bias[fit.present] = -0.5 * (solved * targets).sum(1)
    return Discriminant(fit.centre, fit.scale, weights, bias)


@dataclass(frozen=True, slots=True)
class Scatter:
    """Vectors taken apart into class, corpus and the rest."""

    present: npt.NDArray[np.bool_]
    """Which classes have vectors, ``(classes,)``."""
    means: Matrix
    """Of the classes that have, ``(present, d)``."""
    centre: Matrix
    """The mean of those."""
    scale: Matrix
    """One over the deviation of each dimension."""
    within: Matrix
    """Covariance within the classes, in standardised dimensions, ``(d, d)``."""


def scatter_within(
    corpora: Sequence[Moments],
    *,
    nuisance: float = 1.0,
    voices: Sequence[Sequence[Moments]] = (),
    strangeness: float = 0.0,
) -> Scatter:
    """Take vectors apart; see `fit_discriminant`.

    Raises:
        ValueError: there are fewer than two classes.
    """
    counts = np.stack([each.counts for each in corpora])
    sums = np.stack([each.sums for each in corpora])
    # What a subtraction leaves of a class is no class.
    there = counts > 1e-6 * counts.max()
    counts = np.where(there, counts, 0.0)
    sums = np.where(there[:, :, None], sums, 0.0)
    present = counts.sum(0) > 0
    if present.sum() < 2:
        raise ValueError("fewer than two classes to tell apart")
    total = counts.sum()
    means, offsets = _additive(counts[:, present], sums[:, present])
    expected = offsets[:, None] + means
    within = np.zeros((means.shape[1], means.shape[1]))
    for each, members, summed, mean in zip(
        corpora, counts[:, present], sums[:, present], expected, strict=True
    ):
        cross = summed.T @ mean
        within += each.squares - cross - cross.T + (mean * members[:, None]).T @ mean
    shares = counts.sum(1) / total
    within += nuisance * total * (offsets * shares[:, None]).T @ offsets
    within /= total
    centre = means.mean(axis=0)
    spread = np.diag(within) + np.square(means - centre).mean(axis=0)
    scale = 1 / np.sqrt(np.maximum(spread, 1e-8))
    if strangeness:
        for members, own, mean in zip(shares, voices, expected, strict=True):
            within += strangeness * members * _scatter_of_voices(own, mean, present)
    within *= scale[:, None] * scale
    return Scatter(present, means, centre, scale, within)


def _scatter_of_voices(
    voices: Sequence[Moments], expected: Matrix, present: npt.NDArray[np.bool_]
) -> Matrix:
    """Return the mean outer product of how far each voice's mean of a class lies off."""
    off: list[Matrix] = []
    for voice in voices:
        counts = voice.counts[present]
        spoken = counts > 1e-6 * voice.counts.max()
        off.append(voice.sums[present][spoken] / counts[spoken, None] - expected[spoken])
    apart = np.concatenate(off)
    scatter: Matrix = apart.T @ apart / len(apart)
    return scatter


def _additive(counts: Matrix, sums: Matrix) -> tuple[Matrix, Matrix]:
    """Return the means of the classes and the offsets of the corpora that fit best, in turns.

    The offsets add up to zero over the corpora, each counting by its share.
    """
    own = sums / np.maximum(counts, 1e-12)[:, :, None]
    by_class = counts / np.maximum(counts.sum(0), 1e-12)
    by_corpus = counts / counts.sum(1, keepdims=True)
    shares = counts.sum(1) / counts.sum()
    offsets = np.zeros((len(counts), sums.shape[2]))
    for _ in range(_TURNS if len(counts) > 1 else 1):
        means = np.einsum("ck,ckd->kd", by_class, own - offsets[:, None])
        offsets = np.einsum("ck,ckd->cd", by_corpus, own - means)
        offsets -= shares @ offsets
    means = np.einsum("ck,ckd->kd", by_class, own - offsets[:, None])
    return means, offsets
