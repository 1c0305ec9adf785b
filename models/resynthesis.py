"""Sound from a mel spectrogram, for corpora of which nothing else is at hand."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from affectd.kernels.front_end import FrontEnd
from affectd.models.clips import Clip

__all__ = ["made_of", "resynthesised"]

_VERSION = 1
"""Of all that decides what comes out."""
_POWER_TURNS = 20
_PHASE_TURNS = 24
_MOMENTUM = 0.99
_PEAK = 0.5
_SILENT_DB = -80.0
_TINY = 1e-12


def resynthesised(
    decibels: npt.NDArray[np.float32], front_end: FrontEnd
) -> npt.NDArray[np.float32]:
    """Return sound whose mel spectrogram is nearly the one that is given.

    The power of each bin is what the bands leave open: multiplicative updates (D. D. Lee and H. S.
    Seung, "Algorithms for non-negative matrix factorization", NIPS 2000) from bands spread evenly.
    The phases are those of the fast Griffin-Lim algorithm (N. Perraudin, P. Balazs and P. L.
    Sondergaard, WASPAA 2013), from noise that is the same each time. Speech sounds hoarse and
    hollow after that; its level and what its phases told are lost.

    Args:
        decibels: Of the bands, float32 ``(frames, bands)``, each frame around its time and not
            after it; what lies at -80 dB or below is silence.
        front_end: What the bands are.

    Returns:
        float32 ``((frames - 1) * hop_samples,)``, the largest magnitude 0.5; of silence, and where
        that is no longer than half the transform, zeros.
    """
    powers = torch.from_numpy(np.where(decibels > _SILENT_DB, 10 ** (decibels / 10), 0).T)
    spectrum = _bins(powers, _filters(front_end)).sqrt()
    samples = _phased(spectrum, front_end).numpy()
    loudest = float(np.abs(samples).max(initial=_TINY))
    found: npt.NDArray[np.float32] = samples * np.float32(_PEAK / loudest)
    return found


def made_of(clips: Iterable[Clip]) -> dict[str, int]:
    """Return what the key of a cache says of clips that may have been made sound again."""
    return {"resynthesised": _VERSION} if any(clip.row is not None for clip in clips) else {}


def _bins(powers: Tensor, filters: Tensor) -> Tensor:
    """Return the power of each bin, ``(bins, frames)``."""
    wanted = filters.T @ powers
    found = wanted.clone()
    for _ in range(_POWER_TURNS):
        found = found * wanted / (filters.T @ (filters @ found)).clamp_min(_TINY)
    return found


def _phased(spectrum: Tensor, front_end: FrontEnd) -> Tensor:
    """Return samples of which the transform's magnitudes are nearly the given ones."""
    size, hop = front_end.fft_samples, front_end.hop_samples
    window, length = torch.hann_window(size), (spectrum.shape[1] - 1) * hop
    if length <= size // 2:
        # Too short for the transform, which mirrors the ends.
        return torch.zeros(length)
    noise = torch.rand(spectrum.shape, generator=torch.Generator().manual_seed(0))
    angles = torch.polar(torch.ones_like(spectrum), 2 * torch.pi * noise)
    before = torch.zeros_like(angles)
    for _ in range(_PHASE_TURNS):
        samples = torch.istft(spectrum * angles, size, hop, window=window, length=length)
        again = torch.stft(samples, size, hop, window=window, return_complex=True)
        angles = again - (_MOMENTUM / (1 + _MOMENTUM)) * before
        angles, before = angles / (angles.abs() + _TINY), again
    return torch.istft(spectrum * angles, size, hop, window=window, length=length)


@cache
def _filters(front_end: FrontEnd) -> Tensor:
    """Return the mel filters, float32 ``(bands, bins)``."""
    return torch.from_numpy(front_end.filter_matrix().T.copy())
