"""Networks over one vector per window: dense layers, convolutions along it, and two branches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from affectd.models.handcrafted import STATISTICS, HandCrafted, vector_view
from affectd.models.spectral import dense_layers
from affectd.models.tracks import Tracks
from affectd.models.views import hold, inside
from affectd.models.windowing import Windowing

__all__ = ["Dense", "DenseOptions", "Scale", "TwoBranch", "TwoBranchOptions"]


class Scale(nn.Module):
    """Brings each feature to mean 0 and deviation 1, or to 0 to 1, as in the training data.

    Args:
        width: Number of features.
        kind: ``standard`` or ``minmax``.
    """

    shift: Tensor
    factor: Tensor

    def __init__(self, width: int, kind: Literal["standard", "minmax"] = "standard") -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("shift", torch.zeros(width))
        self.register_buffer("factor", torch.ones(width))

    def fit(self, features: Tensor) -> None:
        """Take the ranges of training vectors, float32 ``(clips, width)``."""
        if self.kind == "standard":
            self.shift.copy_(features.mean(0))
            self.factor.copy_(1 / features.std(0).clamp(min=1e-5))
        else:
            low, high = features.amin(0), features.amax(0)
            self.shift.copy_(low)
            self.factor.copy_(1 / (high - low).clamp(min=1e-5))

    def forward(self, features: Tensor) -> Tensor:
        """Return the features brought to their ranges."""
        return (features - self.shift) * self.factor


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseOptions:
    """The vector and the layers over it."""

    tracks: tuple[str, ...] = ()
    statistics: tuple[str, ...] = STATISTICS
    scalars: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    """Of 1-D convolutions along the vector, each of width 5; the first two are pooled."""
    dense: tuple[int, ...] = (256, 128, 64)
    dense_norm: bool = True
    dropout: tuple[float, ...] = (0.4, 0.4, 0.3)
    convolution_dropout: float = 0.3
    """After the first convolution."""
    scale: Literal["standard", "minmax"] = "standard"


class Dense(nn.Module):
    """Dense layers on the statistics of a window, with or without convolutions along them.

    Args:
        windowing: What the statistics are of.
        classes: Number of outputs.
        options: The layers.
    """

    def __init__(
        self, windowing: Windowing, *, classes: int, options: DenseOptions | None = None
    ) -> None:
        super().__init__()
        self.options = options = options or DenseOptions()
        self.view = vector_view(
            windowing,
            tracks=options.tracks,
            statistics=options.statistics,
            scalars=options.scalars,
        )
        width = self.view.width
        self.scale = Scale(width, options.scale)
        layers: list[nn.Module] = []
        inputs = 1
        for place, outputs in enumerate(options.channels):
            layers += [nn.Conv1d(inputs, outputs, 5, padding=2), nn.BatchNorm1d(outputs), nn.ReLU()]
            if place < 2:
                layers.append(nn.MaxPool1d(2))
                width //= 2
            if place == 0:
                layers.append(nn.Dropout(options.convolution_dropout))
            inputs = outputs
        self.convolve = nn.Sequential(*layers)
        self.dense, self.classify = dense_layers(
            width * inputs, options.dense, classes, norm=options.dense_norm, dropout=options.dropout
        )

    def fit(self, vectors: Tensor) -> None:
        """Take the ranges of the features from training data."""
        self.scale.fit(vectors)

    def forward(self, logmel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score windows; see `affectd.models.crnn.Crnn.forward`."""
        return self.body(self.view(logmel, frames))

    def body(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score vectors, float32 ``(batch, width)``."""
        x = self.scale(vectors)
        if self.options.channels:
            x = self.convolve(x.unsqueeze(1)).flatten(1)
        embedding = self.dense(x)
        return self.classify(embedding), embedding, torch.ones_like(embedding[:, :1])


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoBranchOptions:
    """Cepstra through convolutions, everything else through dense layers."""

    cepstra: int = 40
    tracks: tuple[str, ...] = ("chroma",)
    statistics: tuple[str, ...] = ("mean", "std")
    scalars: tuple[str, ...] = ()
    channels: tuple[int, ...] = (64, 128)
    scalar_dense: tuple[int, ...] = (128, 64)
    dense: tuple[int, ...] = (128, 64)
    dropout: float = 0.3


class TwoBranch(nn.Module):
    """MFCC through convolutions, scalars through dense layers, both joined.

    Args:
        windowing: A linear spectrum with its extras.
        classes: Number of outputs.
        options: The layers.
    """

    def __init__(
        self, windowing: Windowing, *, classes: int, options: TwoBranchOptions | None = None
    ) -> None:
        super().__init__()
        self.options = options = options or TwoBranchOptions()
        self.window_frames = windowing.window_frames
        self.cepstra = Tracks(windowing.front_end, (f"mfcc-{options.cepstra}",))
        self.vector = HandCrafted(
            windowing,
            tracks=options.tracks,
            statistics=options.statistics,
            scalars=options.scalars,
        )
        self.cepstra_scale = Scale(options.cepstra, "standard")
        self.scale = Scale(self.vector.width, "minmax")
        first, second = options.channels
        self.convolve = nn.Sequential(
            nn.Conv2d(1, first, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d((2, 1)),
            nn.Conv2d(first, second, 3, padding=1),
            nn.ReLU(),
            # Over time, not over the coefficients.
            nn.AvgPool2d((windowing.window_frames // 2, 1)),
            nn.Flatten(),
        )
        self.scalars, _ = dense_layers(
            self.vector.width, options.scalar_dense, 1, norm=False, dropout=options.dropout
        )
        self.dense, self.classify = dense_layers(
            second * options.cepstra + options.scalar_dense[-1],
            options.dense,
            classes,
            norm=False,
            dropout=options.dropout,
        )

    def view(self, logmel: Tensor, frames: Tensor) -> Tensor:
        """Return cepstra, their validity and the vector in one, so that they can be kept.

        Returns:
            float32 ``(batch, window frames * (cepstra + 1) + width)``.
        """
        cepstra = self.cepstra(hold(logmel, frames))
        cepstra = nn.functional.pad(cepstra, (0, 0, 0, self.window_frames - cepstra.shape[1]))
        valid = inside(frames, self.window_frames)
        return torch.cat(
            [cepstra.flatten(1), valid, self.vector(logmel, frames)],
            dim=1,
        )

    def _parts(self, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        size = self.window_frames * self.options.cepstra
        cepstra = kept[:, :size].reshape(-1, self.window_frames, self.options.cepstra)
        valid = kept[:, size : size + self.window_frames]
        return cepstra, valid, kept[:, size + self.window_frames :]

    def fit(self, kept: Tensor) -> None:
        """Take the ranges of the features from training data."""
        cepstra, valid, vector = self._parts(kept)
        self.cepstra_scale.fit(cepstra[valid > 0])
        self.scale.fit(vector)

    def forward(self, logmel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score windows; see `affectd.models.crnn.Crnn.forward`."""
        return self.body(self.view(logmel, frames))

    def body(self, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score what `view` gave."""
        cepstra, valid, vector = self._parts(kept)
        x = self.cepstra_scale(cepstra) * valid.unsqueeze(2)
        x = self.convolve(x.unsqueeze(1))
        joined = torch.cat([x, self.scalars(self.scale(vector))], dim=1)
        embedding = self.dense(joined)
        return self.classify(embedding), embedding, torch.ones_like(embedding[:, :1])
