"""From a window of frames to what a network looks at: images, magnitudes, cepstra.

All maps are fixed and stand in the network's graph, so that an artefact carries them and the engine
needs nothing but the front end.
"""

from __future__ import annotations

import itertools
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from affectd.models.spectral_gate import spectral_gate
from affectd.models.windowing import Windowing

__all__ = ["Image", "Levels", "dct", "hold", "inside", "resize"]

Levels = Literal["as-is", "decibel", "magnitude"]

_DYNAMIC_RANGE_DB = 80.0


def inside(frames: Tensor, steps: int) -> Tensor:
    """Return 1.0 where a step is valid and 0.0 elsewhere, float32 ``(batch, steps)``."""
    return (torch.arange(steps, device=frames.device)[None, :] < frames[:, None]).float()


def hold(frames_db: Tensor, frames: Tensor) -> Tensor:
    """Return the frames with the last valid one in place of all after it."""
    steps = torch.arange(frames_db.shape[1], device=frames.device)[None, :]
    place = torch.minimum(steps, frames[:, None] - 1)
    return frames_db.gather(1, place.unsqueeze(2).expand(-1, -1, frames_db.shape[2]))


def resize(old: int, new: int) -> npt.NDArray[np.float32]:
    """Return the matrix that takes an axis of one length to another, float32 ``(new, old)``.

    Each new place is the mean of the old ones that it covers (shorter), or lies on the line between
    its two neighbours (longer).
    """
    matrix = np.zeros((new, old))
    if new <= old:
        edges = np.linspace(0, old, new + 1)
        for row, (low, high) in enumerate(itertools.pairwise(edges)):
            places = np.arange(old)
            covered = np.minimum(places + 1, high) - np.maximum(places, low)
            matrix[row] = np.maximum(covered, 0) / (high - low)
    else:
        places = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        lower = np.minimum(places.astype(int), max(old - 2, 0))
        matrix[np.arange(new), lower] = 1 - (places - lower)
        if old > 1:
            matrix[np.arange(new), lower + 1] += places - lower
    return matrix.astype(np.float32)


def dct(bands: int, coefficients: int) -> npt.NDArray[np.float32]:
    """Return the orthonormal DCT-II, float32 ``(coefficients, bands)``."""
    n, k = np.arange(bands), np.arange(coefficients)[:, None]
    matrix = np.cos(np.pi * k * (2 * n + 1) / (2 * bands)) * np.sqrt(2 / bands)
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix, np.float32)


class Image(nn.Module):
    """A window as an image of one size: what lies past its valid frames is its quietest level.

    Args:
        windowing: Says how long a window is and what its frames are.
        levels: ``as-is``: as the normalisation left them. ``decibel``: dB below the window's
            loudest value, down to −80, brought to 0 to 1. ``magnitude``: linear, with a loudest
            value of 1. The latter two want the normalisation ``none``.
        cepstra: This many coefficients of the discrete cosine transform over the bands stand in
            their place; none where it is 0.
        steps: Length of the image, all frames of a window where it is 0.
        height: Its height, all bands where it is 0.
        channels: 1, or 3: the image, its slope and its curvature over time, or three times the
            same with ``repeat``.
        repeat: See `channels`.
        gate_db: How far above its band's noise a level passes the spectral gate; none where it
            is 0. Wants levels in dB or magnitudes.
        gate_reduction_db: How far the gate lowers what it shuts out.

    Raises:
        ValueError: an option is out of range.
    """

    rows: Tensor
    columns: Tensor

    def __init__(
        self,
        windowing: Windowing,
        *,
        levels: Levels = "as-is",
        cepstra: int = 0,
        steps: int = 0,
        height: int = 0,
        channels: int = 1,
        repeat: bool = False,
        gate_db: float = 0.0,
        gate_reduction_db: float = 20.0,
    ) -> None:
        super().__init__()
        if levels not in get_args(Levels):
            raise ValueError(f"levels is {levels!r}; allowed are {get_args(Levels)}")
        if channels not in (1, 3):
            raise ValueError(f"channels is {channels}; allowed are 1 and 3")
        if gate_db < 0 or gate_reduction_db < 0:
            raise ValueError("gate_db and gate_reduction_db must not be negative")
        if gate_db and levels == "as-is":
            raise ValueError("gate_db wants the levels 'decibel' or 'magnitude'")
        self.levels, self.channels, self.repeat = levels, channels, repeat
        self.gate_db, self.gate_reduction_db = gate_db, gate_reduction_db
        self.bands = windowing.front_end.bands
        self.window_frames = windowing.window_frames
        self.steps = steps or self.window_frames
        self.height = height or cepstra or self.bands
        rows = np.eye(self.bands, dtype=np.float32)
        if cepstra:
            rows = dct(self.bands, cepstra)
        if height and height != len(rows):
            rows = resize(len(rows), height) @ rows
        self.resized = self.steps != self.window_frames
        self.mapped = bool(cepstra) or self.height != self.bands
        self.register_buffer("rows", torch.from_numpy(rows), persistent=False)
        columns = resize(self.window_frames, self.steps)
        self.register_buffer("columns", torch.from_numpy(columns), persistent=False)

    def forward(self, logmel: Tensor, frames: Tensor) -> Tensor:
        """Return images, float32 ``(batch, channels, steps, height)``."""
        x = logmel[:, :, : self.bands]
        valid = inside(frames, x.shape[1]).unsqueeze(2)
        # A finite stand-in for infinity keeps what is not valid out of the extremes.
        loudest = (x - 1e4 * (1 - valid)).amax((1, 2), keepdim=True)
        if self.levels == "as-is":
            quietest = (x + 1e4 * (1 - valid)).amin((1, 2), keepdim=True)
        else:
            x = (x - loudest).clamp(min=-_DYNAMIC_RANGE_DB)
            if self.gate_db:
                x = spectral_gate(
                    x, valid, margin_db=self.gate_db, reduction_db=self.gate_reduction_db
                ).clamp(min=-_DYNAMIC_RANGE_DB)
            if self.levels == "decibel":
                x = x / _DYNAMIC_RANGE_DB + 1
            else:
                x = torch.exp(x * float(np.log(10) / 20))
            quietest = torch.zeros_like(loudest)
        x = x * valid + quietest * (1 - valid)
        if self.mapped:
            x = x @ self.rows.T
        # At the end, to the full window; the pad's level follows from the quietest frame's.
        silence = quietest.expand(-1, -1, self.bands)
        if self.mapped:
            silence = silence @ self.rows.T
        rest = inside(frames, self.window_frames)
        x = nn.functional.pad(x, (0, 0, 0, self.window_frames - x.shape[1]))
        x = x * rest.unsqueeze(2) + silence * (1 - rest).unsqueeze(2)
        if self.resized:
            x = self.columns @ x
        x = x.unsqueeze(1)
        if self.channels == 3:
            if self.repeat:
                x = x.expand(-1, 3, -1, -1)
            else:
                slope = _slope(x)
                x = torch.cat([x, slope, _slope(slope)], dim=1)
        return x


def _slope(x: Tensor) -> Tensor:
    """Return the slope over time, from two frames on either side."""
    padded = nn.functional.pad(x, (0, 0, 2, 2), mode="replicate")
    steps = x.shape[2]
    near = padded[:, :, 3 : 3 + steps] - padded[:, :, 1 : 1 + steps]
    far = padded[:, :, 4 : 4 + steps] - padded[:, :, :steps]
    return (near + 2 * far) / 10
