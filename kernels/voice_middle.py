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
    Statistical Society B 39, 1977).
    """

    offsets: Vector
    """What each emotion adds to a voice's middle, of all voices, ``(emotions, d)``."""
    total: Vector
    """Sum of the vectors less what their emotions give, ``(d,)``."""
    utterances: float = 0.0
    """How many went into it; an old one counts less and less."""

    @classmethod
    def unknown(cls, offsets: npt.ArrayLike) -> VoiceMiddle:
        """Return the middle of a voice that nobody has heard."""
        known = np.asarray(offsets, np.float64)
        return cls(known, np.zeros(known.shape[1]))

    def hear(self, vector: npt.ArrayLike, posterior: npt.ArrayLike) -> None:
        """Take an utterance.

        Args:
            vector: What a model's encoder says of it, ``(d,)``.
            posterior: Probabilities of the emotions, ``(emotions,)``; one of them alone where it
                is known, as in an enrolment.
        """
        # So far back is as much as a voice may change from one month to the next.
        kept = min(1.0, _FADING_UTTERANCES / (self.utterances + 1))
        given = np.asarray(posterior, np.float64) @ self.offsets
        self.total = kept * self.total + (np.asarray(vector, np.float64) - given)
        self.utterances = kept * self.utterances + 1

    @property
    def middle(self) -> Vector:
        """Where the voice lies, ``(d,)``; zeros where it has said nothing."""
        return self.total / max(self.utterances, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Return what has to be kept of a voice: statistics, and nothing that could be played."""
        return {
            "utterances": round(self.utterances, 4),
            "total": [round(float(value), 5) for value in self.total],
        }

    def take(self, kept: dict[str, Any]) -> None:
        """Go on with what `to_dict` returned.

        Raises:
            ValueError: it is of another model, or damaged.
        """
        try:
            total = np.asarray(kept.get("total", ()), np.float64)
        except (TypeError, ValueError, OverflowError):
            raise ValueError("what should be the voice's numbers are none") from None
        utterances = kept.get("utterances", -1)
        if total.shape != self.total.shape or not np.isfinite(total).all():
            raise ValueError(
                f"the voice has {total.size} numbers; the model's vectors have {self.total.size}"
            )
        if (
            not isinstance(utterances, int | float)
            or isinstance(utterances, bool)
            or not 0 <= utterances <= _FADING_UTTERANCES + 1
        ):
            raise ValueError(f"the voice has heard {utterances!r} utterances: that cannot be")
        self.total, self.utterances = total, float(utterances)
