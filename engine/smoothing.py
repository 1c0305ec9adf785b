"""From logits to what is shown: calibrated, smoothed in time, steady, and silent when unsure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from affectd.engine.protocol import Abstention

__all__ = ["Decision", "Smoother", "SmoothingSettings", "posterior"]

# A handful of labels: plain numbers take a fifth of the time of arrays.
Scores = Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothingSettings:
    """How steady the shown emotion is, and when it is withheld."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    time_constant_seconds: Annotated[float, Interval(gt=0, le=60)] = 0.5
    """After this long, a change in the posterior is shown to 63 %."""
    switch_margin: Annotated[float, Interval(ge=0, le=1)] = 0.1
    """A new label must lead the shown one by this much probability."""
    minimum_confidence: Annotated[float, Interval(ge=0, le=1)] = 0.2
    """Below this probability no label is named."""
    minimum_snr_db: Annotated[float, Interval(ge=-20, le=60)] = 3.0
    """Below this level above the background no label is named."""
    minimum_voiced: Annotated[float, Interval(ge=0, le=1)] = 0.2
    """With a smaller share of voiced frames in the window no label is named."""
    minimum_speech_likeness: Annotated[float, Interval(ge=0, le=1)] = 0.8
    """What sounds like speech with a smaller probability has no label named."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is shown for one window."""

    label: int
    """The leading label's index, also where the engine abstains."""
    scores: Scores
    """Posterior, one number a class."""
    abstained: Abstention | None


def posterior(logits: npt.NDArray[np.float32], temperature: float) -> Scores:
    """Return the softmax of logits divided by a temperature.

    Source: C. Guo et al., "On calibration of modern neural networks", ICML 2017.

    Args:
        logits: float32 ``(classes,)``.
        temperature: Above 0; more than 1 makes the model less sure.

    Returns:
        One number a class, adding up to 1.
    """
    scaled = [logit / temperature for logit in logits.tolist()]
    largest = max(scaled)
    weights = [math.exp(each - largest) for each in scaled]
    total = sum(weights)
    return [weight / total for weight in weights]


class Smoother:
    """An exponential filter over the posteriors of one stream, and the label it shows.

    The filter's constant is a time, so a longer hop under load smooths no more than a short one.

    Args:
        settings: How steady, and how sure.
    """

    def __init__(self, settings: SmoothingSettings) -> None:
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget the past, as at a new utterance or after a gap."""
        self._scores: Scores | None = None
        self._at = 0.0
        self._shown: int | None = None

    def provisional(
        self,
        scores: Scores,
        at: float,
        *,
        snr_db: float,
        voiced_fraction: float,
        speech_likeness: float = 1.0,
    ) -> Decision:
        """Take the posterior of one window.

        Args:
            scores: One number a class.
            at: End of the window in stream seconds.
            snr_db: The window's level above the background.
            voiced_fraction: Share of its frames that are voiced.
            speech_likeness: How probably it sounds like speech.
        """
        if self._scores is None:
            smoothed = scores
        else:
            elapsed = max(0.0, at - self._at)
            weight = 1 - math.exp(-elapsed / self.settings.time_constant_seconds)
            smoothed = [
                old + weight * (new - old) for old, new in zip(self._scores, scores, strict=True)
            ]
        self._scores, self._at = smoothed, at
        best = _leading(smoothed)
        shown = self._shown
        if shown is None or smoothed[best] - smoothed[shown] >= self.settings.switch_margin:
            shown = best
        self._shown = shown
        reason = self._reason(smoothed[shown], snr_db, voiced_fraction, speech_likeness)
        return Decision(shown, smoothed, reason)

    def final(
        self,
        scores: Scores,
        *,
        snr_db: float,
        voiced_fraction: float,
        speech_likeness: float = 1.0,
    ) -> Decision:
        """Decide on a whole utterance; nothing is smoothed."""
        best = _leading(scores)
        reason = self._reason(scores[best], snr_db, voiced_fraction, speech_likeness)
        return Decision(best, scores, reason)

    def _reason(
        self, confidence: float, snr_db: float, voiced_fraction: float, speech_likeness: float
    ) -> Abstention | None:
        if voiced_fraction < self.settings.minimum_voiced:
            return Abstention.NOT_SPEECH
        # Before the likeness: speech drowned in noise is noisy, whatever it sounds like.
        if snr_db < self.settings.minimum_snr_db:
            return Abstention.NOISY
        if speech_likeness < self.settings.minimum_speech_likeness:
            return Abstention.NOT_SPEECH
        if confidence < self.settings.minimum_confidence:
            return Abstention.UNCERTAIN
        return None


def _leading(scores: Scores) -> int:
    return max(range(len(scores)), key=scores.__getitem__)
