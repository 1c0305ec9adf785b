"""The first blocks of a Whisper encoder; what they say, pooled; linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from affectd.models.voice_space import AXES
from affectd.models.whisper_trunk import (
    BANDS,
    FRAMES,
    Trunk,
    on_the_right,
    valid_steps,
)
from affectd.models.whisper_weights import SIZES
from affectd.models.windowing import Windowing

__all__ = ["PooledWhisper", "PooledWhisperOptions", "statistics_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledWhisperOptions:
    """Which encoder, and how much of it is used."""

    encoder: str = "tiny"
    """One of `affectd.models.whisper_weights.SIZES`."""
    blocks: int = 3
    """As many as the encoder has, or fewer."""
    layers: tuple[int, ...] = (1, 2, 3)
    """The blocks whose output is pooled, counted from 1; 0 is the stem, and what lies ahead is one
    more than the blocks."""
    stride: int = 1
    """Of the steps that the encoder was trained with, every how manieth is computed: 1, 2 or 4."""
    ahead: bool = False
    """Whether the encoder says what a deeper block would; see `affectd.models.distilling`."""
    ahead_hidden: int = 0
    """Hidden units of the layer that says it; without any it is linear, so that the mean of what it
    says tells nothing that the mean of the last block does not."""
    corpora: int = 4
    """How many of them have an expert of their own."""
    voices: int = 24
    """How many voices of a corpus are known at most."""
    beside: int = 2
    """Outputs beside the classes, which are told apart in training: calm speech, which counts as
    neutral, and bored speech, which counts as nothing."""
    neutral: int = 4
    """The class that calm speech counts as."""


class PooledWhisper(nn.Module):
    """Stem, blocks, statistics over the valid steps, and linear experts of them.

    The statistics are the mean and the deviation of what `options.layers` say. The logits are those
    of `affectd.models.experts`: each corpus's own expert counts as far as a window is near that
    corpus's voices. The embedding is what further experts say, who were taught with statistics less
    their voice's middle, and how far each is believed: see `affectd.kernels.voice_experts`.

    Args:
        windowing: Whisper's front end and normalisation, at most 3.05 s.
        classes: Number of outputs.
        options: How much of the encoder.

    Raises:
        ValueError: the windows are not what the trunk was trained on, a layer is not there, or the
            encoder has no such blocks, stride or layer ahead.
    """

    in_float = ("axes",)
    """What INT8 leaves in floating point."""
    centre: Tensor
    scale: Tensor
    voices: Tensor
    allowance: Tensor
    reach: Tensor

    def __init__(
        self, windowing: Windowing, *, classes: int, options: PooledWhisperOptions | None = None
    ) -> None:
        super().__init__()
        self.options = options = options or PooledWhisperOptions()
        front_end = windowing.front_end
        if front_end.columns != BANDS or windowing.window_frames > FRAMES:
            raise ValueError(
                f"the trunk takes {BANDS} bands and at most {FRAMES} frames; these windows have "
                f"{front_end.columns} and {windowing.window_frames}"
            )
        allowed = range(options.blocks + 1 + options.ahead)
        if not options.layers or any(layer not in allowed for layer in options.layers):
            raise ValueError(
                f"layers is {options.layers}; allowed are 0 to {allowed[-1]}, at least one"
            )
        if options.encoder not in SIZES:
            raise ValueError(f"encoder is {options.encoder!r}; allowed are {', '.join(SIZES)}")
        size = SIZES[options.encoder]
        if not 0 <= options.blocks <= size.blocks:
            raise ValueError(f"blocks is {options.blocks}; allowed are 0 to {size.blocks}")
        if options.stride not in (1, 2, 4):
            raise ValueError(f"stride is {options.stride}; allowed are 1, 2 and 4")
        if options.ahead_hidden < 0 or (options.ahead_hidden and not options.ahead):
            raise ValueError(
                f"ahead_hidden is {options.ahead_hidden}; allowed is 0, or more where ahead is true"
            )
        self.trunk = Trunk(
            options.blocks,
            size=size,
            stride=options.stride,
            ahead=options.ahead,
            ahead_hidden=options.ahead_hidden,
        )
        self.trunk.requires_grad_(requires_grad=False)
        width = 2 * size.width * len(options.layers)
        # Whole numbers of eight bits want one range for all statistics.
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        outputs = classes + options.beside
        self.judge = nn.Linear(width, (1 + options.corpora) * outputs)
        self.voice = nn.Linear(width, (1 + options.corpora) * outputs)
        # Where voices lie, and how far they reach: see `affectd.models.voice_space`.
        self.axes = nn.Linear(width, AXES, bias=False)
        self.register_buffer("voices", torch.zeros(options.corpora * options.voices, AXES))
        self.register_buffer("allowance", torch.zeros(options.corpora))
        self.register_buffer("reach", torch.zeros(()))

    def forward(self, logmel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score windows.

        Args:
            logmel: Normalised windows, float32 ``(batch, frames, bands)``.
            frames: How many frames of each are valid, at least two, int64 ``(batch,)``.

        Returns:
            Logits ``(batch, classes)``; scores of the experts beside and how far each is believed,
            ``(batch, experts * (outputs + 1))``; and what each step weighs ``(batch, steps)``: the
            same for all valid ones.
        """
        options = self.options
        valid = valid_steps(frames, stride=options.stride)
        weights = valid / valid.sum(1, keepdim=True)
        said = self.trunk.layers(on_the_right(logmel, frames))
        pooled = statistics_of([said[each] for each in options.layers], weights)
        return *self.judged(pooled), weights

    def judged(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first two of what `forward` returns.

        Args:
            pooled: Of `statistics_of`, float32 ``(batch, d)``.
        """
        z = (pooled - self.centre) * self.scale
        near = self.near(z)
        # Zero is for what is near nothing known.
        shares = torch.softmax(torch.cat([0 * near[:, :1], near], dim=1), dim=1)
        experts = self.judge(z).reshape(z.shape[0], 1 + self.options.corpora, -1)
        logits = self.merged((shares.unsqueeze(2) * experts).sum(1))
        return logits, torch.cat([self.voice(z), shares], dim=1)

    def near(self, z: Tensor) -> Tensor:
        """Return how near each corpus's voices windows are, float32 ``(batch, corpora)``."""
        apart = (self.axes(z).unsqueeze(1) - self.voices).square().sum(2).sqrt()
        nearest = apart.reshape(-1, self.options.corpora, self.options.voices).amin(2)
        return self.reach - torch.relu(nearest - self.allowance)

    def merged(self, outputs: Tensor) -> Tensor:
        """Return logits of the classes from all outputs: calm speech counts as neutral."""
        beside, place = self.options.beside, self.options.neutral
        if not beside:
            return outputs
        logits = outputs[:, :-beside]
        neutral, calm = logits[:, place : place + 1], outputs[:, -beside : 1 - beside or None]
        # The logarithm of the sum of both exponentials.
        both = torch.maximum(neutral, calm) + torch.log1p(torch.exp(-(neutral - calm).abs()))
        return torch.cat([logits[:, :place], both, logits[:, place + 1 :]], dim=1)


def statistics_of(layers: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Return the mean and the deviation of each layer over the steps.

    Args:
        layers: float32 ``(batch, steps, width)`` each.
        weights: Of the steps, adding up to one, float32 ``(batch, steps)``.

    Returns:
        float32 ``(batch, 2 * width * layers)``: mean and deviation of the first layer, and so on.
    """
    share = weights.unsqueeze(1)
    pooled: list[Tensor] = []
    for layer in layers:
        # Sums over the steps as products of matrices, which walk through memory in its order.
        mean = share @ layer
        variance = share @ (layer - mean).square()
        pooled += [mean.squeeze(1), (variance.squeeze(1) + 1e-8).sqrt()]
    return torch.cat(pooled, dim=1)
