"""Weights that others trained: where they lie, and what is said where they cannot be used."""

from __future__ import annotations

from pathlib import Path

__all__ = ["WeightsError", "weights_of"]


class WeightsError(ValueError):
    """Foreign weights cannot be used; the message says what was expected and what was found."""


def weights_of(name: str, folder: Path) -> Path:
    """Return the folder of one system's weights: that of its name inside, or the folder itself.

    Raises:
        WeightsError: there is no such folder.
    """
    if not folder.is_dir():
        raise WeightsError(f"--weights {folder}: there is no such folder")
    own = folder / name
    return own if own.is_dir() else folder
