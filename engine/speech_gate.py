"""Whether what was taken for speech sounds like it: the last judge before an emotion is named."""

from __future__ import annotations

import json
import math
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.speech_likeness import SpeechLikeness

__all__ = ["SpeechGate"]


class SpeechGate:
    """Weighs how a window's spectrum lies and moves.

    Voice activity works in steps of 10 ms, and lets dogs, music and breath through. Over a window
    it can be heard whether there are syllables. The weights are those of a logistic regression,
    fitted by ``affectd bench coverage --fit`` and kept in ``speech_gate.json``.

    Args:
        front_end: The windows' front end.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        told = _told()
        self._likeness = SpeechLikeness(front_end)
        self._weights = np.array(told["weights"])
        self._bias = float(told["bias"])

    def log_odds(self, logmel: npt.NDArray[np.float32]) -> float:
        """Return the logarithm of the odds that a window holds speech; 0 is even.

        Args:
            logmel: Frames in dB, not normalised, float32 ``(frames, columns)``.
        """
        return float(self._likeness.describe(logmel) @ self._weights) + self._bias

    @staticmethod
    def probability(log_odds: float) -> float:
        """Return the probability that belongs to log-odds, 0 to 1."""
        return 1 / (1 + math.exp(-min(max(log_odds, -60.0), 60.0)))

    @staticmethod
    def fitted_on() -> frozenset[str]:
        """Return the folds of ESC-10 that the weights were fitted on."""
        return frozenset(_told()["noise_folds"])


@cache
def _told() -> dict[str, Any]:
    text = (resources.files("affectd.engine") / "speech_gate.json").read_text("utf-8")
    told: dict[str, Any] = json.loads(text)
    return told
