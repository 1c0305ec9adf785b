"""Noise to train against: white, pink and recorded, as log-mel frames."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel

__all__ = ["NoiseBank", "add_noise", "coloured_noise"]

Frames = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NoiseBank:
    """Noise to draw from, as log-mel frames."""

    kinds: tuple[Frames, ...]
    """Recordings in dB, float32 ``(frames, bands)`` each."""

    def digest(self) -> str:
        """Return a hash of all recordings."""
        found = hashlib.sha256()
        for kind in self.kinds:
            found.update(np.ascontiguousarray(kind).tobytes())
        return found.hexdigest()

    def draw(self, frames: int, rng: np.random.Generator) -> Frames:
        """Return so many frames from a random place of a random recording, repeated where short."""
        kind = self.kinds[int(rng.integers(len(self.kinds)))]
        start = int(rng.integers(max(len(kind) - frames, 0) + 1))
        return kind[(start + np.arange(frames)) % len(kind)]


def coloured_noise(front_end: FrontEnd, *, seconds: float, seed: int) -> tuple[Frames, Frames]:
    """Return white and pink noise as log-mel frames in dB."""
    rng = np.random.default_rng(seed)
    count = round(seconds * front_end.sample_rate)
    white = rng.standard_normal(count)
    spectrum = np.fft.rfft(white)
    spectrum[1:] /= np.sqrt(np.arange(1, spectrum.size))
    spectrum[0] = 0
    pink = np.fft.irfft(spectrum, count)
    transform = LogMel(front_end)
    loud, soft = (
        transform.batch((0.1 * signal / signal.std()).astype(np.float32))
        for signal in (white, pink)
    )
    return loud, soft


def add_noise(logmel: Frames, noise: Frames, *, snr_db: float) -> Frames:
    """Add noise in the power domain at a signal-to-noise ratio.

    The levels compared are the window's loud frames (the 80th percentile of the power summed over
    the bands) and the noise's mean.

    Args:
        logmel: dB, float32 ``(frames, bands)``.
        noise: dB, same shape.
        snr_db: Ratio of the two levels after mixing.

    Returns:
        dB, float32, same shape.
    """
    signal_power = np.power(10, logmel.astype(np.float64) / 10)
    noise_power = np.power(10, noise.astype(np.float64) / 10)
    loud = np.percentile(signal_power.sum(axis=1), 80)
    gain = loud / max(noise_power.sum(axis=1).mean(), 1e-30) / 10 ** (snr_db / 10)
    mixed: Frames = (10 * np.log10(signal_power + gain * noise_power)).astype(np.float32)
    return mixed
