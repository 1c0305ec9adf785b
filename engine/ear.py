"""Hears whether somebody speaks, beside a model whose frames cannot tell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from affectd.engine.voice import STEP_SAMPLES, VoiceActivity
from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.kernels.speech import NoiseFloor

__all__ = ["Ear", "Heard"]


class Heard(NamedTuple):
    """What was heard in one step of 10 ms."""

    end: int
    """One past its last sample, at 16 kHz since the stream began."""
    voiced: bool
    speaking: bool
    snr_db: float


class Ear:
    """Voice activity and noise floor of one stream at 16 kHz, whatever rate the model listens at.

    The detector of voice and the noise floor are made for 16 kHz and mel bands. A model with
    another rate or without mel bands gets its frames from its own front end, and everything about
    speech and silence from here.

    Args:
        voice: Decides what is speech; the session's own.

    Attributes:
        front_end: Of the frames that it hears by.
        frames: Those of the last `push`, dB, float32 ``(frames, bands)``.
    """

    def __init__(self, voice: VoiceActivity) -> None:
        self._voice = voice
        self.front_end = FrontEnd()
        self._logmel = LogMel(self.front_end)
        self._noise = NoiseFloor(self.front_end)
        self.restart(0)

    def restart(self, position: int) -> None:
        """Forget all but the background; the next sample is this one."""
        self._logmel.reset()
        self._pending = np.empty(0, np.float32)
        self._position = position
        self._frame_end = position + self.front_end.fft_samples
        self._snr_db = -20.0
        self.frames = np.empty((0, self.front_end.columns), np.float32)

    @property
    def frames_end(self) -> int:
        """One past the last sample of the newest frame, at 16 kHz since the stream began."""
        return self._frame_end - self.front_end.hop_samples

    def forget_background(self) -> None:
        """Forget the noise floor, too: what comes next may be another room."""
        self._noise.reset()

    def push(self, samples: npt.NDArray[np.float32]) -> list[Heard]:
        """Return what was heard in the steps that these samples complete.

        Args:
            samples: Mono at 16 kHz, float32 ``(n,)``.
        """
        pending = np.concatenate((self._pending, samples)) if self._pending.size else samples
        whole = pending.size - pending.size % STEP_SAMPLES
        self._pending = pending[whole:].copy()
        if not whole:
            self.frames = self.frames[:0]
            return []
        self.frames = frames = self._logmel.push(np.ascontiguousarray(pending[:whole]))
        snr_db = self._noise.push(frames)
        heard: list[Heard] = []
        taken = 0
        for step in pending[:whole].reshape(-1, STEP_SAMPLES):
            # As in the session: a frame counts for the steps that end after it does.
            self._position += STEP_SAMPLES
            while taken < len(frames) and self._frame_end < self._position:
                self._snr_db = float(snr_db[taken])
                self._frame_end += self.front_end.hop_samples
                taken += 1
            voiced = self._voice.push(step, self._snr_db)
            heard.append(Heard(self._position, voiced, self._voice.speaking, self._snr_db))
        for level in snr_db[taken:]:
            self._snr_db = float(level)
            self._frame_end += self.front_end.hop_samples
        return heard
