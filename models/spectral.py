"""Networks over images of speech: convolutions, recurrence, attention and dense layers in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from affectd.models.dropout import Dropout
from affectd.models.views import Image, Levels
from affectd.models.windowing import Windowing

__all__ = ["Spectral", "SpectralOptions", "dense_layers"]

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectralOptions:
    """The image and the layers over it; a length of 0 leaves a kind of layer out."""

    levels: Levels = "as-is"
    cepstra: int = 0
    steps: int = 0
    height: int = 0
    image_channels: int = 1
    gate_db: float = 0.0
    """Spectral gating; see `Image`."""
    gate_reduction_db: float = 20.0
    channels: tuple[int, ...] = (16, 32, 64, 64)
    """Of each convolution."""
    kernels: tuple[int, ...] = (3,)
    """Of each convolution; the last one counts for all that follow."""
    strides: tuple[int, ...] = (1,)
    pools: tuple[int, ...] = (2,)
    """Max pooling after each convolution; 1 for none."""
    pool_time_only: bool = False
    norm: bool = True
    """Batch normalisation after each convolution and each hidden dense layer of `dense_norm`."""
    activation: Literal["relu", "elu"] = "relu"
    convolution_dropout: tuple[float, ...] = (0.0,)
    recurrent: int = 0
    """Units of the LSTM, per direction."""
    recurrent_layers: int = 1
    bidirectional: bool = False
    recurrent_mean: bool = False
    """Whether the mean of the LSTM's steps counts, not its last one."""
    attention: int = 0
    """Units of the additive attention over the steps; without it, the LSTM's last step counts."""
    dense: tuple[int, ...] = (128,)
    dense_norm: bool = False
    dropout: float = 0.3
    """After each hidden dense layer."""


class Spectral(nn.Module):
    """An image, then convolution blocks, LSTM, attention and dense layers, as the options say.

    Args:
        windowing: What the image is made from.
        classes: Number of outputs.
        options: The layers.

    Raises:
        ValueError: pooling leaves nothing of the image, or an option is out of range.
    """

    def __init__(
        self, windowing: Windowing, *, classes: int, options: SpectralOptions | None = None
    ) -> None:
        super().__init__()
        self.options = options = options or SpectralOptions()
        self.view = Image(
            windowing,
            levels=options.levels,
            cepstra=options.cepstra,
            steps=options.steps,
            height=options.height,
            channels=options.image_channels,
            gate_db=options.gate_db,
            gate_reduction_db=options.gate_reduction_db,
        )
        blocks: list[nn.Module] = []
        inputs, steps, height = options.image_channels, self.view.steps, self.view.height
        for place, outputs in enumerate(options.channels):
            kernel = _nth(options.kernels, place)
            stride = _nth(options.strides, place)
            pool = _nth(options.pools, place)
            blocks.append(
                _block(
                    inputs,
                    outputs,
                    kernel=kernel,
                    stride=stride,
                    pool=(pool, 1) if options.pool_time_only else (pool, pool),
                    norm=options.norm,
                    activation=options.activation,
                    dropout=_nth(options.convolution_dropout, place),
                )
            )
            inputs = outputs
            steps, height = -(-steps // stride), -(-height // stride)
            steps //= pool
            height //= 1 if options.pool_time_only else pool
        if not steps or not height:
            raise ValueError("the pooling of the convolutions leaves nothing of the image")
        self.convolve = nn.Sequential(*blocks)
        width = inputs * height
        self.recurrent: nn.LSTM | None = None
        if options.recurrent:
            self.recurrent = nn.LSTM(
                width,
                options.recurrent,
                num_layers=options.recurrent_layers,
                batch_first=True,
                bidirectional=options.bidirectional,
                dropout=options.dropout if options.recurrent_layers > 1 else 0.0,
            )
            width = options.recurrent * (1 + options.bidirectional)
        self.attention: nn.Module | None = None
        if options.attention:
            self.attention = nn.Sequential(
                nn.Linear(width, options.attention), nn.Tanh(), nn.Linear(options.attention, 1)
            )
        if not options.recurrent and not options.attention:
            width *= steps
        self.dense, self.classify = dense_layers(
            width,
            options.dense,
            classes,
            norm=options.dense_norm,
            dropout=options.dropout,
            activation=options.activation,
        )

    def forward(self, logmel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score windows; see `affectd.models.crnn.Crnn.forward`."""
        return self.body(self.view(logmel, frames))

    def body(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score images, float32 ``(batch, channels, steps, height)``."""
        x = self.convolve(image)
        x = x.permute(0, 2, 1, 3).flatten(2)
        if self.recurrent is not None:
            x = self.recurrent(x)[0]
        if self.attention is not None:
            attention = torch.softmax(self.attention(x)[:, :, 0].float(), dim=1)
            x = (x * attention.unsqueeze(2)).sum(1)
        else:
            attention = torch.ones_like(x[:, :1, 0])
            x = self._last(x) if self.recurrent is not None else x.flatten(1)
        embedding = self.dense(x)
        return self.classify(embedding), embedding, attention

    def _last(self, x: Tensor) -> Tensor:
        if self.options.recurrent_mean:
            return x.mean(1)
        if not self.options.bidirectional:
            return x[:, -1]
        units = self.options.recurrent
        return torch.cat([x[:, -1, :units], x[:, 0, units:]], dim=1)


def dense_layers(
    inputs: int,
    sizes: tuple[int, ...],
    classes: int,
    *,
    norm: bool,
    dropout: float | tuple[float, ...],
    activation: Literal["relu", "elu"] = "relu",
) -> tuple[nn.Sequential, nn.Linear]:
    """Return the hidden dense layers, whose output is the embedding, and the classifier."""
    layers: list[nn.Module] = []
    for place, outputs in enumerate(sizes):
        layers.append(nn.Linear(inputs, outputs))
        if norm:
            layers.append(nn.BatchNorm1d(outputs))
        layers.append(nn.ELU() if activation == "elu" else nn.ReLU())
        share = dropout if isinstance(dropout, float) else _nth(dropout, place)
        layers.append(Dropout(share))
        inputs = outputs
    return nn.Sequential(*layers), nn.Linear(inputs, classes)


def _block(
    inputs: int,
    outputs: int,
    *,
    kernel: int,
    stride: int,
    pool: tuple[int, int],
    norm: bool,
    activation: Literal["relu", "elu"],
    dropout: float,
) -> nn.Sequential:
    # Same padding, for even kernels too: one more at the end.
    before = (kernel - 1) // 2
    after = kernel - 1 - before
    layers: list[nn.Module] = []
    if before != after:
        layers.append(nn.ZeroPad2d((before, after, before, after)))
        before = 0
    convolve = nn.Conv2d(inputs, outputs, kernel, stride, before, bias=not norm)
    # Faster on CPUs, forwards and backwards; the exported model is none the wiser.
    convolve.weight.data = convolve.weight.data.contiguous(memory_format=torch.channels_last)
    layers.append(convolve)
    if norm:
        layers.append(nn.BatchNorm2d(outputs))
    # The largest value of a monotone function is that of the largest one: what is pooled first has
    # fewer activations, a quarter with 2 x 2.
    if max(pool) > 1:
        layers.append(nn.MaxPool2d(pool))
    layers.append(nn.ELU() if activation == "elu" else nn.ReLU())
    if dropout:
        layers.append(Dropout(dropout))
    return nn.Sequential(*layers)


def _nth(values: tuple[Value, ...], place: int) -> Value:
    return values[min(place, len(values) - 1)]
