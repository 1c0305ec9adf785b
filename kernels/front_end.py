"""The acoustic front end as a value: what a model was trained on and the engine computes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

__all__ = ["Extra", "Filterbank", "FrontEnd", "Spectrum"]

Spectrum = Literal["mel", "linear", "samples"]
Extra = Literal["zero_crossings", "rms"]

_SLANEY_LINEAR_HZ_PER_MEL = 200.0 / 3
_SLANEY_KNEE_HZ = 1000.0
_SLANEY_KNEE_MEL = _SLANEY_KNEE_HZ / _SLANEY_LINEAR_HZ_PER_MEL
_SLANEY_LOG_STEP = np.log(6.4) / 27


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEnd:
    """Parameters of the spectrogram; an artefact carries one and the engine honours it.

    A frame ``k`` covers the samples ``k * hop_samples`` to ``k * hop_samples + fft_samples`` and
    no others: the transform looks neither ahead of its window nor around it. Its values are always
    in dB: what a model wants instead (magnitudes, cepstra, chroma, images) are fixed maps of these
    and belong into the model.

    Raises:
        ValueError: a parameter lies outside what the kernels can compute.
    """

    sample_rate: int = 16_000
    """Hz."""
    fft_samples: int = 1_024
    """Length of the transform and of its periodic Hann window, in samples."""
    hop_samples: int = 256
    """Distance between the starts of two frames, in samples."""
    bands: int = 64
    """Number of Slaney mel bands, or of the lowest bins of the transform."""
    low_hz: float = 0.0
    high_hz: float = 8_000.0
    floor_power: float = 1e-10
    """Smallest power: the output is ``10 * log10(max(power, floor_power))`` dB."""
    spectrum: Spectrum = "mel"
    """``mel``: the power in triangular bands. ``linear``: that of each bin by itself, so that
    `bands` bins from 0 Hz are kept, and `low_hz` and `high_hz` say nothing. ``samples``: no
    spectrum at all but the samples as they are, for models that begin with them: `fft_samples`,
    `hop_samples` and `bands` are then the same number."""
    extras: tuple[Extra, ...] = ()
    """What is measured of a frame's samples themselves and follows its bands, one column each:
    ``zero_crossings``, the share of neighbouring samples that differ in sign, and ``rms``, the
    level of the samples in dB, above `floor_power`; both without the Hann window."""

    def __post_init__(self) -> None:
        """Refuse what the kernels cannot compute."""
        if not 8_000 <= self.sample_rate <= 192_000:
            raise ValueError(f"sample_rate is {self.sample_rate} Hz; allowed are 8000 to 192000")
        if not 16 <= self.fft_samples <= 65_536 or self.fft_samples % 2:
            raise ValueError(
                f"fft_samples is {self.fft_samples}; allowed are even numbers from 16 to 65536"
            )
        if not 1 <= self.hop_samples <= self.fft_samples:
            raise ValueError(
                f"hop_samples is {self.hop_samples}; allowed are 1 to fft_samples "
                f"({self.fft_samples})"
            )
        if self.spectrum not in get_args(Spectrum):
            raise ValueError(f"spectrum is {self.spectrum!r}; allowed are {get_args(Spectrum)}")
        if self.spectrum == "samples":
            if not self.bands == self.hop_samples == self.fft_samples or self.extras:
                raise ValueError(
                    f"bands, hop_samples and fft_samples are {self.bands}, {self.hop_samples} and "
                    f"{self.fft_samples}; with the spectrum 'samples' they are the same, and there "
                    "are no extras"
                )
        elif self.spectrum == "linear":
            if not 1 <= self.bands <= self.fft_samples // 2 + 1:
                raise ValueError(
                    f"bands is {self.bands}; allowed are 1 to fft_samples / 2 + 1 "
                    f"({self.fft_samples // 2 + 1})"
                )
        elif not 1 <= self.bands <= self.fft_samples // 2:
            raise ValueError(
                f"bands is {self.bands}; allowed are 1 to fft_samples / 2 ({self.fft_samples // 2})"
            )
        if set(self.extras) - set(get_args(Extra)) or len(set(self.extras)) < len(self.extras):
            raise ValueError(
                f"extras are {self.extras}; allowed are {get_args(Extra)}, each at most once"
            )
        if not 0 <= self.low_hz < self.high_hz <= self.sample_rate / 2:
            raise ValueError(
                f"low_hz and high_hz are {self.low_hz} and {self.high_hz}; allowed is "
                f"0 <= low_hz < high_hz <= {self.sample_rate / 2}"
            )
        if not 0 < self.floor_power < 1:
            raise ValueError(f"floor_power is {self.floor_power}; allowed is between 0 and 1")

    @property
    def columns(self) -> int:
        """Values of a frame: its bands, and after them its extras."""
        return self.bands + len(self.extras)

    @property
    def frame_seconds(self) -> float:
        """Distance between two frames in seconds."""
        return self.hop_samples / self.sample_rate

    def frames(self, samples: int) -> int:
        """Return the number of whole frames in ``samples`` samples."""
        return max(0, (samples - self.fft_samples) // self.hop_samples + 1)

    def samples(self, frames: int) -> int:
        """Return the number of samples that ``frames`` frames (at least one) cover."""
        return (frames - 1) * self.hop_samples + self.fft_samples

    def window(self) -> npt.NDArray[np.float32]:
        """Return the periodic Hann window, float32 ``(fft_samples,)``."""
        phase = 2 * np.pi * np.arange(self.fft_samples) / self.fft_samples
        return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)

    def filterbank(self) -> Filterbank:
        """Return the filters from bins to bands in sparse form, shared, and not to be changed."""
        return _filterbank(self)

    def filter_matrix(self) -> npt.NDArray[np.float32]:
        """Return the filters with all their zeros, float32 ``(fft_samples // 2 + 1, bands)``."""
        bank = self.filterbank()
        whole = np.zeros((self.fft_samples // 2 + 1, self.bands), np.float32)
        for band, first in enumerate(bank.first_bin):
            run = bank.weights[bank.offset[band] : bank.offset[band + 1]]
            whole[first : first + run.size, band] = run
        return whole

    def band_edges_hz(self) -> npt.NDArray[np.float64]:
        """Return where each mel band begins, peaks and ends, float64 ``(bands, 3)``, Hz."""
        edges_mel = np.linspace(_hz_to_mel(self.low_hz), _hz_to_mel(self.high_hz), self.bands + 2)
        return np.lib.stride_tricks.sliding_window_view(_mel_to_hz(edges_mel), 3)

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as plain values, ready for JSON.

        What was added since the first artefacts were made is left out where it has its default, so
        that the front ends of old artefacts and caches read as they did.
        """
        values = asdict(self)
        for name, default in _ADDED.items():
            if values[name] == default:
                del values[name]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> FrontEnd:
        """Return the front end that `to_dict` described.

        Raises:
            ValueError: a field is missing, unknown, or not a number in range.
        """
        known = {field.name: field for field in fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"unknown front-end field {unknown[0]!r}; known are {sorted(known)}")
        if missing := sorted(set(known) - set(values) - set(_ADDED)):
            raise ValueError(f"front-end field {missing[0]!r} is missing")
        words: dict[str, Any] = {}
        if "spectrum" in values:
            words["spectrum"] = values["spectrum"]
        if "extras" in values:
            extras = values["extras"]
            if not isinstance(extras, list | tuple):
                raise ValueError(f"front-end field 'extras' is {extras!r}, not a list")
            words["extras"] = tuple(extras)
        numbers: dict[str, Any] = {}
        for name, value in values.items():
            if name in words:
                continue
            kind = float if known[name].type == "float" else int
            refusal = f"front-end field {name!r} is {value!r}, not a finite {kind.__name__}"
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(refusal)
            try:
                numbers[name] = kind(value)
            except (OverflowError, ValueError):
                raise ValueError(refusal) from None
            if not numbers[name] == value or not math.isfinite(numbers[name]):
                raise ValueError(refusal)
        return cls(**numbers, **words)


_ADDED: dict[str, object] = {"spectrum": "mel", "extras": ()}
"""Fields that the first artefacts do not have, and what they mean by that."""


@dataclass(frozen=True, slots=True)
class Filterbank:
    """Filters from bins to bands, each stored as its run of non-zero weights."""

    first_bin: npt.NDArray[np.int64]
    """First FFT bin of each band, int64 ``(bands,)``."""
    offset: npt.NDArray[np.int64]
    """Where each band's run starts in `weights`, and one past the last, int64 ``(bands + 1,)``."""
    weights: npt.NDArray[np.float32]
    """The runs one after the other, float32."""

    @classmethod
    def slaney(cls, front_end: FrontEnd) -> Filterbank:
        """Build Slaney's area-normalised filters.

        Source: M. Slaney, "Auditory Toolbox, version 2", Interval Research report 1998-010; the
        scale is linear below 1 kHz and logarithmic above, and each triangle has unit area.
        """
        edges_hz = front_end.band_edges_hz()
        bins_hz = np.arange(front_end.fft_samples // 2 + 1) * (
            front_end.sample_rate / front_end.fft_samples
        )
        first_bin = np.zeros(front_end.bands, np.int64)
        offset = np.zeros(front_end.bands + 1, np.int64)
        runs: list[npt.NDArray[np.float32]] = []
        for band in range(front_end.bands):
            low, centre, high = edges_hz[band]
            rising = (bins_hz - low) / (centre - low)
            falling = (high - bins_hz) / (high - centre)
            triangle = np.maximum(0, np.minimum(rising, falling)) * (2 / (high - low))
            inside = np.flatnonzero(triangle)
            run = triangle[inside[0] : inside[-1] + 1] if inside.size else triangle[:0]
            first_bin[band] = inside[0] if inside.size else 0
            offset[band + 1] = offset[band] + run.size
            runs.append(run.astype(np.float32))
        return cls(first_bin, offset, np.concatenate(runs))

    @classmethod
    def single(cls, front_end: FrontEnd) -> Filterbank:
        """Build filters that let one bin through each."""
        bands = front_end.bands
        return cls(np.arange(bands), np.arange(bands + 1), np.ones(bands, np.float32))


@lru_cache(maxsize=16)  # building them takes longer than all else about a new stream
def _filterbank(front_end: FrontEnd) -> Filterbank:
    return (Filterbank.slaney if front_end.spectrum == "mel" else Filterbank.single)(front_end)


def _hz_to_mel(hz: float) -> float:
    if hz < _SLANEY_KNEE_HZ:
        return hz / _SLANEY_LINEAR_HZ_PER_MEL
    return float(_SLANEY_KNEE_MEL + np.log(hz / _SLANEY_KNEE_HZ) / _SLANEY_LOG_STEP)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    linear = mel * _SLANEY_LINEAR_HZ_PER_MEL
    logarithmic = _SLANEY_KNEE_HZ * np.exp(_SLANEY_LOG_STEP * (mel - _SLANEY_KNEE_MEL))
    return np.where(mel < _SLANEY_KNEE_MEL, linear, logarithmic)
