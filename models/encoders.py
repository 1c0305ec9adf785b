"""The encoder that a recipe with a probe begins with, as it comes; and its teacher."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from affectd.models.pooled_whisper import PooledWhisperOptions
from affectd.models.probe_recipe import DistillingSettings
from affectd.models.whisper_trunk import FeedForward, Trunk
from affectd.models.whisper_weights import SIZES, read_trunk

__all__ = ["teacher_of", "untaught_encoder"]


def untaught_encoder(options: PooledWhisperOptions, *, weights: Path) -> Trunk:
    """Return the encoder as it comes.

    Where something lies ahead of its blocks, that says what the last block says, as yet.

    Args:
        options: Which encoder, and how much of it.
        weights: The folder of its weights.

    Raises:
        WeightsError: its weights are not there.
    """
    size = SIZES[options.encoder]
    state = read_trunk(weights, blocks=options.blocks, size=size)
    found = Trunk(
        options.blocks,
        size=size,
        stride=options.stride,
        ahead=options.ahead,
        ahead_hidden=options.ahead_hidden,
    ).eval()
    if found.ahead is not None:
        state |= {f"ahead.{name}": value for name, value in _untaught(found.ahead).items()}
    found.load_state_dict(state)
    return found


def _untaught(ahead: nn.Module) -> dict[str, Tensor]:
    """Return the weights with which a layer says what it is given, the same each time."""
    if isinstance(ahead, nn.Linear):
        return {"weight": torch.eye(ahead.in_features), "bias": torch.zeros(ahead.in_features)}
    assert isinstance(ahead, FeedForward)
    state = {name: torch.zeros_like(value) for name, value in ahead.state_dict().items()}
    state["norm.weight"] += 1
    # Hidden units that were all alike would learn alike; narrowed by zeros, they say nothing yet.
    bound = ahead.widen.in_features**-0.5
    state["widen.weight"].uniform_(-bound, bound, generator=torch.Generator().manual_seed(1))
    return state


def teacher_of(
    settings: DistillingSettings, options: PooledWhisperOptions, *, weights: Path
) -> Trunk:
    """Return what teaches: at least as much of the same encoder, as it comes.

    Args:
        settings: Say how many layers of it teach.
        options: Say which encoder.
        weights: The folder of its weights.

    Raises:
        WeightsError: its weights are not there.
    """
    size, blocks = SIZES[options.encoder], len(settings.layers) - 1
    teacher = Trunk(blocks, size=size).eval()
    teacher.load_state_dict(read_trunk(weights, blocks=blocks, size=size))
    return teacher
