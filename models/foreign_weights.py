"""Weights that others trained: where they lie, and what is said where they cannot be used."""

from __future__ import annotations

from pathlib import Path

__all__ = ["WeightsError", "weights_of"]


class WeightsError(ValueError):
    """Foreign weights cannot be used; the message says what was expected and what was found."""


def weights_of(name: str, folder: Path | None, *, needed: str) -> Path:
    """Return the folder of one system's weights: that of its name inside, or the folder itself.

    Args:
        name: Of the system.
        folder: What the user gave.
        needed: Which weights they are, and whence.

    Raises:
        WeightsError: none was given, or there is no such folder.
    """
    if folder is None:
        raise WeightsError(f"{name} needs weights: {needed}")
    if not folder.is_dir():
        raise WeightsError(f"--weights {folder}: there is no such folder")
    own = folder / name
    return own if own.is_dir() else folder
