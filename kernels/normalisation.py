"""Per-window normalisation: part of a model's contract, the same in training and serving."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.jit import kernel

__all__ = ["NORMALISATIONS", "Normalisation", "level_db", "normalise"]

Normalisation = Literal["standard", "band", "none", "whisper"]
NORMALISATIONS: tuple[str, ...] = get_args(Normalisation)

_DYNAMIC_RANGE_DB = 80.0
_WHISPER_LEVEL_DB = float(10 * np.log10(8 / 3))


def normalise(
    logmel: npt.NDArray[np.float32],
    kind: Normalisation = "standard",
    front_end: FrontEnd | None = None,
) -> npt.NDArray[np.float32]:
    """Return a window of log-mel frames freed from its level.

    Values are first raised to at least the window's maximum less 80 dB. ``standard`` then takes
    away the window's mean and divides by its deviation, both over all frames and bands; ``band``
    takes away each band's own mean, and divides by the deviation over all that is left.

    ``none`` leaves a window as it is: the model itself does what it needs.

    ``whisper`` gives what Whisper's own front end would for this stretch of audio brought to
    variance 8/3: ``(max(log10(power), maximum - 8) + 4) / 4``. The samples' variance is found from
    the frames (see `level_db`). Source: A. Radford et al., "Robust Speech Recognition via
    Large-Scale Weak Supervision", ICML 2023, and the released code.

    Args:
        logmel: The window's valid frames in dB, float32 ``(frames, bands)``, at least one frame.
        kind: One of `NORMALISATIONS`.
        front_end: The frames' front end; needed by ``whisper``.

    Returns:
        A new float32 array of the same shape; for ``standard`` and ``band`` zeros where every
        value is the same.

    Raises:
        ValueError: the window is empty, the kind unknown, or the front end missing.
    """
    if logmel.ndim != 2 or not logmel.size:
        raise ValueError(f"a window of shape {logmel.shape} cannot be normalised")
    if kind not in NORMALISATIONS:
        raise ValueError(f"normalisation is {kind!r}; allowed are {NORMALISATIONS}")
    if kind == "none":
        return logmel.astype(np.float32)
    if kind == "whisper":
        if front_end is None:
            raise ValueError("normalisation 'whisper' needs the frames' front end")
        shifted = logmel - np.float32(level_db(logmel, front_end) - _WHISPER_LEVEL_DB)
        floor = shifted.max() - np.float32(_DYNAMIC_RANGE_DB)
        whispered: npt.NDArray[np.float32] = np.maximum(shifted, floor) / 40 + np.float32(1)
        return whispered
    out = np.empty(logmel.shape, np.float32)
    _normalise(np.ascontiguousarray(logmel, np.float32), kind == "band", out)
    return out


def level_db(logmel: npt.NDArray[np.float32], front_end: FrontEnd) -> float:
    """Return the variance of the samples behind a window of log-mel frames, in dB.

    Neighbouring unit-area triangles overlap so that, each times half its width, they add up to one
    everywhere: the bands' powers weighted so are the spectrum's. By Parseval's theorem, and with
    the periodic Hann window's mean square of 3/8, the variance is 16 / (3 N²) of its sum over the
    N / 2 + 1 bins of a transform of N samples.

    Args:
        logmel: dB, float32 ``(frames, bands)``.
        front_end: The frames' front end, with mel bands from 0 Hz to half the rate.
    """
    edges_hz = front_end.band_edges_hz()
    half_width_hz = ((edges_hz[:, 2] - edges_hz[:, 0]) / 2).astype(np.float32)
    power = np.power(np.float32(10), logmel[:, : front_end.bands] / 10) @ half_width_hz
    variance = 16 / (3 * front_end.fft_samples**2) * float(power.mean())
    return float(10 * np.log10(max(variance, 1e-20)))


@kernel("void(float32[:, ::1], boolean, float32[:, ::1])")
def _normalise(
    logmel: npt.NDArray[np.float32], per_band: bool, out: npt.NDArray[np.float32]
) -> None:
    frames, bands = logmel.shape
    # Band by band and selected, not called, so that all lanes are used; and added up in doubles,
    # so that the order does not matter.
    loudest = logmel[0].copy()
    for frame in range(1, frames):
        for band in range(bands):
            value = logmel[frame, band]
            loudest[band] = value if value > loudest[band] else loudest[band]
    floor = loudest.max() - np.float32(_DYNAMIC_RANGE_DB)
    means = np.zeros(bands, np.float64)
    for frame in range(frames):
        for band in range(bands):
            value = logmel[frame, band]
            value = value if value > floor else floor
            out[frame, band] = value
            means[band] += value
    means /= frames
    if not per_band:
        means[:] = means.mean()
    band_squares = np.zeros(bands, np.float64)
    for frame in range(frames):
        for band in range(bands):
            distance = out[frame, band] - means[band]
            out[frame, band] = distance
            band_squares[band] += distance * distance
    squares = band_squares.sum()
    deviation = np.sqrt(squares / (frames * bands))
    scale = np.float32(1 / deviation) if deviation > 1e-5 else np.float32(0)
    for frame in range(frames):
        for band in range(bands):
            out[frame, band] *= scale
