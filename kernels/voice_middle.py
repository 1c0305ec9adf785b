"""Where a voice lies among all voices, whatever its moods: estimated as it speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["VoiceMiddle"]

Vector = npt.NDArray[np.float64]

_FADING_UTTERANCES = 200.0


@dataclass(slots=True)
class VoiceMiddle:
    """The running middle of one voice's vectors: a sum and how much went into it, and no audio.

    What an emotion gives on average is taken from a vector before it counts, each emotion as far
    as it is believed. So a stream that has held one emotion only is heard as that emotion, and is
    not taken for the voice. This is one step of expectation and maximisation (A. P. Dempster et
    al., "Maximum likelihood from incomplete data via the EM algorithm", Journal of the Royal
    Statistical Society B 39, 1977), with the middle of all voices as the prior.
    """

    offsets: Vector
    """What each emotion adds to a voice's middle, of all voices, ``(emotions, d)``."""
    prior_utterances: float
    """How many utterances the middle of all voices counts."""
    total: Vector
    """Sum of the vectors less what their emotions give, ``(d,)``."""
    utterances: float = 0.0
    """How many went into it; an old one counts less and less."""
    told: float = 0.0
    """Those of them whose emotion was told."""

    @classmethod
    def unknown(cls, offsets: npt.ArrayLike, *, prior_utterances: float) -> VoiceMiddle:
        """Return the middle of a voice that nobody has heard.

        Raises:
            ValueError: the prior counts nothing.
        """
        if not prior_utterances > 0:
            raise ValueError(f"prior_utterances is {prior_utterances}; allowed is above 0")
        known = np.asarray(offsets, np.float64)
        return cls(known, prior_utterances, np.zeros(known.shape[1]))

    def hear(self, vector: npt.ArrayLike, posterior: npt.ArrayLike) -> None:
        """Take an utterance whose emotion nobody tells.

        Args:
            vector: What a model's encoder says of it, less the middle of all voices, ``(d,)``.
            posterior: Probabilities of the emotions, ``(emotions,)``.
        """
        given = np.asarray(posterior, np.float64) @ self.offsets
        self._add(np.asarray(vector, np.float64) - given, told=0)

    def hear_told(self, vector: npt.ArrayLike, emotion: int) -> None:
        """Take an utterance whose emotion is told, as in an enrolment.

        Args:
            vector: As for `hear`.
            emotion: Its place among the emotions.
        """
        self._add(np.asarray(vector, np.float64) - self.offsets[emotion], told=1)

    def _add(self, apart: Vector, *, told: int) -> None:
        # So far back is as much as a voice may change from one month to the next.
        kept = min(1.0, _FADING_UTTERANCES / (self.utterances + 1))
        self.total = kept * self.total + apart
        self.utterances = kept * self.utterances + 1
        self.told = kept * self.told + told

    @property
    def shift(self) -> Vector:
        """What the voice gives to every vector, ``(d,)``; at first zeros."""
        return self.total / (self.utterances + self.prior_utterances)

    def to_dict(self) -> dict[str, Any]:
        """Return what has to be kept of a voice: statistics, and nothing that could be played."""
        return {
            "utterances": round(self.utterances, 4),
            "told": round(self.told, 4),
            "total": [round(float(value), 5) for value in self.total],
        }

    def take(self, kept: dict[str, Any]) -> None:
        """Go on with what `to_dict` returned.

        Raises:
            ValueError: it is of another model, or damaged.
        """
        try:
            total = np.asarray(kept.get("total", ()), np.float64)
        except (TypeError, ValueError):
            raise ValueError("the voice's numbers are none") from None
        utterances, told = kept.get("utterances", -1), kept.get("told", -1)
        if total.shape != self.total.shape or not np.isfinite(total).all():
            raise ValueError(
                f"the voice has {total.size} numbers; the model's vectors have {self.total.size}"
            )
        if not _is_number(utterances) or not 0 <= utterances <= _FADING_UTTERANCES + 1:
            raise ValueError(f"the voice has heard {utterances!r} utterances: that cannot be")
        if not _is_number(told) or not 0 <= told <= utterances:
            raise ValueError(f"{told!r} of {utterances!r} utterances were told: that cannot be")
        self.total, self.utterances, self.told = total, float(utterances), float(told)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
