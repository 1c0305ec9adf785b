"""Where a voice lies among all voices, whatever its moods: estimated as it speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["VoiceMiddle"]

Vector = npt.NDArray[np.float64]

_FADING_UTTERANCES = 200.0
_SHARED = 0.3
"""How far a voice's way with an emotion varies, as a share of how far its utterances of that
emotion do; chosen on development speakers."""


@dataclass(slots=True)
class VoiceMiddle:
    """The running middle of one voice's vectors: sums and how much went into them, and no audio.

    What an emotion gives on average is taken from a vector before it counts, each emotion as far
    as it is believed. So a stream that has held one emotion only is heard as that emotion, and is
    not taken for the voice. This is one step of expectation and maximisation (A. P. Dempster et
    al., "Maximum likelihood from incomplete data via the EM algorithm", Journal of the Royal
    Statistical Society B 39, 1977).

    Each voice has its own way with each emotion, besides: however often one of them is heard, it
    tells no more of the voice than that way lets it. So the middle is one over the emotions, each
    of which counts ``n / (1 + 0.3 n)`` after ``n`` utterances: the best linear estimate where the
    ways with emotions and the utterances both vary by chance (C. R. Henderson, "Best linear
    unbiased estimation and prediction under a selection model", Biometrics 31, 1975).
    """

    offsets: Vector
    """What each emotion adds to a voice's middle, of all voices, ``(emotions, d)``."""
    totals: Vector
    """Of each emotion, the sum of the vectors less what it gives, ``(emotions, d)``."""
    counts: Vector
    """How many utterances went into each, ``(emotions,)``; an old one counts less and less."""
    middle: Vector
    """Where the voice lies, ``(d,)``; zeros where it has said nothing."""
    weight: float = 0.0
    """How much was learnt: about the utterances, where they are of different emotions."""

    @classmethod
    def unknown(cls, offsets: npt.ArrayLike) -> VoiceMiddle:
        """Return the middle of a voice that nobody has heard."""
        known = np.asarray(offsets, np.float64)
        emotions, size = known.shape
        return cls(known, np.zeros_like(known), np.zeros(emotions), np.zeros(size))

    @property
    def utterances(self) -> float:
        """How many were heard; an old one counts less and less."""
        return float(self.counts.sum())

    def hear(self, vector: npt.ArrayLike, posterior: npt.ArrayLike) -> None:
        """Take an utterance.

        Args:
            vector: What a model's encoder says of it, ``(d,)``.
            posterior: Probabilities of the emotions, ``(emotions,)``; one of them alone where it
                is known, as in an enrolment.
        """
        # So far back is as much as a voice may change from one month to the next.
        kept = min(1.0, _FADING_UTTERANCES / (self.utterances + 1))
        believed = np.asarray(posterior, np.float64)
        apart = np.asarray(vector, np.float64) - self.offsets
        self.totals = kept * self.totals + believed[:, None] * apart
        self.counts = kept * self.counts + believed
        self._settle()

    def to_dict(self) -> dict[str, Any]:
        """Return what has to be kept of a voice: statistics, and nothing that could be played."""
        return {
            "counts": [round(float(count), 4) for count in self.counts],
            "totals": [[round(float(value), 5) for value in total] for total in self.totals],
        }

    def take(self, kept: dict[str, Any]) -> None:
        """Go on with what `to_dict` returned.

        Raises:
            ValueError: it is of another model, or damaged.
        """
        try:
            totals = np.asarray(kept.get("totals", ()), np.float64)
            counts = np.asarray(kept.get("counts", ()), np.float64)
        except (TypeError, ValueError, OverflowError):
            raise ValueError("what should be the voice's numbers are none") from None
        if totals.shape != self.totals.shape or not np.isfinite(totals).all():
            raise ValueError(
                f"the voice has {totals.size} numbers; the model's vectors have {self.totals.size}"
            )
        if (
            counts.shape != self.counts.shape
            or not (counts >= 0).all()
            or not counts.sum() <= _FADING_UTTERANCES + 1
        ):
            raise ValueError(
                f"the voice has heard {kept.get('counts')!r} utterances: that cannot be"
            )
        self.totals, self.counts = totals, counts
        self._settle()

    def _settle(self) -> None:
        share = 1 / (1 + _SHARED * self.counts)
        self.weight = float((self.counts * share).sum())
        self.middle = share @ self.totals / max(self.weight, 1e-9)
