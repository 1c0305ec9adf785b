"""Where speech lies within the frames of one utterance: its ends are trimmed by level."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectd.kernels.front_end import FrontEnd

__all__ = ["CONSTANTS", "bounds_within", "speech_bounds", "trimmed", "with_margin"]

Frames = npt.NDArray[np.float32]

_RANGE_DB = 30.0
_ABOVE_NOISE_DB = 8.0
_SURE_DB = 15.0
_HUM_BANDS = 3
_DECIBEL = np.log(10) / 10
"""The natural logarithm of the ratio of powers that is one dB; it is of double precision, which
what it is multiplied with becomes."""
CONSTANTS = (_RANGE_DB, _ABOVE_NOISE_DB, _SURE_DB, _HUM_BANDS)
"""All that decides the bounds: whoever keeps them names what they were made with."""


def speech_bounds(logmel: Frames) -> tuple[int, int]:
    """Return where speech begins and ends in a clip of one utterance.

    A frame is speech if its level, the summed power of all bands but the lowest three (hum), lies
    at most 30 dB below the loudest frame's, and at least 8 dB above the clip's quietest frames (the
    5th percentile); but whatever lies at most 15 dB below the loudest frame is speech in any case.

    Args:
        logmel: dB, float32 ``(frames, bands)``, at least one frame.

    Returns:
        The first such frame, and one past the last.
    """
    above_hum = logmel[:, _HUM_BANDS:] if logmel.shape[1] > _HUM_BANDS else logmel
    # The exponential takes a third of the time of a power of ten.
    level = 10 * np.log10(np.exp(above_hum * _DECIBEL).sum(axis=1))
    loudest = level.max()
    noise = min(np.percentile(level, 5) + _ABOVE_NOISE_DB, loudest - _SURE_DB)
    loud = np.flatnonzero(level >= max(loudest - _RANGE_DB, noise))
    return int(loud[0]), int(loud[-1]) + 1


def bounds_within(frames: npt.NDArray[np.floating], front_end: FrontEnd) -> tuple[int, int]:
    """Return where speech begins and ends in the frames of any front end; see `speech_bounds`.

    Args:
        frames: As the front end gives them, ``(frames, columns)``, at least one.
        front_end: Theirs.
    """
    # What is measured of the samples is no power of a band.
    bands = frames[:, : front_end.bands].astype(np.float32, copy=False)
    if front_end.spectrum == "samples":
        bands = 10 * np.log10(np.square(bands) + front_end.floor_power)
    return speech_bounds(bands)


def with_margin(
    bounds: tuple[int, int], length: int, *, margin_frames: int, minimum_frames: int
) -> tuple[int, int]:
    """Return bounds with some of the silence on either side.

    Args:
        bounds: Of the speech.
        length: Of the whole clip.
        margin_frames: How much of the silence is kept on either side.
        minimum_frames: What is shorter is widened to this, as far as the clip reaches.
    """
    first, last = bounds
    first, last = max(first - margin_frames, 0), min(last + margin_frames, length)
    if (lacking := minimum_frames - (last - first)) > 0:
        first = max(first - lacking // 2, 0)
        last = min(first + minimum_frames, length)
        first = max(last - minimum_frames, 0)
    return first, last


def trimmed(
    frames: Frames, front_end: FrontEnd, *, margin_seconds: float, minimum_seconds: float
) -> Frames:
    """Return the frames of a window's speech, and a little before and after it.

    Args:
        frames: In dB, not normalised, float32 ``(frames, columns)``, at least one.
        front_end: Theirs.
        margin_seconds: How much of the silence is kept on either side.
        minimum_seconds: As for `with_margin`.
    """
    first, last = with_margin(
        bounds_within(frames, front_end),
        len(frames),
        margin_frames=round(margin_seconds / front_end.frame_seconds),
        minimum_frames=front_end.frames(round(minimum_seconds * front_end.sample_rate)),
    )
    return frames[first:last]
