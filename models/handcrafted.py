"""Vectors of hand-crafted features, made from a window's frames inside the network's graph."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from affectd.models.spelling import nearest
from affectd.models.tracks import Tracks, decibel, mel_filters
from affectd.models.views import hold, inside
from affectd.models.windowing import Windowing

__all__ = ["STATISTICS", "BandStatistics", "HandCrafted", "vector_view"]

_TEMPO_BPM = (40.0, 240.0)
_USUAL_TEMPO_BPM = 120.0

STATISTICS = ("mean", "std", "min", "max")
SCALARS = ("tempo", "snr", "seconds")


class HandCrafted(nn.Module):
    """A vector for a window: statistics of its tracks over the valid frames, and scalars.

    Args:
        windowing: The frames.
        tracks: As for `Tracks`.
        statistics: Any of ``mean std min max``.
        scalars: Any of ``tempo`` (beats a minute, from the autocorrelation of the onsets),
            ``snr`` (dB between the loud and the quiet frames' levels) and ``seconds`` (its length).
    """

    onset_mel: Tensor
    tempo_prior: Tensor
    tempo_bpm: Tensor

    def __init__(
        self,
        windowing: Windowing,
        *,
        tracks: tuple[str, ...],
        statistics: tuple[str, ...] = ("mean", "std"),
        scalars: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        for name in statistics:
            if name not in STATISTICS:
                raise ValueError(f"no statistic {name!r}; {nearest(name, STATISTICS)}")
        for name in scalars:
            if name not in SCALARS:
                raise ValueError(f"no scalar {name!r}; {nearest(name, SCALARS)}")
        self.tracks = Tracks(windowing.front_end, tracks)
        self.statistics, self.scalars = statistics, scalars
        self.width = self.tracks.width * len(statistics) + len(scalars)
        """Length of the vector."""
        self.frame_seconds = windowing.front_end.frame_seconds
        mel = torch.from_numpy(mel_filters(windowing.front_end, 40))
        self.register_buffer("onset_mel", mel, persistent=False)
        slowest, fastest = (60 / bpm / self.frame_seconds for bpm in _TEMPO_BPM)
        self.lags = tuple(range(max(1, round(fastest)), round(slowest) + 1))
        bpm = 60 / (np.array(self.lags) * self.frame_seconds)
        prior = np.exp(-0.5 * np.log2(bpm / _USUAL_TEMPO_BPM) ** 2)
        self.register_buffer("tempo_prior", torch.from_numpy(prior).float(), persistent=False)
        self.register_buffer("tempo_bpm", torch.from_numpy(bpm).float(), persistent=False)

    def forward(self, frames_db: Tensor, frames: Tensor) -> Tensor:
        """Return a vector for each window, float32 ``(batch, width)``."""
        frames_db = hold(frames_db, frames)
        parts = [statistics_of(self.tracks(frames_db), frames, self.statistics)]
        valid = inside(frames, frames_db.shape[1])
        for name in self.scalars:
            if name == "tempo":
                parts.append(self._tempo(frames_db, valid))
            elif name == "snr":
                parts.append(self._snr(frames_db, valid))
            else:
                parts.append(frames.unsqueeze(1).float() * self.frame_seconds)
        return torch.cat(parts, dim=1)

    def _tempo(self, frames_db: Tensor, valid: Tensor) -> Tensor:
        spectrum_db = frames_db[:, :, : self.tracks.front_end.bands]
        power = torch.exp(spectrum_db * float(np.log(10) / 10))
        mel = decibel(power @ self.onset_mel)
        onset = torch.relu(mel[:, 1:] - mel[:, :-1]).mean(2) * valid[:, 1:]
        count = valid[:, 1:].sum(1, keepdim=True).clamp(min=1)
        onset = (onset - onset.sum(1, keepdim=True) / count) * valid[:, 1:]
        longest = self.lags[-1]
        later = nn.functional.pad(onset, (0, longest))
        steps = onset.shape[1]
        correlation = torch.stack(
            [(onset * later[:, lag : lag + steps]).sum(1) for lag in self.lags], dim=1
        )
        weighed = torch.relu(correlation) * self.tempo_prior
        return self.tempo_bpm[weighed.argmax(1)].unsqueeze(1)

    def _snr(self, frames_db: Tensor, valid: Tensor) -> Tensor:
        level = self.tracks.measured(frames_db, "rms")[:, :, 0]
        count = valid.sum(1, keepdim=True).clamp(min=1)
        mean = (level * valid).sum(1, keepdim=True) / count
        louder = valid * (level > mean).float()
        quieter = valid - louder
        loud = (level * louder).sum(1, keepdim=True) / louder.sum(1, keepdim=True).clamp(min=1)
        quiet = (level * quieter).sum(1, keepdim=True) / quieter.sum(1, keepdim=True).clamp(min=1)
        return loud - quiet


class BandStatistics(nn.Module):
    """A vector for a window of log-mel: statistics of each band over the valid frames."""

    def __init__(self, windowing: Windowing, *, statistics: tuple[str, ...] = STATISTICS) -> None:
        super().__init__()
        self.statistics = statistics
        self.width = windowing.front_end.columns * len(statistics)

    def forward(self, logmel: Tensor, frames: Tensor) -> Tensor:
        """Return a vector for each window, float32 ``(batch, width)``."""
        return statistics_of(logmel, frames, self.statistics)


def vector_view(
    windowing: Windowing,
    *,
    tracks: tuple[str, ...],
    statistics: tuple[str, ...],
    scalars: tuple[str, ...],
) -> HandCrafted | BandStatistics:
    """Return what makes a vector of a window, of its bands where no track is named."""
    if tracks:
        return HandCrafted(windowing, tracks=tracks, statistics=statistics, scalars=scalars)
    return BandStatistics(windowing, statistics=statistics)


def statistics_of(tracks: Tensor, frames: Tensor, names: tuple[str, ...]) -> Tensor:
    """Return statistics over the valid frames, float32 ``(batch, width * statistics)``."""
    valid = inside(frames, tracks.shape[1]).unsqueeze(2)
    count = frames.unsqueeze(1).float()
    mean = (tracks * valid).sum(1) / count
    parts = []
    for name in names:
        if name == "mean":
            parts.append(mean)
        elif name == "std":
            square = ((tracks - mean.unsqueeze(1)).square() * valid).sum(1) / count
            parts.append((square + 1e-8).sqrt())
        elif name == "min":
            parts.append((tracks + 1e5 * (1 - valid)).amin(1))
        else:
            parts.append((tracks - 1e5 * (1 - valid)).amax(1))
    return torch.cat(parts, dim=1)
