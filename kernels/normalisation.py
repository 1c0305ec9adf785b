"""Per-window normalisation: part of a model's contract, the same in training and serving."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from affectd.kernels.jit import kernel

__all__ = ["NORMALISATIONS", "Normalisation", "normalise"]

Normalisation = Literal["standard", "band"]
NORMALISATIONS: tuple[str, ...] = get_args(Normalisation)

_DYNAMIC_RANGE_DB = 80.0


def normalise(
    logmel: npt.NDArray[np.float32], kind: Normalisation = "standard"
) -> npt.NDArray[np.float32]:
    """Return a window of log-mel frames freed from its level.

    Values are first raised to at least the window's maximum less 80 dB. ``standard`` then takes
    away the window's mean and divides by its deviation, both over all frames and bands; ``band``
    takes away each band's own mean, and divides by the deviation over all that is left.

    Args:
        logmel: The window's valid frames in dB, float32 ``(frames, bands)``, at least one frame.
        kind: One of `NORMALISATIONS`.

    Returns:
        A new float32 array of the same shape; zeros where every value is the same.

    Raises:
        ValueError: the window is empty or the kind unknown.
    """
    if logmel.ndim != 2 or not logmel.size:
        raise ValueError(f"a window of shape {logmel.shape} cannot be normalised")
    if kind not in NORMALISATIONS:
        raise ValueError(f"normalisation is {kind!r}; allowed are {NORMALISATIONS}")
    out = np.empty(logmel.shape, np.float32)
    _normalise(np.ascontiguousarray(logmel, np.float32), kind == "band", out)
    return out


@kernel("void(float32[:, ::1], boolean, float32[:, ::1])")
def _normalise(
    logmel: npt.NDArray[np.float32], per_band: bool, out: npt.NDArray[np.float32]
) -> None:
    frames, bands = logmel.shape
    floor = logmel.max() - np.float32(_DYNAMIC_RANGE_DB)
    means = np.zeros(bands, np.float64)
    for frame in range(frames):
        for band in range(bands):
            value = max(logmel[frame, band], floor)
            out[frame, band] = value
            means[band] += value
    means /= frames
    if not per_band:
        means[:] = means.mean()
    squares = 0.0
    for frame in range(frames):
        for band in range(bands):
            value = out[frame, band] - means[band]
            out[frame, band] = value
            squares += value * value
    deviation = np.sqrt(squares / (frames * bands))
    scale = np.float32(1 / deviation) if deviation > 1e-5 else np.float32(0)
    for frame in range(frames):
        for band in range(bands):
            out[frame, band] *= scale
