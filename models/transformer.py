"""A small transformer encoder over log-mel frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from affectd.models.views import inside
from affectd.models.windowing import Windowing

__all__ = ["Transformer", "TransformerOptions"]

_LOWEST = -1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerOptions:
    """Sizes of the network."""

    width: int = 128
    heads: int = 4
    layers: int = 2
    hidden: int = 256
    """Of each block's feed-forward part."""
    patch: int = 4
    """Frames that become one step."""
    dropout: float = 0.1


class Transformer(nn.Module):
    """Patches of frames, a position each, pre-norm blocks, and attention pooling.

    Frames past a window's valid ones have no influence.

    Args:
        windowing: The frames; a full window is the longest that there is a position for.
        classes: Number of outputs.
        options: Sizes.

    Raises:
        ValueError: the width is no multiple of the heads.
    """

    def __init__(
        self, windowing: Windowing, *, classes: int, options: TransformerOptions | None = None
    ) -> None:
        super().__init__()
        self.options = options = options or TransformerOptions()
        if options.width % options.heads:
            raise ValueError(
                f"width is {options.width}; allowed are multiples of heads ({options.heads})"
            )
        steps = -(-windowing.window_frames // options.patch)
        self.embed = nn.Conv1d(
            windowing.front_end.columns, options.width, options.patch, options.patch
        )
        self.positions = nn.Parameter(0.02 * torch.randn(steps, options.width))
        self.blocks = nn.ModuleList(_Block(options) for _ in range(options.layers))
        self.norm = nn.LayerNorm(options.width)
        self.attention = nn.Linear(options.width, 1)
        self.classify = nn.Sequential(
            nn.Dropout(options.dropout), nn.Linear(options.width, classes)
        )

    def forward(self, logmel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score windows; see `affectd.models.crnn.Crnn.forward`."""
        patch = self.options.patch
        x = logmel * inside(frames, logmel.shape[1]).unsqueeze(2)
        x = self.embed(nn.functional.pad(x, (0, 0, 0, patch - 1)).transpose(1, 2)).transpose(1, 2)
        steps = x.shape[1]
        x = x + self.positions[torch.arange(steps, device=x.device)]
        valid = inside((frames + patch - 1) // patch, steps)
        bias = (_LOWEST * (1 - valid))[:, None, None, :]
        for block in self.blocks:
            x = block(x, bias)
        x = self.norm(x)
        attention = torch.softmax(self.attention(x)[:, :, 0] + bias[:, 0, 0], dim=1) * valid
        embedding = (x * attention.unsqueeze(2)).sum(1)
        return self.classify(embedding), embedding, attention


class _Block(nn.Module):
    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.heads = options.heads
        width = options.width
        self.before = nn.LayerNorm(width)
        self.queries, self.values = nn.Linear(width, width), nn.Linear(width, width)
        # A bias of the keys would shift all of a step's shares alike.
        self.keys = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, options.hidden),
            nn.GELU(),
            nn.Linear(options.hidden, width),
        )
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        batch, steps, width = x.shape
        size = width // self.heads
        queries, keys, values = (
            part(self.before(x)).reshape(batch, steps, self.heads, size).transpose(1, 2)
            for part in (self.queries, self.keys, self.values)
        )
        # Written out: the exporter's own attention would fix the batch.
        shares = torch.softmax(queries @ keys.transpose(2, 3) * size**-0.5 + bias, dim=3)
        heard = (shares @ values).transpose(1, 2).reshape(batch, steps, width)
        x = x + self.dropout(self.out(heard))
        thought: Tensor = x + self.dropout(self.think(x))
        return thought
