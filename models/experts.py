"""Discriminants of each corpus, and which of them to believe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.models.discriminant import Discriminant, Matrix
from affectd.models.voice_space import VoiceSpace

__all__ = [
    "ABSENT",
    "Confidence",
    "Experts",
    "blended",
    "experts_of",
    "judge_from",
    "others_of",
    "own_share",
    "shares",
]

ABSENT = -3.0
"""Score of a kind that an expert's corpus has not, beside a mean of zero of those that it has."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """How far experts are to be believed."""

    sharpness: float
    """What all scores are multiplied with."""
    slope: float
    """How fast belief in a corpus's own expert goes, with the distance from its voices."""
    reach: float
    """How far from them a window lies where that expert is half believed."""
    familiarity: float = 1.0
    """How many times as sharp a corpus's own expert is as the mean of all, which judges
    strangers."""
    company: float = 0.0
    """How much the others count beside an expert: `company` over the root of the number of voices
    that it has learnt from, to its own one. So falls what is chance in its word."""


@dataclass(frozen=True, slots=True)
class Experts:
    """What is said by the discriminant of each corpus, and by all of them in the mean.

    Which of them counts is a softmax over how near each corpus's voices a window lies, with zero
    for none of them: then the mean speaks, which is right about strangers more often than a
    discriminant of all corpora's clips together. A mixture of experts (R. Jacobs et al.,
    "Adaptive mixtures of local experts", Neural Computation 3, 1991) whose gate knows strangers by
    their distance from all voices: a discriminant of the corpora takes them for the corpus that is
    most like them. Beside each corpus's own expert the others have a word, too: the fewer voices
    it has learnt from, the more of one.
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

    def blended(self, confidence: Confidence) -> Experts:
        """Return the weights and the bias with which these judge; see `blended`.

        Their scores are no longer of a deviation of one, and not to be blended again.
        """

        def of(said: Matrix) -> Matrix:
            return blended(said, self.absent, self.voices.counts, confidence)

        return replace(
            self,
            weights=np.moveaxis(of(np.moveaxis(self.weights, 2, 0)), 0, 2),
            bias=of(self.bias),
        )

    def distances(self, values: npt.NDArray[np.float32]) -> Matrix:
        """Return how far windows lie from each corpus's voices, ``(windows, corpora)``."""
        return self.voices.distances(values)


def others_of(said: Matrix, absent: npt.NDArray[np.bool_]) -> Matrix:
    """Return the mean of what all other experts say, for each.

    An expert's own word counts for another that has not met a kind: it has nothing to say against
    it.

    Args:
        said: Of the expert of each corpus, ``(…, corpora, kinds)``; what one says of a kind that
            it has not met does not count.
        absent: Which kinds those are, ``(corpora, kinds)``.

    Returns:
        As `said`, with zeros for kinds that an expert has not met; an only expert's own word.
    """
    said = np.where(absent, 0.0, said)
    if len(absent) == 1:
        return said
    silent = absent.sum(axis=0) - absent
    total = said.sum(axis=-2, keepdims=True)
    others: Matrix = np.where(absent, 0.0, total - said + silent * said) / (len(absent) - 1)
    return others


def own_share(voices: Any, company: Any) -> Any:
    """Return what an expert's own word counts beside the others', 0 to 1.

    Args:
        voices: How many it has learnt from, an array or a tensor of floats.
        company: Of `Confidence`.
    """
    return 1 / (1 + company / voices**0.5)


def blended(
    said: Matrix,
    absent: npt.NDArray[np.bool_],
    voices: npt.NDArray[np.float64],
    confidence: Confidence,
) -> Matrix:
    """Return how experts judge: as sharply as fits, and with the others' word beside each one's.

    All of that is linear: what comes out are scores for scores, and weights for weights.

    Args:
        said: ``(…, experts, kinds)``, the mean of all first.
        absent: Of `Experts.absent`.
        voices: How many the expert of each corpus has learnt from, ``(corpora,)``.
        confidence: Whom to believe how far.

    Returns:
        As `said`, with zeros for kinds that an expert has not met.
    """
    said = np.where(absent, 0.0, said)
    mean, own = said[..., :1, :], said[..., 1:, :]
    share = own_share(voices, confidence.company)[:, None]
    own = share * own + (1 - share) * others_of(own, absent[1:])
    return confidence.sharpness * np.concatenate([mean, confidence.familiarity * own], axis=-2)


def judge_from(
    scores: Matrix,
    distances: Matrix,
    absent: npt.NDArray[np.bool_],
    voices: npt.NDArray[np.float64],
    confidence: Confidence,
) -> Matrix:
    """Return the scores of the kinds, ``(windows, kinds)``.

    Args:
        scores: Of `Experts.scores`.
        distances: Of `Experts.distances`.
        absent: Of `Experts.absent`.
        voices: As for `blended`.
        confidence: Whom to believe how far.
    """
    said = blended(scores, absent, voices, confidence) + ABSENT * absent
    judged: Matrix = np.einsum("ne,nek->nk", shares(distances, confidence), said)
    return judged


def shares(distances: Matrix, confidence: Confidence) -> Matrix:
    """Return how far each expert is believed, ``(windows, experts)``; they add up to one."""
    near = confidence.slope * (confidence.reach - distances)
    # Zero is for what is near nothing known.
    raw = np.concatenate([np.zeros((len(near), 1)), near], axis=1)
    raw -= raw.max(axis=1, keepdims=True)
    exponentials = np.exp(raw)
    share: Matrix = exponentials / exponentials.sum(axis=1, keepdims=True)
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
