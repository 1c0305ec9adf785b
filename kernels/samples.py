"""What can be a sample at all: refused where audio comes in, before anything is computed."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from affectd.kernels.jit import kernel

__all__ = ["LARGEST_SAMPLE", "BadSampleError", "require_audio"]

LARGEST_SAMPLE = 65_536.0
"""Largest magnitude of a sample, full scale being 1. It leaves room for 16-bit integers that
nobody divided by 32,768; what lies beyond is no sound at any scale, and its power overflows."""


class BadSampleError(ValueError):
    """A sample cannot be audio; `position` counts from the start of the stream."""

    def __init__(self, position: int, value: float) -> None:
        allowed = (
            f"audio lies within ±{LARGEST_SAMPLE:.0f}, and nominally within ±1"
            if math.isfinite(value)
            else "audio must be finite"
        )
        super().__init__(f"sample {position} is {value:g}: {allowed}")
        self.position = position
        self.value = value


def require_audio(samples: npt.NDArray[np.float32], position: int = 0) -> None:
    """Refuse NaN, infinity, and what is louder than any sound.

    Args:
        samples: Contiguous float32 ``(n,)``.
        position: Number of the first sample in its stream.

    Raises:
        BadSampleError: a sample is NaN, infinite, or beyond `LARGEST_SAMPLE`.
    """
    bad = _first_bad(samples)
    if bad >= 0:
        raise BadSampleError(position + bad, float(samples[bad]))


@kernel("int64(float32[::1])")
def _first_bad(samples: npt.NDArray[np.float32]) -> int:
    largest = np.float32(LARGEST_SAMPLE)
    # Without a branch all lanes are used; a search follows only where there is a reason.
    bad = np.int32(0)
    for index in range(samples.size):
        # NaN compares as false.
        bad += np.int32(not (abs(samples[index]) <= largest))
    if bad == 0:
        return -1
    for index in range(samples.size):
        if not abs(samples[index]) <= largest:
            return index
    return -1
