"""All that is heard in a block of samples before any model, in one call: frames, level, voice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectd.kernels.jit import kernel
from affectd.kernels.logmel import LogMel, log_mel
from affectd.kernels.speech import NoiseFloor, follow
from affectd.kernels.voicing import SPEAKING, STEP_SAMPLES, Voicing, voice_step

__all__ = ["FRAME_SPEAKING", "FRAME_VOICED", "Listener"]

FRAME_VOICED, FRAME_SPEAKING = 1, 2
"""Flags of a frame: voice in a step since the frame before; an utterance going on at its end."""

Samples = npt.NDArray[np.float32]

_POSITION, _FRAME_END, _VOICED = range(3)
_NO_SOUND_DB = -20.0


class Listener:
    """Log-mel frames, their level above the noise, and voice activity, of one stream at 16 kHz.

    A frame counts for the steps that end after it does, and hears of the steps up to its end.

    Args:
        logmel: Makes the frames: mel bands of audio at 16 kHz, and nothing else.
        noise: Follows the background.
        voicing: Decides who speaks.
    """

    def __init__(self, logmel: LogMel, noise: NoiseFloor, voicing: Voicing) -> None:
        self._logmel = logmel
        self._noise = noise
        self._voicing = voicing
        self._numbers = np.zeros(3, np.int64)
        self._levels = np.array([voicing.minimum_snr_db, _NO_SOUND_DB])
        self.restart(0)

    def restart(self, position: int) -> None:
        """Forget all but the background; the next sample is this one."""
        self._logmel.reset()
        self._voicing.reset()
        self._numbers[:] = (position, position + self._logmel.front_end.fft_samples, 0)
        self._levels[1] = _NO_SOUND_DB

    def push(
        self, samples: Samples
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Hear some whole steps.

        Args:
            samples: Within what `affectd.kernels.samples.require_audio` lets through, contiguous
                float32 ``(n,)``, n being a multiple of `STEP_SAMPLES`.

        Returns:
            The frames that they complete, in dB, float32 ``(frames, bands)``; each one's level
            above the background in dB, float32 ``(frames,)``; its flags, int64 ``(frames,)``.
        """
        logmel, noise = self._logmel, self._noise
        heard: tuple[Samples, Samples, npt.NDArray[np.int64]] = _listen(
            logmel.numbers,
            logmel.constants,
            logmel.tail,
            noise.numbers,
            noise.rows,
            self._voicing.numbers,
            self._numbers,
            self._levels,
            samples,
        )
        return heard


@kernel(
    "Tuple((float32[:, ::1], float32[::1], int64[::1]))(int64[::1], float32[::1], float32[::1],"
    " int64[::1], float32[:, ::1], int64[::1], int64[::1], float64[::1], float32[::1])"
)
def _listen(
    mel_numbers: npt.NDArray[np.int64],
    mel_constants: Samples,
    mel_tail: Samples,
    noise_numbers: npt.NDArray[np.int64],
    noise_rows: npt.NDArray[np.float32],
    voicing: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.int64],
    levels: npt.NDArray[np.float64],
    samples: Samples,
) -> tuple[npt.NDArray[np.float32], Samples, npt.NDArray[np.int64]]:
    frames = log_mel(mel_numbers, mel_constants, mel_tail, samples)
    snr_db = np.empty(len(frames), np.float32)
    flags = np.empty(len(frames), np.int64)
    if len(frames):
        follow(noise_numbers, noise_rows, frames, snr_db)
    hop_samples = mel_numbers[0]
    position, frame_end, voiced = numbers[_POSITION], numbers[_FRAME_END], numbers[_VOICED]
    pcm = np.empty(STEP_SAMPLES, np.int16)
    taken = 0
    for start in range(0, samples.size, STEP_SAMPLES):
        position += STEP_SAMPLES
        while taken < len(frames) and frame_end < position:
            flags[taken] = voiced * FRAME_VOICED + voicing[SPEAKING] * FRAME_SPEAKING
            levels[1] = snr_db[taken]
            voiced = 0
            frame_end += hop_samples
            taken += 1
        step = samples[start : start + STEP_SAMPLES]
        if voice_step(voicing, levels[0], step, levels[1], pcm):
            voiced = 1
        if taken < len(frames) and frame_end == position:
            flags[taken] = voiced * FRAME_VOICED + voicing[SPEAKING] * FRAME_SPEAKING
            levels[1] = snr_db[taken]
            voiced = 0
            frame_end += hop_samples
            taken += 1
    numbers[_POSITION], numbers[_FRAME_END], numbers[_VOICED] = position, frame_end, voiced
    return frames, snr_db, flags
