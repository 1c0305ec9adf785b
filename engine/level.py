"""The level of a device's signal: dead silence and clipping, which no driver reports."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["LevelState", "LevelWatch"]

LevelState = Literal["silent", "sounding", "clipping"]

_SILENT_SECONDS = 2.0
_FULL_SCALE = 0.999
_CLIPPED_SHARE = 0.01
_CLIPPING_PAUSE_SECONDS = 10.0


class LevelWatch:
    """Notices a microphone that delivers nothing but zeros, and one that is driven too hard.

    macOS hands an application without permission zeros instead of an error, and a muted or
    half-unplugged device does the same: a room is never as quiet as that.

    Args:
        rate: Sampling rate of the signal, Hz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._zeros = 0
        self._silent = False
        self._seen = 0
        self._clipped = 0
        self._quiet_until = 0
        self._position = 0

    def push(self, samples: npt.NDArray[np.float32]) -> list[LevelState]:
        """Return the states that begin within these samples, float32 ``(n,)``."""
        states: list[LevelState] = []
        self._position += samples.size
        sounding = np.flatnonzero(samples)
        if sounding.size:
            self._zeros = samples.size - int(sounding[-1]) - 1
            if self._silent:
                self._silent = False
                states.append("sounding")
        else:
            self._zeros += samples.size
            if not self._silent and self._zeros >= _SILENT_SECONDS * self._rate:
                self._silent = True
                states.append("silent")
        self._seen += samples.size
        self._clipped += int(np.count_nonzero(np.abs(samples) >= _FULL_SCALE))
        if self._seen >= self._rate:
            too_hard = self._clipped > _CLIPPED_SHARE * self._seen
            if too_hard and self._position >= self._quiet_until:
                states.append("clipping")
                self._quiet_until = self._position + round(_CLIPPING_PAUSE_SECONDS * self._rate)
            self._seen = self._clipped = 0
        return states
