"""What a mistyped name probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["nearest"]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a clause that names the known names nearest to one, or all where none is near."""
    names = sorted(known)
    near = get_close_matches(name.lower(), names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known are {', '.join(names)}"
