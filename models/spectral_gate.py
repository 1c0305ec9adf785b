"""Spectral gating on a window's bands, inside the network's graph, so that it works live, too."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["spectral_gate"]

_FLOOR_FRAMES = 9
_KNEE_DB = 2.0


def spectral_gate(
    frames_db: Tensor, valid: Tensor, *, margin_db: float, reduction_db: float
) -> Tensor:
    """Lower what stands out too little from each band's own noise.

    The noise is the quietest stretch of nine frames of a band (R. Martin, "Noise power spectral
    density estimation based on optimal smoothing and minimum statistics", IEEE TSAP 9(5), 2001);
    the gate is soft, and smoothed over neighbouring frames and bands against musical noise
    (T. Sainburg et al., PLOS Computational Biology 16(10), 2020).

    Args:
        frames_db: Levels in dB, float32 ``(batch, frames, bands)``; what is not valid has to be
            finite.
        valid: 1.0 where a frame is valid, 0.0 elsewhere, ``(batch, frames, 1)``.
        margin_db: How far above the noise a level is half open.
        reduction_db: How far what is shut goes down.

    Returns:
        dB, of the same shape.
    """
    along = _FLOOR_FRAMES // 2
    counted = nn.functional.avg_pool1d(
        valid.transpose(1, 2), _FLOOR_FRAMES, 1, along, count_include_pad=False
    )
    sums = nn.functional.avg_pool1d(
        (frames_db * valid).transpose(1, 2), _FLOOR_FRAMES, 1, along, count_include_pad=False
    )
    means = (sums / counted.clamp(min=0.1)).transpose(1, 2)
    floor = (means + 1e4 * (1 - valid)).amin(1, keepdim=True)
    opened = (frames_db - floor - margin_db).div(_KNEE_DB).sigmoid() * valid
    weights = nn.functional.avg_pool2d(
        valid.unsqueeze(1), (3, 1), 1, (1, 0), count_include_pad=False
    )
    smooth = nn.functional.avg_pool2d(opened.unsqueeze(1), 3, 1, 1, count_include_pad=False)
    smooth = smooth / weights.clamp(min=1 / 3)
    return frames_db - reduction_db * (1 - smooth.squeeze(1).clamp(max=1))
