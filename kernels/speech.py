"""How far the sound stands above its background: a noise floor that follows its minima."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.jit import kernel
from affectd.kernels.logmel import LogMel

__all__ = ["NoiseFloor", "follow"]

_LOW_HZ, _HIGH_HZ = 100.0, 5_000.0
_SUB_WINDOWS = 6
_SUB_WINDOW_SECONDS = 0.4
_SMOOTHING_SECONDS = 0.03
# How long a noise is listened to, to learn how far its minimum lies under its mean.
_BIAS_SECONDS = 24
# The floor is taken this much lower than measured: weak speech is missed less, and steady noise
# still stays under 3 dB.
_SLACK_DB = 1.5
# No background is followed below this (dB of the front end): 16 bits' rounding lies about here.
_SILENCE_DB = np.float32(-90.0)
# Where things stand in `NoiseFloor.rows`, behind the minima of the sub-windows, and in its numbers.
_SMOOTHED, _BIAS, _CONSTANT = range(_SUB_WINDOWS + 1, _SUB_WINDOWS + 4)
_SEEN, _SINCE = 3, 4


class NoiseFloor:
    """The background of one stream, band by band, and each frame's level above it.

    The floor of a band is the minimum of its smoothed power over the last 2.4 s, so that it
    settles on a fan that was switched on within that time, and comes down at once when it stops.
    A stream that begins in the middle of a word is heard from its first dip on, for until then it
    could as well be noise.
    Source: R. Martin, "Noise power spectral density estimation based on optimal smoothing and
    minimum statistics", IEEE TSAP 9(5), 2001, with fixed smoothing. How far the minimum of a
    steady noise lies under its mean depends on the frames and the widths of the bands; it is
    measured once for a front end.

    Args:
        front_end: The frames' front end.

    Attributes:
        numbers: The state, as `follow` takes it; as are ``rows``.

    Raises:
        ValueError: it has no band where speech is looked for.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        centres = _band_centres_hz(front_end)
        inside = np.flatnonzero((centres >= _LOW_HZ) & (centres <= _HIGH_HZ))
        if not inside.size:
            raise ValueError(f"the front end has no band between {_LOW_HZ} and {_HIGH_HZ} Hz")
        first, last = int(inside[0]), int(inside[-1]) + 1
        frames = max(1, round(_SUB_WINDOW_SECONDS / front_end.frame_seconds))
        self.numbers = np.array([first, last, frames, 0, 0], np.int64)
        self.rows = np.empty((_SUB_WINDOWS + 4, last - first), np.float32)
        self.rows[_BIAS] = _bias_db(front_end)[first:last]
        self.rows[_CONSTANT] = np.float32(np.exp(-front_end.frame_seconds / _SMOOTHING_SECONDS))
        self.reset()

    def reset(self) -> None:
        """Forget the background."""
        self.numbers[_SEEN:] = 0
        self.rows[: _SUB_WINDOWS + 1].fill(np.inf)

    def push(self, logmel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return how far each frame stands above the background, and follow the background.

        Args:
            logmel: New frames in dB, float32 ``(frames, bands)``.

        Returns:
            Signal-to-noise ratio between 100 and 5,000 Hz in dB, float32 ``(frames,)``, within
            −20 to 60; −20 where nothing stands out or nothing sounds.
        """
        snr_db = np.empty(logmel.shape[0], np.float32)
        _follow(self.numbers, self.rows, logmel, snr_db)
        return snr_db


def _band_centres_hz(front_end: FrontEnd) -> npt.NDArray[np.float64]:
    filterbank = front_end.filterbank()
    widths = np.diff(filterbank.offset)
    return (filterbank.first_bin + widths / 2) * (front_end.sample_rate / front_end.fft_samples)


@cache
def _bias_db(front_end: FrontEnd) -> npt.NDArray[np.float32]:
    """Return how far, in each band, the floor of white noise would be found too low, in dB."""
    random = np.random.default_rng(0)
    noise = random.standard_normal(_BIAS_SECONDS * front_end.sample_rate, np.float32)
    logmel = LogMel(front_end).batch(np.float32(0.1) * noise)
    smoothing = np.exp(-front_end.frame_seconds / _SMOOTHING_SECONDS)
    smoothed = logmel.copy()
    for frame in range(1, len(smoothed)):
        smoothed[frame] = smoothing * smoothed[frame - 1] + (1 - smoothing) * smoothed[frame]
    frames = round(_SUB_WINDOWS * _SUB_WINDOW_SECONDS / front_end.frame_seconds)
    whole = len(smoothed) - len(smoothed) % frames
    minima = smoothed[:whole].reshape(-1, frames, front_end.bands).min(axis=1).mean(axis=0)
    mean_db = 10 * np.log10(np.mean(10 ** (logmel / 10), axis=0))
    return np.asarray(mean_db - minima - _SLACK_DB, np.float32)


@kernel(fastmath={"reassoc", "contract", "nsz"})
def follow(
    numbers: npt.NDArray[np.int64],
    rows: npt.NDArray[np.float32],
    logmel: npt.NDArray[np.float32],
    snr_db: npt.NDArray[np.float32],
) -> None:
    """Write how far each frame stands above the background, and follow it. For other kernels.

    Args:
        numbers: `NoiseFloor.numbers`.
        rows: `NoiseFloor.rows`.
        logmel: As for `NoiseFloor.push`.
        snr_db: What it returns.
    """
    first, last, sub_window_frames = numbers[0], numbers[1], numbers[2]
    minima = rows[: _SUB_WINDOWS + 1]
    smoothed, bias_db, smoothing = rows[_SMOOTHED], rows[_BIAS], rows[_CONSTANT, 0]
    frames, bands = logmel.shape[0], last - first
    newest = minima.shape[0] - 1
    per_db = np.float32(np.log(10) / 10)
    for frame in range(frames):
        seen = numbers[_SEEN]
        sound = np.float32(0)
        noise = np.float32(0)
        for band in range(bands):
            level = logmel[frame, first + band]
            if seen == 0:
                smoothed[band] = level
            else:
                smoothed[band] = smoothing * smoothed[band] + (1 - smoothing) * level
            minima[newest, band] = min(minima[newest, band], smoothed[band])
            floor = minima[newest, band]
            for older in range(newest):
                floor = min(floor, minima[older, band])
            floor += bias_db[band]
            floor = max(floor, _SILENCE_DB)
            sound += np.exp(per_db * level)
            noise += np.exp(per_db * floor)
        excess = max(sound - noise, np.float32(1e-12))
        snr_db[frame] = min(max(np.log(excess / noise) / per_db, np.float32(-20)), np.float32(60))
        numbers[_SEEN] = seen + 1
        numbers[_SINCE] += 1
        if numbers[_SINCE] == sub_window_frames:
            numbers[_SINCE] = 0
            for row in range(newest):
                for band in range(bands):
                    minima[row, band] = minima[row + 1, band]
            for band in range(bands):
                minima[newest, band] = np.inf


@kernel("void(int64[::1], float32[:, ::1], float32[:, ::1], float32[::1])")
def _follow(
    numbers: npt.NDArray[np.int64],
    rows: npt.NDArray[np.float32],
    logmel: npt.NDArray[np.float32],
    snr_db: npt.NDArray[np.float32],
) -> None:
    follow(numbers, rows, logmel, snr_db)
