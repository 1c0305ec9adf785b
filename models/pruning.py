"""Prunes the feed-forward layers of a frozen encoder: a few units say what all of them said."""

from __future__ import annotations

import torch
from torch import Tensor

from affectd.models.whisper_trunk import Block, Trunk, valid_steps

__all__ = ["PRUNING_VERSION", "prune"]

PRUNING_VERSION = 1
"""Changes whenever the same trunk and windows would give another one."""

_AT_ONCE = 20
_RIDGE = 1e-6


def prune(trunk: Trunk, windows: Tensor, frames: Tensor, *, hidden: int) -> Trunk:
    """Return a trunk whose blocks have fewer hidden units.

    Block by block, each unit that is kept is the one that explains most of what those before it
    leave of the layer's output (orthogonal least squares; S. Chen, S. A. Billings and W. Luo,
    International Journal of Control 50(5), 1989), and the matrix behind the kept ones is refitted.
    No label is seen, and nothing is trained.

    Args:
        trunk: The whole one.
        windows: What it hears, as `affectd.models.whisper_trunk.on_the_right` gives it, float32
            ``(windows, FRAMES, BANDS)``.
        frames: How many frames of each are valid, int64 ``(windows,)``.
        hidden: Units to keep of each block.
    """
    pruned = Trunk(len(trunk.blocks), size=trunk.size, stride=trunk.stride, hidden=hidden)
    state = trunk.state_dict()
    pruned.load_state_dict(
        {name: value for name, value in state.items() if not name.startswith("blocks")},
        strict=False,
    )
    valid = valid_steps(frames, stride=trunk.stride).bool()
    with torch.inference_mode():
        heard = torch.cat([pruned.stem(part) for part in torch.split(windows, _AT_ONCE)])
        for whole, narrow in zip(trunk.blocks, pruned.blocks, strict=True):
            assert isinstance(whole, Block)
            assert isinstance(narrow, Block)
            narrow.load_state_dict(_narrowed(whole, heard, valid, hidden))
            heard = torch.cat([narrow(part) for part in torch.split(heard, _AT_ONCE)])
    return pruned.eval()


def _narrowed(block: Block, heard: Tensor, valid: Tensor, hidden: int) -> dict[str, Tensor]:
    mean, scatter = _moments(block, heard, valid)
    weights = block.narrow.weight.double()
    effect = scatter @ weights.T
    kept = _most_telling(scatter.clone(), effect.clone(), hidden)
    own = scatter[kept][:, kept]
    ridge = _RIDGE * scatter.diagonal().mean() * torch.eye(hidden, dtype=torch.float64)
    refitted = torch.linalg.solve(own + ridge, effect[kept]).T
    state = dict(block.state_dict())
    state["widen.weight"] = block.widen.weight[kept]
    state["widen.bias"] = block.widen.bias[kept]
    state["narrow.weight"] = refitted.float()
    bias = block.narrow.bias.double() + weights @ mean - refitted @ mean[kept]
    state["narrow.bias"] = bias.float()
    return state


def _moments(block: Block, heard: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and covariance of the hidden units over the valid steps, in double precision."""
    size = block.widen.out_features
    total, squares = torch.zeros(size).double(), torch.zeros(size, size).double()
    for part, inside in zip(
        torch.split(heard, _AT_ONCE), torch.split(valid, _AT_ONCE), strict=True
    ):
        said = block.units(block.attended(part))[inside]
        total += said.sum(0, dtype=torch.float64)
        squares += (said.T @ said).double()
    count = int(valid.sum())
    mean = total / count
    return mean, squares / count - torch.outer(mean, mean)


def _most_telling(scatter: Tensor, effect: Tensor, count: int) -> Tensor:
    """Return which units to keep, ascending; what they explain is taken out of the arguments."""
    kept: list[int] = []
    floor = 1e-9 * float(scatter.diagonal().mean())
    for _ in range(count):
        gains = effect.square().sum(1) / scatter.diagonal().clamp(min=floor)
        gains[kept] = -1
        best = int(gains.argmax())
        kept.append(best)
        column, row = scatter[:, best].clone(), effect[best].clone()
        variance = column[best].clamp(min=floor)
        scatter -= torch.outer(column, column) / variance
        effect -= torch.outer(column, row) / variance
    return torch.tensor(sorted(kept))
