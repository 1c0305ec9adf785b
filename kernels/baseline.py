"""A voice's own baseline: how somebody's scores lie beside everybody's, whatever the mood.

The same words in the same mood sound different from every mouth. Scores are taken for the sum of
what the emotion gives, what the voice gives, and noise. What the voice gives is found by
expectation and maximisation over the unknown emotions, drawn towards nobody in particular: a stream
that has held one emotion only is heard as that emotion, and not taken for the voice.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["VoiceBaseline", "VoiceModel"]

Matrix = npt.NDArray[np.float64]

_KEPT = 200
_TURNS = 20


@dataclass(frozen=True, slots=True)
class VoiceModel:
    """What is known of all voices' scores."""

    means: Matrix
    """Of each emotion's scores, for a voice in the middle of all, ``(emotions, scores)``."""
    within: Matrix
    """Covariance of one voice's scores in one emotion, ``(scores, scores)``."""
    between: Matrix
    """Covariance of the voices' own shares, ``(scores, scores)``."""

    @classmethod
    def of(
        cls,
        scores: Matrix,
        emotions: npt.NDArray[np.int64],
        voices: npt.NDArray[np.str_],
        *,
        count: int,
        weights: Matrix,
    ) -> VoiceModel:
        """Measure voices, each of them heard in several emotions.

        Args:
            scores: ``(n, scores)``.
            emotions: From 0, ``(n,)``.
            voices: Whose each is, ``(n,)``.
            count: Number of emotions; one that nobody spoke gets the mean of the others.
            weights: What each counts, ``(n,)``.
        """
        middles: list[Matrix] = []
        apart = scores.copy()
        for voice in np.unique(voices):
            own = voices == voice
            kinds = np.unique(emotions[own])
            middle = np.mean(
                [
                    np.average(
                        scores[own & (emotions == kind)],
                        axis=0,
                        weights=weights[own & (emotions == kind)],
                    )
                    for kind in kinds
                ],
                axis=0,
            )
            middles.append(middle)
            apart[own] -= middle
        everyone = np.mean(middles, axis=0)
        means = np.tile(everyone, (count, 1))
        left = apart.copy()
        for kind in np.unique(emotions):
            same = emotions == kind
            offset = np.average(apart[same], axis=0, weights=weights[same])
            means[kind] = everyone + offset
            left[same] -= offset
        within = (left * weights[:, None]).T @ left / weights.sum()
        spread = np.array(middles) - everyone
        return cls(means, within, spread.T @ spread / max(len(middles) - 1, 1))


class VoiceBaseline:
    """The running baseline of one voice.

    Args:
        model: What is known of all voices.
        doubt: How many times as noisy as it was measured a score is taken to be. Above one it
            allows for what one voice's scores in one emotion have in common.
    """

    def __init__(self, model: VoiceModel, *, doubt: float = 4.0) -> None:
        self._model = model
        size = len(model.within)
        # Scores of classes that exclude each other leave directions without any scatter.
        ridge = 1e-3 * np.trace(model.within) / size * np.eye(size)
        self._precision = np.linalg.inv(model.within + ridge)
        self._prior = np.linalg.inv(
            model.between + 1e-3 * np.trace(model.between) / size * np.eye(size)
        )
        self._doubt = doubt
        self._heard: deque[tuple[Matrix, int | None]] = deque(maxlen=_KEPT)

    def __len__(self) -> int:
        return len(self._heard)

    def hear(self, scores: Matrix, *, emotion: int | None = None) -> None:
        """Take the scores of an utterance.

        Args:
            scores: ``(scores,)``.
            emotion: Which it was, where that is known, as in an enrolment.
        """
        self._heard.append((np.asarray(scores, np.float64), emotion))

    def shift(self) -> Matrix:
        """Return what the voice gives to every score, ``(scores,)``; at first zeros.

        Source of the estimate: A. P. Dempster et al., "Maximum likelihood from incomplete data via
        the EM algorithm", Journal of the Royal Statistical Society B 39 (1977).
        """
        means = self._model.means
        shift = np.zeros(means.shape[1])
        if not self._heard:
            return shift
        scores = np.stack([each for each, _ in self._heard])
        known = [(place, kind) for place, (_, kind) in enumerate(self._heard) if kind is not None]
        precision = self._precision / self._doubt
        total = self._prior + len(scores) * precision
        for _ in range(_TURNS):
            apart = scores[:, None] - shift - means
            distance = np.einsum("nkd,de,nke->nk", apart, self._precision, apart)
            shares = np.exp(-0.5 * (distance - distance.min(axis=1, keepdims=True)) / self._doubt)
            shares /= shares.sum(axis=1, keepdims=True)
            for place, kind in known:
                shares[place] = np.eye(len(means))[kind]
            shift = np.linalg.solve(total, precision @ (scores - shares @ means).sum(axis=0))
        return shift
