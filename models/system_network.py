"""The network that a paper's system begins as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from affectd.models.architectures import build
from affectd.models.foreign_weights import weights_of
from affectd.models.systems import System

__all__ = ["build_system", "fresh_model"]


def build_system(system: System) -> nn.Module:
    """Return the network of a system, freshly initialised."""
    return build(
        system.architecture,
        bands=system.front_end.columns,
        classes=len(system.labels),
        options=system.options,
        windowing=system.windowing,
    )


def fresh_model(system: System, weights: Path | None) -> nn.Module:
    """Return what a system begins as, with the foreign weights of one that has some.

    Args:
        system: Which.
        weights: The folder of foreign weights.

    Raises:
        MissingExtraError: the library that builds it is not installed.
        WeightsError: the foreign weights are missing or of another kind.
    """
    model = build_system(system)
    if system.pretrained:
        take: Any = model.take_weights
        take(weights_of(system.name, weights, needed=system.needs_weights))
    return model
