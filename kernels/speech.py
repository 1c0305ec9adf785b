"""How far the sound stands above its background: a noise floor that follows its minima."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.jit import kernel

__all__ = ["NoiseFloor"]

_LOW_HZ, _HIGH_HZ = 100.0, 5_000.0
_SUB_WINDOWS = 6
_SUB_WINDOW_SECONDS = 0.4
_SMOOTHING = np.float32(0.6)
# The minimum of a smoothed noise lies under its mean; found on white noise with the values above.
_BIAS_DB = np.float32(2.5)
# A stream may begin in the middle of a word: until a pause could be heard, the floor is taken to
# lie at least this far under the loudest frame so far.
_FIRST_RANGE_DB = np.float32(25.0)
_FIRST_SECONDS = 1.0
# Bands lower than this (dB of the front end) hold no sound, only rounding and dither.
_SILENCE_DB = np.float32(-60.0)


class NoiseFloor:
    """The background of one stream, band by band, and each frame's level above it.

    The floor of a band is the minimum of its smoothed power over the last 2.4 s, so that it
    settles on a fan that was switched on within that time, and comes down at once when it stops.
    Source: R. Martin, "Noise power spectral density estimation based on optimal smoothing and
    minimum statistics", IEEE TSAP 9(5), 2001, with fixed smoothing.

    Args:
        front_end: The frames' front end.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        centres = _band_centres_hz(front_end)
        inside = np.flatnonzero((centres >= _LOW_HZ) & (centres <= _HIGH_HZ))
        self._first, self._last = int(inside[0]), int(inside[-1]) + 1
        bands = self._last - self._first
        frames = max(1, round(_SUB_WINDOW_SECONDS / front_end.frame_seconds))
        self._first_frames = round(_FIRST_SECONDS / front_end.frame_seconds)
        self._smoothed = np.empty(bands, np.float32)
        self._minima = np.empty((_SUB_WINDOWS + 1, bands), np.float32)
        self._counters = np.zeros(2, np.int64)
        self._loudest = np.empty(bands, np.float32)
        self._sub_window_frames = frames
        self.reset()

    def reset(self) -> None:
        """Forget the background."""
        self._counters[:] = 0
        self._minima.fill(np.inf)
        self._loudest.fill(-np.inf)

    def push(self, logmel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return how far each frame stands above the background, and follow the background.

        Args:
            logmel: New frames in dB, float32 ``(frames, bands)``.

        Returns:
            Signal-to-noise ratio between 100 and 5,000 Hz in dB, float32 ``(frames,)``, within
            −20 to 60; −20 where nothing stands out or nothing sounds.
        """
        snr_db = np.empty(logmel.shape[0], np.float32)
        _follow(
            logmel[:, self._first : self._last],
            self._smoothed,
            self._minima,
            self._loudest,
            self._counters,
            self._sub_window_frames,
            self._first_frames,
            snr_db,
        )
        return snr_db


def _band_centres_hz(front_end: FrontEnd) -> npt.NDArray[np.float64]:
    filterbank = front_end.filterbank()
    widths = np.diff(filterbank.offset)
    return (filterbank.first_bin + widths / 2) * (front_end.sample_rate / front_end.fft_samples)


@kernel(
    "void(float32[:, :], float32[::1], float32[:, ::1], float32[::1], int64[::1], int64, int64,"
    " float32[::1])",
    fastmath={"reassoc", "contract", "nsz"},
)
def _follow(
    logmel: npt.NDArray[np.float32],
    smoothed: npt.NDArray[np.float32],
    minima: npt.NDArray[np.float32],
    loudest: npt.NDArray[np.float32],
    counters: npt.NDArray[np.int64],
    sub_window_frames: int,
    first_frames: int,
    snr_db: npt.NDArray[np.float32],
) -> None:
    frames, bands = logmel.shape
    newest = minima.shape[0] - 1
    per_db = np.float32(np.log(10) / 10)
    for frame in range(frames):
        seen = counters[0]
        sound = np.float32(0)
        noise = np.float32(0)
        for band in range(bands):
            level = logmel[frame, band]
            if seen == 0:
                smoothed[band] = level
            else:
                smoothed[band] = _SMOOTHING * smoothed[band] + (1 - _SMOOTHING) * level
            minima[newest, band] = min(minima[newest, band], smoothed[band])
            loudest[band] = max(loudest[band], level)
            floor = minima[newest, band]
            for older in range(newest):
                floor = min(floor, minima[older, band])
            floor += _BIAS_DB
            if seen < first_frames:
                floor = min(floor, loudest[band] - _FIRST_RANGE_DB)
            floor = max(floor, _SILENCE_DB)
            sound += np.exp(per_db * level)
            noise += np.exp(per_db * floor)
        excess = max(sound - noise, np.float32(1e-12))
        snr_db[frame] = min(max(np.log(excess / noise) / per_db, np.float32(-20)), np.float32(60))
        counters[0] = seen + 1
        counters[1] += 1
        if counters[1] == sub_window_frames:
            counters[1] = 0
            for row in range(newest):
                for band in range(bands):
                    minima[row, band] = minima[row + 1, band]
            for band in range(bands):
                minima[newest, band] = np.inf
