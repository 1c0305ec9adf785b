"""The acoustic front end as a value: what a model was trained on and the engine computes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["Filterbank", "FrontEnd"]

_SLANEY_LINEAR_HZ_PER_MEL = 200.0 / 3
_SLANEY_KNEE_HZ = 1000.0
_SLANEY_KNEE_MEL = _SLANEY_KNEE_HZ / _SLANEY_LINEAR_HZ_PER_MEL
_SLANEY_LOG_STEP = np.log(6.4) / 27


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEnd:
    """Parameters of the log-mel spectrogram; an artefact carries one and the engine honours it.

    A frame ``k`` covers the samples ``k * hop_samples`` to ``k * hop_samples + fft_samples`` and
    no others: the transform looks neither ahead of its window nor around it.

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
    """Number of Slaney mel bands."""
    low_hz: float = 0.0
    high_hz: float = 8_000.0
    floor_power: float = 1e-10
    """Smallest mel power: the output is ``10 * log10(max(power, floor_power))`` dB."""

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
        if not 1 <= self.bands <= self.fft_samples // 2:
            raise ValueError(
                f"bands is {self.bands}; allowed are 1 to fft_samples / 2 ({self.fft_samples // 2})"
            )
        if not 0 <= self.low_hz < self.high_hz <= self.sample_rate / 2:
            raise ValueError(
                f"low_hz and high_hz are {self.low_hz} and {self.high_hz}; allowed is "
                f"0 <= low_hz < high_hz <= {self.sample_rate / 2}"
            )
        if not 0 < self.floor_power < 1:
            raise ValueError(f"floor_power is {self.floor_power}; allowed is between 0 and 1")

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
        """Return the Slaney mel filters in sparse form; they are shared, and not to be changed."""
        return _filterbank(self)

    def to_dict(self) -> dict[str, float]:
        """Return the parameters as plain numbers, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> FrontEnd:
        """Return the front end that `to_dict` described.

        Raises:
            ValueError: a field is missing, unknown, or not a number in range.
        """
        known = {field.name: field for field in fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"unknown front-end field {unknown[0]!r}; known are {sorted(known)}")
        if missing := sorted(set(known) - set(values)):
            raise ValueError(f"front-end field {missing[0]!r} is missing")
        numbers: dict[str, float] = {}
        for name, value in values.items():
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
        return cls(**numbers)  # type: ignore[arg-type]  # int or float as the field says


@dataclass(frozen=True, slots=True)
class Filterbank:
    """Triangular mel filters, each stored as its run of non-zero weights."""

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
        edges_mel = np.linspace(
            _hz_to_mel(front_end.low_hz), _hz_to_mel(front_end.high_hz), front_end.bands + 2
        )
        edges_hz = _mel_to_hz(edges_mel)
        bins_hz = np.arange(front_end.fft_samples // 2 + 1) * (
            front_end.sample_rate / front_end.fft_samples
        )
        first_bin = np.zeros(front_end.bands, np.int64)
        offset = np.zeros(front_end.bands + 1, np.int64)
        runs: list[npt.NDArray[np.float32]] = []
        for band in range(front_end.bands):
            low, centre, high = edges_hz[band : band + 3]
            rising = (bins_hz - low) / (centre - low)
            falling = (high - bins_hz) / (high - centre)
            triangle = np.maximum(0, np.minimum(rising, falling)) * (2 / (high - low))
            inside = np.flatnonzero(triangle)
            run = triangle[inside[0] : inside[-1] + 1] if inside.size else triangle[:0]
            first_bin[band] = inside[0] if inside.size else 0
            offset[band + 1] = offset[band] + run.size
            runs.append(run.astype(np.float32))
        return cls(first_bin, offset, np.concatenate(runs))


@lru_cache(maxsize=16)  # building them takes longer than all else about a new stream
def _filterbank(front_end: FrontEnd) -> Filterbank:
    return Filterbank.slaney(front_end)


def _hz_to_mel(hz: float) -> float:
    if hz < _SLANEY_KNEE_HZ:
        return hz / _SLANEY_LINEAR_HZ_PER_MEL
    return float(_SLANEY_KNEE_MEL + np.log(hz / _SLANEY_KNEE_HZ) / _SLANEY_LOG_STEP)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    linear = mel * _SLANEY_LINEAR_HZ_PER_MEL
    logarithmic = _SLANEY_KNEE_HZ * np.exp(_SLANEY_LOG_STEP * (mel - _SLANEY_KNEE_MEL))
    return np.where(mel < _SLANEY_KNEE_MEL, linear, logarithmic)
