"""What is said of a window: calibrated, smoothed or averaged over its utterance, or withheld."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.engine.artefact import Metadata
from affectd.engine.protocol import Abstention
from affectd.engine.segmenter import Cut
from affectd.engine.smoothing import Smoother, SmoothingSettings, posterior
from affectd.engine.speech_gate import SpeechGate

__all__ = ["Judge", "NonFiniteResultError"]


class NonFiniteResultError(ValueError):
    """What a model answers, or what is known of its window, is NaN or infinite."""


class Judge:
    """Turns the logits of one stream's windows, in their order, into what its results say.

    A provisional window's posterior is smoothed with those before it. An utterance no longer than
    a window is judged by its final one alone, which holds all of it; a longer one by the mean of
    the posteriors over the windows that were full, and the last: where the mood changes in it, it
    is told as less sure than its windows are, as the mean of the logits would not be. So is the
    sound, by its log odds: what does not sound like speech is named nothing.

    Args:
        artefact: Labels, temperature and the labels' coordinates.
        settings: How steady, and how sure.
    """

    def __init__(self, artefact: Metadata, settings: SmoothingSettings) -> None:
        self._labels = artefact.labels
        self._temperature = artefact.temperature
        self._valences, self._arousals = zip(
            *(artefact.valence_arousal[label] for label in artefact.labels), strict=True
        )
        self._smoother = Smoother(settings)
        self._utterance = 0
        self._full_scores = np.zeros(len(artefact.labels), np.float64)
        self._full_windows = 0
        # Whoever wants all windows, however they sound, need not pay for the gate.
        self._gate = SpeechGate(artefact.front_end) if settings.minimum_speech_likeness else None
        self._full_odds = 0.0

    def judge(self, cut: Cut, logits: npt.NDArray[np.float32], at: float) -> dict[str, Any]:
        """Return the fields of `affectd.engine.protocol.Result` that the model decides.

        Args:
            cut: The window.
            logits: float32 ``(classes,)``.
            at: Its end in stream seconds.

        Raises:
            NonFiniteResultError: the logits, or the window's level, are NaN or infinite: such an
                event could be told in one encoding and not in the other.
        """
        if not all(map(math.isfinite, logits.tolist())):
            raise NonFiniteResultError(f"its logits are {', '.join(f'{x:g}' for x in logits)}")
        if not math.isfinite(cut.snr_db):
            raise NonFiniteResultError(f"its window's level is {cut.snr_db} dB")
        if cut.utterance != self._utterance:
            self._utterance = cut.utterance
            self._smoother.reset()
            self._full_scores[:] = 0
            self._full_windows = 0
            self._full_odds = 0.0
        odds = self._gate.log_odds(cut.logmel) if self._gate else math.inf
        quality = {"snr_db": cut.snr_db, "voiced_fraction": cut.voiced_fraction}
        scores = posterior(logits, self._temperature)
        if cut.final:
            mean_odds = (self._full_odds + odds) / (self._full_windows + 1)
            quality["speech_likeness"] = SpeechGate.probability(mean_odds)
            mean = (self._full_scores + scores) / (self._full_windows + 1)
            decision = self._smoother.final(mean.tolist(), **quality)
        else:
            quality["speech_likeness"] = SpeechGate.probability(odds)
            if cut.counts:
                self._full_scores += scores
                self._full_windows += 1
                self._full_odds += odds
            decision = self._smoother.provisional(scores, at, **quality)
        abstained = Abstention.TOO_SHORT if cut.too_short else decision.abstained
        told = decision.scores
        valence = sum(map(operator.mul, told, self._valences))
        arousal = sum(map(operator.mul, told, self._arousals))
        return {
            "label": None if abstained else self._labels[decision.label],
            "abstained": abstained,
            "confidence": round(told[decision.label], 4),
            "scores": {
                label: round(score, 4) for label, score in zip(self._labels, told, strict=True)
            },
            "valence": round(valence, 3),
            "arousal": round(arousal, 3),
            "snr_db": round(cut.snr_db, 1),
        }
