"""Augmentation on the mel axis: every window is made as the engine would cut it, then disturbed.

All draws come from the generator that is handed in, so a seed decides every window.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.jit import kernel
from affectd.models.noise import NoiseBank, add_noise

__all__ = [
    "Augmentation",
    "limit_band",
    "mask_bands_and_frames",
    "reverberate",
    "shift_filters",
    "warp",
]

Frames = npt.NDArray[np.float32]

_STOP_BAND_DB = 80.0


class Augmentation(BaseModel):
    """How windows are disturbed; a probability of 0 turns a disturbance off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    early: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Probability of a provisional window: speech from the utterance's start on, not yet whole."""
    crop: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Probability of a window from anywhere in the utterance."""
    leading_seconds: Annotated[float, Field(ge=0, le=2)] = 0.3
    """Most silence kept before the speech: the engine's pre-roll."""
    trailing_seconds: Annotated[float, Field(ge=0, le=2)] = 0.4
    """Most silence kept after the speech: the engine's hang-over."""
    stretch: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Probability of a change of tempo."""
    stretch_range: tuple[float, float] = (0.85, 1.18)
    shift: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Probability of a shift of all frequencies, formants included."""
    shift_semitones: Annotated[float, Field(ge=0, le=12)] = 2.0
    """Largest shift either way."""
    tilt: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Probability of another microphone: a smooth filter over the bands."""
    tilt_db: Annotated[float, Field(ge=0, le=40)] = 6.0
    """Deviation of the filter's gain at its knots."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Probability of added noise."""
    noise_snr_db: tuple[float, float] = (3.0, 45.0)
    """Range of the ratio between the window's loud frames and the noise."""
    masks: Annotated[int, Field(ge=0, le=8)] = 2
    """SpecAugment: masks along each axis."""
    mask_bands: Annotated[int, Field(ge=0)] = 10
    """Widest mask in bands."""
    mask_frames: Annotated[int, Field(ge=0)] = 24
    """Longest mask in frames; at most a fifth of the window."""

    def window(
        self,
        logmel: Frames,
        speech: tuple[int, int],
        *,
        front_end: FrontEnd,
        window_frames: int,
        minimum_frames: int,
        noise: NoiseBank,
        rng: np.random.Generator,
    ) -> Frames:
        """Cut one training window out of a clip and disturb it; masks are applied afterwards.

        Args:
            logmel: The whole clip in dB, float32 ``(frames, bands)``.
            speech: First frame of speech and one past the last.
            front_end: What the clip was computed with.
            window_frames: The longest window.
            minimum_frames: The shortest.
            noise: What to add.
            rng: Decides everything.

        Returns:
            dB, not normalised, float32 ``(n, bands)`` with n between the two lengths.
        """
        frame_seconds = front_end.frame_seconds
        first = speech[0] - int(rng.integers(int(self.leading_seconds / frame_seconds) + 1))
        last = speech[1] + int(rng.integers(int(self.trailing_seconds / frame_seconds) + 1))
        tempo = float(rng.uniform(*self.stretch_range)) if rng.random() < self.stretch else 1.0
        semitones = (
            float(rng.uniform(-self.shift_semitones, self.shift_semitones))
            if rng.random() < self.shift
            else 0.0
        )
        whole = max(round((last - first) / tempo), minimum_frames)
        length, offset = self._cut(whole, window_frames, minimum_frames, rng)
        window = warp(
            logmel,
            first_frame=first + offset * tempo,
            frames=length,
            tempo=tempo,
            semitones=semitones,
            front_end=front_end,
        )
        if rng.random() < self.tilt:
            window = shift_filters(window, deviation_db=self.tilt_db, rng=rng)
        if rng.random() < self.noise:
            snr_db = float(rng.uniform(*self.noise_snr_db))
            window = add_noise(window, noise.draw(length, rng), snr_db=snr_db)
        return window

    def _cut(
        self, whole: int, window_frames: int, minimum_frames: int, rng: np.random.Generator
    ) -> tuple[int, int]:
        """Return the length of the window and where in the utterance it starts."""
        longest = min(whole, window_frames)
        draw = rng.random()
        if draw < self.early:
            return int(rng.integers(minimum_frames, longest + 1)), 0
        if draw < self.early + self.crop:
            length = int(rng.integers(minimum_frames, longest + 1))
            return length, int(rng.integers(whole - length + 1))
        # The last three seconds at some moment from the third second on.
        return longest, int(rng.integers(whole - longest + 1))


def warp(
    logmel: Frames,
    *,
    first_frame: float,
    frames: int,
    tempo: float,
    semitones: float,
    front_end: FrontEnd,
) -> Frames:
    """Stretch time and shift pitch by interpolating between frames and between bands.

    Where the window reaches past the clip it is filled with the clip's quietest level in each band
    (its 5th percentile); where a shift reaches past the highest band, with the highest band.

    Args:
        logmel: dB, float32 ``(n, bands)``.
        first_frame: Place in the clip of the window's first frame; it may be negative.
        frames: Length of the window.
        tempo: How many of the clip's frames go into one: above 1 is faster.
        semitones: How far all frequencies move up; a twelfth of an octave each.
        front_end: What the clip was computed with.

    Returns:
        dB, float32 ``(frames, bands)``.
    """
    sources = _band_sources(front_end, semitones)
    quiet = np.percentile(logmel, 5, axis=0).astype(np.float32)
    out = np.empty((frames, logmel.shape[1]), np.float32)
    _warp(np.ascontiguousarray(logmel, np.float32), quiet, first_frame, tempo, sources, out)
    return out


def _band_sources(front_end: FrontEnd, semitones: float) -> npt.NDArray[np.float64]:
    """Return, for each band, the place on the band axis that a shift takes it from."""
    centres = _centres_hz(front_end)
    wanted = centres / 2 ** (semitones / 12)
    return np.interp(wanted, centres, np.arange(centres.size))


def _centres_hz(front_end: FrontEnd) -> npt.NDArray[np.float64]:
    # Slaney's scale: 200/3 Hz per mel up to 1 kHz, then 27 mel per factor of 6.4.
    def to_mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + 27 * float(np.log(hz / 1000) / np.log(6.4))

    mel = np.linspace(to_mel(front_end.low_hz), to_mel(front_end.high_hz), front_end.bands + 2)[
        1:-1
    ]
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


@kernel("void(float32[:, ::1], float32[::1], float64, float64, float64[::1], float32[:, ::1])")
def _warp(
    logmel: Frames,
    quiet: Frames,
    first_frame: float,
    tempo: float,
    sources: npt.NDArray[np.float64],
    out: Frames,
) -> None:
    last_frame = logmel.shape[0] - 1
    last_band = logmel.shape[1] - 1
    for frame in range(out.shape[0]):
        place = first_frame + frame * tempo
        lower = int(np.floor(place))
        part = np.float32(place - lower)
        outside = place < 0 or place > last_frame
        lower = min(max(lower, 0), last_frame)
        upper = min(lower + 1, last_frame)
        for band in range(out.shape[1]):
            left = int(sources[band])
            right = min(left + 1, last_band)
            share = np.float32(sources[band] - left)
            if outside:
                out[frame, band] = quiet[left] + share * (quiet[right] - quiet[left])
            else:
                before = logmel[lower, left] + share * (logmel[lower, right] - logmel[lower, left])
                after = logmel[upper, left] + share * (logmel[upper, right] - logmel[upper, left])
                out[frame, band] = before + part * (after - before)


def shift_filters(logmel: Frames, *, deviation_db: float, rng: np.random.Generator) -> Frames:
    """Return the window as another microphone would hear it.

    A gain is drawn at five knots spread over the bands, and joined linearly between them.

    Args:
        logmel: dB, float32 ``(frames, bands)``.
        deviation_db: Deviation of the gain at each knot.
        rng: Decides the gains.
    """
    knots = rng.normal(0, deviation_db, 5)
    bands = logmel.shape[1]
    gain = np.interp(np.arange(bands), np.linspace(0, bands - 1, knots.size), knots)
    shifted: Frames = logmel + gain.astype(np.float32)
    return shifted


def limit_band(logmel: Frames, *, low_hz: float, high_hz: float, front_end: FrontEnd) -> Frames:
    """Return the window as a line hears it that carries a part of the frequencies.

    Bands whose centre lies outside lose 80 dB.

    Args:
        logmel: dB, float32 ``(frames, bands)``.
        low_hz: The lowest frequency that is carried.
        high_hz: The highest.
        front_end: What the window was computed with.
    """
    centres = _centres_hz(front_end)
    outside = (centres < low_hz) | (centres > high_hz)
    limited: Frames = logmel - np.where(outside, _STOP_BAND_DB, 0).astype(np.float32)
    return limited


def reverberate(
    logmel: Frames, *, seconds: float, direct_to_reverberant_db: float, front_end: FrontEnd
) -> Frames:
    """Return the window as it sounds in a room: every frame's power dies away after it.

    The decay is exponential, as that of the noise in J.-D. Polack's model of a room ("La
    transmission de l'énergie sonore dans les salles", Université du Maine, 1988); powers add up,
    for the tail is in no phase with the speech.

    Args:
        logmel: dB, float32 ``(frames, bands)``.
        seconds: In which the tail falls by 60 dB.
        direct_to_reverberant_db: How far the tail's energy lies below the direct sound's.
        front_end: What the window was computed with.
    """
    kept = 10 ** (-6 * front_end.frame_seconds / seconds)
    gain = 10 ** (-direct_to_reverberant_db / 10) * (1 - kept) / kept
    direct = np.power(10, logmel.astype(np.float64) / 10)
    tail = np.zeros(direct.shape[1])
    sounding = np.empty_like(direct)
    for frame, power in enumerate(direct):
        sounding[frame] = power + gain * tail
        tail = kept * (tail + power)
    heard: Frames = (10 * np.log10(np.maximum(sounding, 1e-30))).astype(np.float32)
    return heard


def mask_bands_and_frames(
    logmel: Frames,
    *,
    masks: int,
    mask_bands: int,
    mask_frames: int,
    rng: np.random.Generator,
) -> Frames:
    """Return the normalised window with runs of bands and of frames set to zero, its mean.

    Source: D. S. Park et al., "SpecAugment", Interspeech 2019, without the time warp.

    Args:
        logmel: Normalised, float32 ``(frames, bands)``.
        masks: How many along each axis.
        mask_bands: Widest run of bands.
        mask_frames: Longest run of frames; at most a fifth of the window.
        rng: Decides widths and places.
    """
    out = logmel.copy()
    frames, bands = out.shape
    for _ in range(masks):
        width = int(rng.integers(min(mask_bands, bands) + 1))
        start = int(rng.integers(bands - width + 1))
        out[:, start : start + width] = 0
        width = int(rng.integers(min(mask_frames, frames // 5) + 1))
        start = int(rng.integers(frames - width + 1))
        out[start : start + width] = 0
    return out
