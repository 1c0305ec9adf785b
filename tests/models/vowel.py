"""A vowel, and its frames as the hand-crafted features want them."""

from __future__ import annotations

import numpy as np

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel

RATE = 16_000
LINEAR = FrontEnd(bands=513, spectrum="linear", extras=("rms", "zero_crossings"))
TIME = np.arange(2 * RATE) / RATE


def vowel(pitch_hz: float) -> np.ndarray:
    tone = sum(np.sin(2 * np.pi * pitch_hz * k * TIME) / k for k in range(1, 30))
    noise = np.random.default_rng(0).standard_normal(TIME.size)
    return (0.1 * np.asarray(tone) + 0.01 * noise).astype(np.float32)


SAMPLES = vowel(140.0)
FRAMES = LogMel(LINEAR).batch(SAMPLES)
