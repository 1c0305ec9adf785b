"""Weights that took long to make, kept in the cache."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["keep"]


def keep(path: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the weights that a file holds; make them, and the file, where it is not there.

    Args:
        path: The file; its name says what is in it.
        make: Makes them.
    """
    if path.exists():
        found: dict[str, Tensor] = torch.load(path, weights_only=True)
        return found
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and moved: a run that is interrupted leaves nothing that looks complete.
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    torch.save(made, unfinished)
    unfinished.replace(path)
    return made
