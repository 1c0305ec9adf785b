"""Discriminants of each corpus alone, and which of them to believe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from affectd.models.discriminant import Discriminant, Matrix
from affectd.models.voice_space import VoiceSpace

__all__ = ["ABSENT", "Confidence", "Experts", "experts_of", "judge_from", "shares"]

ABSENT = -3.0
"""Score of a kind that an expert's corpus has not, beside a mean of zero of those that it has."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """How far experts are to be believed."""

    sharpness: float
    """What all experts' scores are multiplied with."""
    slope: float
    """How fast belief in a corpus's own expert goes, with the distance from its voices."""
    reach: float
    """How far from them a window lies where that expert is half believed."""
    company: float = 0.0
    """How far the mean of all experts is believed where a corpus's own one is, too."""


@dataclass(frozen=True, slots=True)
class Experts:
    """What is said by the discriminant of each corpus alone, and by all of them in the mean.

    Which of them counts is a softmax over how near each corpus's voices a window lies, with zero
    for none of them: then the mean speaks, which is right about strangers more often than a
    discriminant of all corpora's clips together. A mixture of experts (R. Jacobs et al.,
    "Adaptive mixtures of local experts", Neural Computation 3, 1991) whose gate knows strangers by
    their distance from all voices: a discriminant of the corpora takes them for the corpus that is
    most like them.
    """

    corpora: tuple[str, ...]
    """Whose experts come after the mean of all."""
    weights: Matrix
    """Of the statistics, ``(experts, kinds, d)``; the scores of the kinds there are have a mean of
    zero, and on what `standardised` was given a deviation of one."""
    bias: Matrix
    """``(experts, kinds)``."""
    absent: npt.NDArray[np.bool_]
    """Which kinds an expert has never met, ``(experts, kinds)``."""
    voices: VoiceSpace

    def scores(self, values: npt.NDArray[np.float32]) -> Matrix:
        """Return what each expert says of windows, ``(windows, experts, kinds)``.

        Kinds that an expert has not met have zeros.
        """
        experts, kinds, width = self.weights.shape
        flat = self.weights.reshape(-1, width).astype(np.float32)
        said = (values @ flat.T).reshape(-1, experts, kinds).astype(np.float64) + self.bias
        return np.where(self.absent, 0.0, said)

    def standardised(self, values: Sequence[npt.NDArray[np.float32]]) -> Experts:
        """Return experts whose scores count alike, and their mean.

        Args:
            values: For each corpus, windows that its expert has not learnt from.
        """
        own = self.scores_of_each(values)
        scales = [
            1 / max(float(said[:, ~absent].std()), 1e-6)
            for said, absent in zip(own, self.absent[1:], strict=True)
        ]
        weights = self.weights[1:] * np.reshape(scales, (-1, 1, 1))
        bias = self.bias[1:] * np.reshape(scales, (-1, 1))
        return replace(
            self,
            weights=np.concatenate([weights.mean(axis=0, keepdims=True), weights]),
            bias=np.concatenate([bias.mean(axis=0, keepdims=True), bias]),
        )

    def scores_of_each(self, values: Sequence[npt.NDArray[np.float32]]) -> list[Matrix]:
        """Return what each corpus's expert says of windows, ``(windows, kinds)`` each."""
        return [
            windows @ weights.T + bias
            for windows, weights, bias in zip(values, self.weights[1:], self.bias[1:], strict=True)
        ]

    def distances(self, values: npt.NDArray[np.float32]) -> Matrix:
        """Return how far windows lie from each corpus's voices, ``(windows, corpora)``."""
        return self.voices.distances(values)


def judge_from(
    scores: Matrix,
    distances: Matrix,
    absent: npt.NDArray[np.bool_],
    confidence: Confidence,
) -> Matrix:
    """Return the scores of the kinds, ``(windows, kinds)``.

    Args:
        scores: Of `Experts.scores`.
        distances: Of `Experts.distances`.
        absent: Of `Experts.absent`.
        confidence: Whom to believe how far.
    """
    said = scores * confidence.sharpness + ABSENT * absent
    judged: Matrix = np.einsum("ne,nek->nk", shares(distances, confidence), said)
    return judged


def shares(distances: Matrix, confidence: Confidence) -> Matrix:
    """Return how far each expert is believed, ``(windows, experts)``.

    They add up to one, but for the company that the expert of all corpora keeps the others.
    """
    near = confidence.slope * (confidence.reach - distances)
    # Zero is for what is near nothing known.
    raw = np.concatenate([np.zeros((len(near), 1)), near], axis=1)
    raw -= raw.max(axis=1, keepdims=True)
    exponentials = np.exp(raw)
    share: Matrix = exponentials / exponentials.sum(axis=1, keepdims=True)
    share[:, 0] += confidence.company * (1 - share[:, 0])
    return share


def experts_of(
    corpora: Sequence[str], discriminants: Sequence[Discriminant], voices: VoiceSpace
) -> Experts:
    """Return experts from the discriminant of each corpus, and from the voices that they know."""
    weights: list[Matrix] = []
    bias: list[Matrix] = []
    absent = np.array([~np.isfinite(one.bias) for one in discriminants])
    for one, missing in zip(discriminants, absent, strict=True):
        own = one.weights * one.scale
        shift = np.where(missing, 0.0, one.bias) - own @ one.centre
        own[~missing] -= own[~missing].mean(axis=0)
        shift[~missing] -= shift[~missing].mean()
        own[missing], shift[missing] = 0.0, 0.0
        weights.append(own)
        bias.append(shift)
    return Experts(
        tuple(corpora),
        np.stack([np.mean(weights, axis=0), *weights]),
        np.stack([np.mean(bias, axis=0), *bias]),
        np.concatenate([absent.all(axis=0, keepdims=True), absent]),
        voices,
    )
