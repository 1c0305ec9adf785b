"""What is measured of a frame's samples themselves: zero crossings and level."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.jit import kernel

__all__ = ["measure"]


def measure(
    front_end: FrontEnd, samples: npt.NDArray[np.float32], out: npt.NDArray[np.float32]
) -> None:
    """Fill the columns of `FrontEnd.extras` for every whole frame of a signal.

    Args:
        front_end: Says where the frames lie and which extras are wanted.
        samples: float32 ``(n,)``.
        out: float32 ``(frames, columns)``; the first `FrontEnd.bands` columns are left alone.
    """
    for column, name in enumerate(front_end.extras, front_end.bands):
        _KERNELS[name](
            samples,
            front_end.fft_samples,
            front_end.hop_samples,
            np.float32(front_end.floor_power),
            out[:, column],
        )


@kernel("void(float32[::1], int64, int64, float32, float32[:])")
def _zero_crossings(
    samples: npt.NDArray[np.float32],
    frame_samples: int,
    hop_samples: int,
    floor_power: np.float32,
    out: npt.NDArray[np.float32],
) -> None:
    for frame in range(out.size):
        start = frame * hop_samples
        crossings = 0
        for index in range(start + 1, start + frame_samples):
            crossings += (samples[index] < 0) != (samples[index - 1] < 0)
        out[frame] = crossings / frame_samples


@kernel("void(float32[::1], int64, int64, float32, float32[:])")
def _rms(
    samples: npt.NDArray[np.float32],
    frame_samples: int,
    hop_samples: int,
    floor_power: np.float32,
    out: npt.NDArray[np.float32],
) -> None:
    for frame in range(out.size):
        start = frame * hop_samples
        total = 0.0
        for index in range(start, start + frame_samples):
            total += samples[index] * samples[index]
        out[frame] = 10 * np.log10(max(np.float64(floor_power), total / frame_samples))


_KERNELS = {"zero_crossings": _zero_crossings, "rms": _rms}
