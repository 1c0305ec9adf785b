"""Tracks of hand-crafted features: numbers for each frame, made inside the network's graph.

They need the linear spectrum of `affectd.kernels.front_end.FrontEnd` and its extras ``rms`` and
``zero_crossings``; everything else is a fixed map of these. The definitions are librosa's, where it
has them, and are checked against it.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from affectd.kernels.front_end import Extra, FrontEnd
from affectd.models.spelling import nearest
from affectd.models.views import dct

__all__ = ["Tracks", "chroma_filters", "decibel", "mel_filters"]

Matrix = npt.NDArray[np.float32]

_MEL_BANDS = 128
_ROLLOFF = 0.85
_CONTRAST_QUANTILE = 0.02
_CONTRAST_LOW_HZ, _CONTRAST_BANDS = 200.0, 6
_PITCH_HZ = (60.0, 400.0)
_OCTAVE_COST = 0.05
_FORMANTS_HZ = ((200.0, 1_000.0), (800.0, 2_800.0), (1_800.0, 4_000.0))
_ENVELOPE_COEFFICIENTS = 40
_TRACKS = {
    "mfcc": 0,
    "delta": 0,
    "mel": 0,
    "chroma": 12,
    "contrast": _CONTRAST_BANDS + 1,
    "tonnetz": 6,
    "centroid": 1,
    "bandwidth": 1,
    "rolloff": 1,
    "flatness": 1,
    "rms": 1,
    "zero-crossings": 1,
    "pitch": 2,
    "formants": len(_FORMANTS_HZ),
}


class Tracks(nn.Module):
    """Features of every frame.

    Args:
        front_end: A linear spectrum up to half the rate, with the extras.
        names: Which features: ``mfcc-N``, ``delta-N`` (slopes of the first N coefficients),
            ``mel-N`` (dB), and the others of one width: ``chroma contrast tonnetz centroid
            bandwidth rolloff flatness rms zero-crossings pitch formants``.

    Raises:
        ValueError: a name is unknown, or the front end does not give what is needed.
    """

    def __init__(self, front_end: FrontEnd, names: tuple[str, ...]) -> None:
        super().__init__()
        bins = front_end.fft_samples // 2 + 1
        needed = {"rms", "zero_crossings"}
        if (
            front_end.spectrum != "linear"
            or front_end.bands != bins
            or not needed <= set(front_end.extras)
        ):
            raise ValueError(
                "hand-crafted features need a front end with a whole linear spectrum and the "
                f"extras rms and zero_crossings; this one is {front_end.to_dict()}"
            )
        self.front_end, self.names = front_end, names
        self.widths = tuple(_width(name) for name in names)
        self.width = sum(self.widths)
        """Features of a frame."""
        hz = np.arange(bins) * front_end.sample_rate / front_end.fft_samples
        self._keep("hz", hz)
        self._keep("mel_128", mel_filters(front_end, _MEL_BANDS))
        kinds = {name.split("-")[0] for name in names}
        if kinds & {"chroma", "tonnetz"}:
            self._keep("chroma_filters", chroma_filters(front_end))
            self._keep("tonnetz_map", _tonnetz_map())
        for name in names:
            if name.startswith("mel-"):
                self._keep(f"mel_{_width(name)}", mel_filters(front_end, _width(name)))
        self.coefficients = max(
            (_width(name) for name in names if name.startswith(("mfcc-", "delta-"))), default=0
        )
        if self.coefficients:
            self._keep("dct", dct(_MEL_BANDS, self.coefficients).T)
        if "pitch" in kinds:
            self._pitch_tables(bins)
        if "formants" in kinds:
            cosines = dct(bins, _ENVELOPE_COEFFICIENTS)
            self._keep("smooth", cosines.T @ cosines)
        self.octaves = _octaves(hz)

    def _keep(self, name: str, values: npt.NDArray[np.floating]) -> None:
        tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32))
        self.register_buffer(name, tensor, persistent=False)

    def _pitch_tables(self, bins: int) -> None:
        rate, samples = self.front_end.sample_rate, self.front_end.fft_samples
        lags = np.arange(int(rate / _PITCH_HZ[1]), int(rate / _PITCH_HZ[0]) + 1)
        once = np.full(bins, 2.0)
        once[[0, -1]] = 1
        cosines = once[:, None] * np.cos(2 * np.pi * np.outer(np.arange(bins), lags) / samples)
        # A window's own autocorrelation falls with the lag; without it the shortest would win.
        # Source: P. Boersma, "Accurate short-term analysis of the fundamental frequency", 1993.
        window = self.front_end.window().astype(np.float64)
        own = np.correlate(window, window, "full")[samples - 1 :]
        wrapped = own[lags] + own[samples - lags]
        self._keep("autocorrelation", cosines / (wrapped / own[0]))
        self._keep("energy", once)
        # And a sound repeats after two periods as well as after one: the shorter is preferred.
        self._keep("octave_cost", _OCTAVE_COST * np.log2(lags / lags[0]))
        self._keep("octaves_of_lag", np.log2(rate / lags / 100.0))

    def forward(self, frames_db: Tensor) -> Tensor:
        """Return the features of every frame.

        Args:
            frames_db: As the front end gives them, float32 ``(batch, frames, columns)``.

        Returns:
            float32 ``(batch, frames, width)``.
        """
        return torch.cat(list(self.each(frames_db).values()), dim=2)

    def each(self, frames_db: Tensor) -> dict[str, Tensor]:
        """Return each of the features by its name, float32 ``(batch, frames, its width)``."""
        buffers = dict(self.named_buffers())
        bands = self.front_end.bands
        spectrum_db = frames_db[:, :, :bands]
        power = torch.exp(spectrum_db * float(np.log(10) / 10))
        magnitude = torch.exp(spectrum_db * float(np.log(10) / 20))
        hz = buffers["hz"]
        cepstra = torch.zeros(0)
        if self.coefficients:
            cepstra = decibel(power @ buffers["mel_128"]) @ buffers["dct"]
        share = magnitude / magnitude.sum(2, keepdim=True).clamp(min=1e-10)
        centroid = (share * hz).sum(2, keepdim=True)
        found: dict[str, Tensor] = {}
        chroma = torch.zeros(0)
        if {"chroma", "tonnetz"} & set(self.names):
            chroma = power @ buffers["chroma_filters"]
        for name in self.names:
            kind, _, count = name.partition("-") if name != "zero-crossings" else (name, "", "")
            if kind == "mfcc":
                value = cepstra[:, :, : int(count)]
            elif kind == "delta":
                value = _slopes(cepstra[:, :, : int(count)])
            elif kind == "mel":
                value = decibel(power @ buffers[f"mel_{count}"])
            elif kind == "chroma":
                value = chroma / chroma.amax(2, keepdim=True).clamp(min=1e-10)
            elif kind == "tonnetz":
                value = chroma / chroma.sum(2, keepdim=True).clamp(min=1e-10)
                value = value @ buffers["tonnetz_map"]
            elif kind == "contrast":
                value = self._contrast(magnitude)
            elif kind == "centroid":
                value = centroid / 1000
            elif kind == "bandwidth":
                value = ((share * (hz - centroid).square()).sum(2, keepdim=True)).sqrt() / 1000
            elif kind == "rolloff":
                below = (share.cumsum(2) < _ROLLOFF).float().sum(2, keepdim=True)
                value = below * (hz[1] / 1000)
            elif kind == "flatness":
                geometric = (spectrum_db * float(np.log(10) / 10)).mean(2, keepdim=True)
                value = geometric - power.mean(2, keepdim=True).clamp(min=1e-10).log()
            elif kind == "rms":
                value = self.measured(frames_db, "rms")
            elif kind == "zero-crossings":
                value = self.measured(frames_db, "zero_crossings")
            elif kind == "pitch":
                value = self._pitch(power, buffers)
            else:
                value = self._formants(spectrum_db, buffers)
            found[name] = value
        return found

    def measured(self, frames_db: Tensor, name: Extra) -> Tensor:
        """Return one of the front end's extras, ``(batch, frames, 1)``."""
        place = self.front_end.bands + list(self.front_end.extras).index(name)
        return frames_db[:, :, place : place + 1]

    def _contrast(self, magnitude: Tensor) -> Tensor:
        contrasts = []
        for low, high, count in self.octaves:
            band = magnitude[:, :, low:high]
            peaks = band.topk(count, dim=2)[0].mean(2, keepdim=True)
            valleys = band.topk(count, dim=2, largest=False)[0].mean(2, keepdim=True)
            contrasts.append(decibel(peaks) - decibel(valleys))
        return torch.cat(contrasts, dim=2)

    def _pitch(self, power: Tensor, buffers: dict[str, Tensor]) -> Tensor:
        energy = (power * buffers["energy"]).sum(2, keepdim=True).clamp(min=1e-10)
        periodic = (power @ buffers["autocorrelation"]) / energy
        strength, place = (periodic - buffers["octave_cost"]).max(2, keepdim=True)
        octaves = buffers["octaves_of_lag"][place]
        return torch.cat([octaves, strength], dim=2)

    def _formants(self, spectrum_db: Tensor, buffers: dict[str, Tensor]) -> Tensor:
        envelope = spectrum_db @ buffers["smooth"]
        step = self.front_end.sample_rate / self.front_end.fft_samples
        peaks = []
        for low, high in _FORMANTS_HZ:
            first, last = int(low / step), int(high / step)
            peak = envelope[:, :, first:last].argmax(2, keepdim=True).float()
            peaks.append((peak + first) * (step / 1000))
        return torch.cat(peaks, dim=2)


def mel_filters(front_end: FrontEnd, bands: int) -> Matrix:
    """Return Slaney's filters from all bins to so many bands, float32 ``(bins, bands)``."""
    wanted = replace(
        front_end,
        spectrum="mel",
        extras=(),
        bands=bands,
        low_hz=0.0,
        high_hz=front_end.sample_rate / 2,
    )
    return wanted.filter_matrix()


def chroma_filters(front_end: FrontEnd) -> Matrix:
    """Return the filters from bins to the twelve pitch classes, C first, float32 ``(bins, 12)``.

    Gaussian bumps around each class in every octave, weighted by another around 5 octaves above
    A0, as D. Ellis's ``fft2chromamx`` and librosa's ``filters.chroma`` have them (tuning 440 Hz).
    """
    classes = 12
    bins = front_end.fft_samples
    hz = np.linspace(0, front_end.sample_rate, bins, endpoint=False)[1:]
    places = classes * np.log2(hz / (440.0 / 16))
    places = np.concatenate([[places[0] - 1.5 * classes], places])
    widths = np.concatenate([np.maximum(np.diff(places), 1.0), [1.0]])
    distance = places[None, :] - np.arange(classes)[:, None]
    half = round(classes / 2)
    distance = np.remainder(distance + half + 10 * classes, classes) - half
    weights = np.exp(-0.5 * (2 * distance / widths) ** 2)
    weights /= np.maximum(np.sqrt((weights**2).sum(axis=0)), 1e-30)
    weights *= np.exp(-0.5 * ((places / classes - 5.0) / 2.0) ** 2)
    weights = np.roll(weights, -3, axis=0)  # from A to C
    return np.ascontiguousarray(weights[:, : bins // 2 + 1].T, np.float32)


def _tonnetz_map() -> Matrix:
    """Return the map from chroma to the tonal centroid: C. Harte et al., ACM AMCMM 2006."""
    fifths, minor, major = 7 / 6, 3 / 2, 2 / 3
    scale = np.array([fifths, fifths, minor, minor, major, major])
    angle = np.outer(scale, np.arange(12))
    angle[::2] -= 0.5  # sine and cosine in turn
    radius = np.array([1, 1, 1, 1, 0.5, 0.5])
    return (radius[:, None] * np.cos(np.pi * angle)).T.astype(np.float32)


def _octaves(hz: npt.NDArray[np.float64]) -> tuple[tuple[int, int, int], ...]:
    """Return first bin, one past the last, and the number of extreme bins, band by band.

    Source: D.-N. Jiang et al., "Music type classification by spectral contrast feature", ICME
    2002, as librosa has it.
    """
    edges = [0.0, *(_CONTRAST_LOW_HZ * 2**octave for octave in range(_CONTRAST_BANDS + 1))]
    bands: list[tuple[int, int, int]] = []
    for place, (low, high) in enumerate(itertools.pairwise(edges)):
        chosen = np.flatnonzero((hz >= low) & (hz <= high))
        first, last = int(chosen[0]), int(chosen[-1])
        if place > 0 and first > 0:
            first -= 1
        if place == _CONTRAST_BANDS:
            last = hz.size - 1
        count = max(round(_CONTRAST_QUANTILE * (last + 1 - first)), 1)
        if place < _CONTRAST_BANDS:
            last -= 1
        bands.append((first, max(last + 1, first + 1), count))
    return tuple(bands)


def _slopes(tracks: Tensor) -> Tensor:
    padded = nn.functional.pad(tracks.transpose(1, 2), (4, 4), mode="replicate")
    steps = tracks.shape[1]
    slope = sum(
        reach * (padded[:, :, 4 + reach :][:, :, :steps] - padded[:, :, 4 - reach :][:, :, :steps])
        for reach in range(1, 5)
    )
    assert isinstance(slope, Tensor)
    return (slope / 60).transpose(1, 2)


def decibel(power: Tensor) -> Tensor:
    """Return ten times the logarithm of powers, at least -100 dB."""
    return power.clamp(min=1e-10).log() * float(10 / np.log(10))


def _width(name: str) -> int:
    if match := re.fullmatch(r"(?:mfcc|delta|mel)-([1-9]\d{0,2})", name):
        return int(match[1])
    if width := _TRACKS.get(name):
        return width
    raise ValueError(f"no feature {name!r}; {nearest(name, _TRACKS)}")
