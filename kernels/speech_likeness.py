"""Whether a window sounds like speech: how its spectrum lies and moves, weighed in one pass."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.jit import kernel
from affectd.kernels.logmel import LogMel

__all__ = ["FEATURES", "SpeechLikeness"]

_GROUPS = 20
_LOW_HZ, _HIGH_HZ = 60.0, 7_800.0
_RANGE_DB = np.float32(60.0)
_LOUD_DB = np.float32(25.0)
_LAGS_SECONDS = (0.03, 0.06, 0.12, 0.25, 0.5)
_BY_LAG = 5

FEATURES = 3 * _GROUPS + 4 + _BY_LAG * len(_LAGS_SECONDS)
"""How many numbers describe a window."""


class SpeechLikeness:
    """Describes windows of one front end, the same way whatever that is.

    The bands are averaged into 20 groups that are evenly wide on the mel scale. Their levels where
    the window is loud tell the sound's colour, their deviations how much it changes, and what is
    left of them after 30 to 500 ms how fast: syllables come four to eight times a second, where
    rain has no rhythm and a note stays as it is. How far the loudest group stands out tells a beep,
    wherever it is.

    Args:
        front_end: The windows' front end.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self._from_samples = front_end.spectrum == "samples"
        self._logmel = None
        if self._from_samples:
            front_end = FrontEnd(
                sample_rate=front_end.sample_rate, high_hz=min(8_000, front_end.sample_rate / 2)
            )
            self._logmel = LogMel(front_end)
        centres = _centres_hz(front_end)
        low, high = _hz_to_mel(_LOW_HZ), _hz_to_mel(_HIGH_HZ)
        edges = _mel_to_hz(np.linspace(low, high, _GROUPS + 1))
        self._first = np.minimum(np.searchsorted(centres, edges[:-1]), centres.size - 1)
        # A group between two bands takes the nearer one above; there is always one.
        self._last = np.maximum(np.searchsorted(centres, edges[1:]), self._first + 1)
        self._lags = np.array(
            [max(1, round(seconds / front_end.frame_seconds)) for seconds in _LAGS_SECONDS]
        )

    def describe(self, logmel: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return what a window sounds like, apart from its level.

        Args:
            logmel: Frames in dB, not normalised, float32 ``(frames, columns)``; samples as they
                are where the front end has no spectrum.

        Returns:
            float64 ``(FEATURES,)``, all finite where the frames are.
        """
        if self._logmel is not None:
            self._logmel.reset()
            logmel = self._logmel.batch(np.ascontiguousarray(logmel.ravel(), np.float32))
        out = np.zeros(FEATURES)
        if len(logmel):
            _describe(logmel, self._first, self._last, self._lags, out)
        return out


def _centres_hz(front_end: FrontEnd) -> npt.NDArray[np.float64]:
    if front_end.spectrum == "mel":
        return front_end.band_edges_hz()[:, 1]
    bins_hz = front_end.sample_rate / front_end.fft_samples
    return np.arange(front_end.bands, dtype=np.float64) * bins_hz


def _hz_to_mel(hz: float) -> float:
    return 2595 * math.log10(1 + hz / 700)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(700 * (10 ** (mel / 2595) - 1))


@kernel(
    "void(float32[:, :], int64[::1], int64[::1], int64[::1], float64[::1])",
    fastmath={"reassoc", "contract", "nsz"},
)
def _describe(
    logmel: npt.NDArray[np.float32],
    first: npt.NDArray[np.int64],
    last: npt.NDArray[np.int64],
    lags: npt.NDArray[np.int64],
    out: npt.NDArray[np.float64],
) -> None:
    frames, groups = logmel.shape[0], first.size
    # One row a group: what follows runs along time, where it can be done many frames at once.
    levels = np.empty((groups, frames), np.float32)
    highest = np.float32(-np.inf)
    for frame in range(frames):
        for group in range(groups):
            total = np.float32(0)
            for band in range(first[group], last[group]):
                total += logmel[frame, band]
            level = total / np.float32(last[group] - first[group])
            levels[group, frame] = level
            highest = max(highest, level)
    mean = np.zeros(frames, np.float32)
    peak = np.full(frames, -np.inf, np.float32)
    lowest = highest - _RANGE_DB
    for group in range(groups):
        row = levels[group]
        for frame in range(frames):
            row[frame] = max(row[frame], lowest)
            mean[frame] += row[frame]
            peak[frame] = max(peak[frame], row[frame])
    loudest = np.float32(-np.inf)
    for frame in range(frames):
        mean[frame] /= np.float32(groups)
        loudest = max(loudest, mean[frame])
    loud = np.empty(frames, np.float32)
    count = np.float32(0)
    sharp = np.float32(0)
    sharps = np.float32(0)
    for frame in range(frames):
        loud[frame] = np.float32(1) if mean[frame] > loudest - _LOUD_DB else np.float32(0)
        count += loud[frame]
        beside = loud[frame] * (peak[frame] - mean[frame])
        sharp += beside
        sharps += beside * beside
    sharp /= count
    # Colour, and how much it changes, of the loud frames; and how much the level does, of all.
    powers = np.float32(1e-6)
    for group in range(groups):
        row = levels[group]
        colour = np.float32(0)
        colours = np.float32(0)
        middle = np.float32(0)
        for frame in range(frames):
            beside = loud[frame] * (row[frame] - mean[frame])
            colour += beside
            colours += beside * beside
            middle += row[frame]
        colour /= count
        middle /= np.float32(frames)
        spread = np.float32(0)
        for frame in range(frames):
            row[frame] -= middle
            spread += row[frame] * row[frame]
        powers += spread
        out[group] = colour
        out[groups + group] = np.sqrt(max(colours / count - colour * colour, np.float32(0)))
        out[2 * groups + group] = np.sqrt(spread / np.float32(frames))
    whole = np.float32(0)
    for frame in range(frames):
        whole += mean[frame]
    whole /= np.float32(frames)
    power = np.float32(1e-6)
    for frame in range(frames):
        mean[frame] -= whole
        power += mean[frame] * mean[frame]
    place = 3 * groups
    out[place] = np.sqrt(power / np.float32(frames))
    out[place + 1] = count / np.float32(frames)
    out[place + 2] = sharp
    out[place + 3] = np.sqrt(max(sharps / count - sharp * sharp, np.float32(0)))
    place += 4
    third = groups // 3
    for lag in lags:
        if lag < frames - 2:
            kept = np.float32(0)
            for group in range(groups):
                row = levels[group]
                same = np.float32(0)
                step = np.float32(0)
                for frame in range(lag, frames):
                    same += row[frame] * row[frame - lag]
                    step += abs(row[frame] - row[frame - lag])
                kept += same
                out[place + min(group // third, 2)] += step
            level = np.float32(0)
            for frame in range(lag, frames):
                level += mean[frame] * mean[frame - lag]
            pairs = frames - lag
            out[place] /= pairs * third
            out[place + 1] /= pairs * third
            out[place + 2] /= pairs * (groups - 2 * third)
            out[place + 3] = kept / powers
            out[place + 4] = level / power
        place += 5
