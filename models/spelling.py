"""What a mistyped name probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["nearest"]

_NAMED = 3


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a clause that names the known names nearest to one, or all where none is near.

    What stands before a slash is not compared: ``crn`` is as near to ``papers/crnn`` as to
    ``crnn``.
    """
    names = sorted(set(known))
    last = {each: _last(each) for each in names}
    words = get_close_matches(_last(name.lower()), set(last.values()), n=_NAMED, cutoff=0.6)
    near = [each for word in words for each in names if last[each] == word]
    if near:
        return f"did you mean {' or '.join(near[:_NAMED])}?"
    return f"known are {', '.join(names)}"


def _last(name: str) -> str:
    return name.rpartition("/")[2]
