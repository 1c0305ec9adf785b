"""The convolutional recurrent network with attention pooling."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

__all__ = ["Crnn", "CrnnOptions"]

_BLOCKS = 3
_LOWEST = -1e4
"""Stands for minus infinity in the attention's softmax, also in half precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrnnOptions:
    """Sizes of the network."""

    channels: tuple[int, int, int] = (32, 64, 128)
    """Of the three convolution blocks; the stem has as many as the first."""
    halvings: tuple[bool, bool, bool] = (False, True, False)
    """Which of the blocks halve time, as the stem does in any case."""
    recurrent: int = 128
    """Of each direction of an LSTM layer."""
    recurrent_layers: int = 2
    hidden: int = 128
    """Of the first dense layer: the length of the embedding."""
    convolution_dropout: float = 0.1
    """Share of whole channels dropped after each block."""
    dropout: float = 0.4
    """Between the LSTM layers and before both dense layers."""

    def __post_init__(self) -> None:
        if len(self.channels) != _BLOCKS or min(self.channels) < 1:
            raise ValueError(f"channels is {self.channels}; allowed are {_BLOCKS} numbers above 0")
        if len(self.halvings) != _BLOCKS or not all(isinstance(one, bool) for one in self.halvings):
            raise ValueError(
                f"halvings is {self.halvings}; allowed are {_BLOCKS} of true and false"
            )
        if not isinstance(self.recurrent_layers, int) or self.recurrent_layers < 1:
            raise ValueError(f"recurrent_layers is {self.recurrent_layers}; allowed is 1 or more")


class Crnn(nn.Module):
    """Stem, three convolution blocks, bidirectional LSTM layers, attention, two dense layers.

    Time is halved by the stem and by some of the blocks; if by one, there is one attention step per
    four frames (rounded up). Frames past a window's valid ones have no influence: activations there
    are set to zero after every convolution, as the padding of the convolutions is, the LSTM stops
    at the last valid step, and the attention sees no other.

    Args:
        bands: Mel bands of the input.
        classes: Number of outputs.
        options: Sizes.
    """

    def __init__(self, *, bands: int, classes: int, options: CrnnOptions | None = None) -> None:
        super().__init__()
        self.options = options = options or CrnnOptions()
        first, second, third = options.channels
        self.stem = _Block(1, first, kernel=5, stride=(2, 2), pool=1)
        sizes = (first, first, second, third)
        self.blocks = nn.ModuleList(
            _Block(inputs, outputs, kernel=3, stride=(1 + halves, 1), pool=2)
            for (inputs, outputs), halves in zip(pairwise(sizes), options.halvings, strict=True)
        )
        self.channel_dropout = nn.Dropout2d(options.convolution_dropout)
        heights = bands
        for halving in range(4):
            heights = (heights + 1) // 2 if halving == 0 else heights // 2
        if not heights:
            raise ValueError(f"bands is {bands}; the network needs at least 15")
        self.recurrent = nn.LSTM(
            third * heights,
            options.recurrent,
            num_layers=options.recurrent_layers,
            batch_first=True,
            bidirectional=True,
            # One layer has nothing between.
            dropout=options.dropout if options.recurrent_layers > 1 else 0.0,
        )
        width = 2 * options.recurrent
        self.attention = nn.Sequential(nn.Linear(width, 128), nn.Tanh(), nn.Linear(128, 1))
        self.embed = nn.Sequential(
            nn.Dropout(options.dropout), nn.Linear(2 * width, options.hidden), nn.ReLU()
        )
        self.classify = nn.Sequential(
            nn.Dropout(options.dropout), nn.Linear(options.hidden, classes)
        )

    def forward(self, logmel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score windows.

        Args:
            logmel: Normalised windows, float32 ``(batch, frames, bands)``.
            frames: How many frames of each are valid, at least one, int64 ``(batch,)``.

        Returns:
            Logits ``(batch, classes)``, embeddings ``(batch, hidden)`` and the attention
            ``(batch, steps)``, which sums to one over the valid steps.
        """
        valid = frames
        x = logmel * _mask(valid, logmel.shape[1]).unsqueeze(2)
        x = self.stem(x.unsqueeze(1))
        valid = (valid + 1) // 2
        x = x * _mask(valid, x.shape[2])[:, None, :, None]
        for block, halves_time in zip(self.blocks, self.options.halvings, strict=True):
            x = self.channel_dropout(block(x))
            if halves_time:
                valid = (valid + 1) // 2
            x = x * _mask(valid, x.shape[2])[:, None, :, None]
        steps = x.shape[2]
        x = x.permute(0, 2, 1, 3).flatten(2)
        packed = pack_padded_sequence(x, valid.cpu(), batch_first=True, enforce_sorted=False)
        x, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=steps)
        inside = _mask(valid, steps)
        attention = self.attention(x)[:, :, 0] * inside + _LOWEST * (1 - inside)
        attention = torch.softmax(attention, dim=1) * inside
        weights = attention.unsqueeze(2)
        mean = (x * weights).sum(1)
        variance = ((x - mean.unsqueeze(1)).square() * weights).sum(1)
        pooled = torch.cat([mean, (variance + 1e-5).sqrt()], dim=1)
        embedding = self.embed(pooled)
        return self.classify(embedding), embedding, attention


class _Block(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: tuple[int, int], pool: int
    ) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        # A quarter faster on CPUs, forwards and backwards; the exported model is none the wiser.
        weight = self.convolve.weight
        weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        self.norm = nn.BatchNorm2d(outputs)
        self.pool = nn.MaxPool2d((1, pool)) if pool > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.pool(torch.relu(self.norm(self.convolve(x))))
        return pooled


def _mask(valid: Tensor, steps: int) -> Tensor:
    """Return 1.0 where a step is valid and 0.0 elsewhere, float32 ``(batch, steps)``."""
    return (torch.arange(steps, device=valid.device)[None, :] < valid[:, None]).float()
