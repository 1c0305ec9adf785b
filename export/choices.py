"""What a person may ask an export for, checked."""

from __future__ import annotations

from collections.abc import Sequence

from affectd.engine.artefact import Precision, Target
from affectd.export.artefact import PRECISIONS
from affectd.models.spelling import nearest

__all__ = ["TARGETS", "precisions_named", "target_named"]

TARGETS: tuple[Target, ...] = ("cpu", "cuda", "tensorrt")


def precisions_named(wanted: Sequence[str]) -> tuple[Precision, ...]:
    """Return precisions from words with commas between, in the order of `PRECISIONS`.

    Raises:
        ValueError: one is unknown, or none is given.
    """
    names = [name.strip() for words in wanted for name in words.split(",") if name.strip()]
    for name in names:
        if name not in PRECISIONS:
            raise ValueError(f"precision is {name!r}; {nearest(name, PRECISIONS)}")
    if not names:
        raise ValueError(f"no precision; known are {', '.join(PRECISIONS)}")
    return tuple(precision for precision in PRECISIONS if precision in names)


def target_named(name: str) -> Target:
    """Return a target.

    Raises:
        ValueError: it is unknown.
    """
    for target in TARGETS:
        if target == name:
            return target
    raise ValueError(f"target is {name!r}; {nearest(name, TARGETS)}")
