"""The architectures by name: what a recipe may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from torch import nn

from affectd.models.crnn import Crnn, CrnnOptions
from affectd.models.spelling import nearest

__all__ = ["ARCHITECTURES", "Architecture", "build"]

Architecture = Callable[[int, int, Mapping[str, Any]], nn.Module]
"""Takes the mel bands, the number of classes and the options; the module is called with ``(logmel,
frames)`` and returns ``(logits, embedding, attention)``, as `affectd.models.crnn.Crnn` does."""


def _crnn(bands: int, classes: int, options: Mapping[str, Any]) -> nn.Module:
    known = {field.name for field in fields(CrnnOptions)}
    for name in options:
        if name not in known:
            raise ValueError(f"the crnn has no option {name!r}; {nearest(name, known)}")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in options.items()
    }
    return Crnn(bands=bands, classes=classes, options=CrnnOptions(**values))


ARCHITECTURES: dict[str, Architecture] = {"crnn": _crnn}


def build(name: str, *, bands: int, classes: int, options: Mapping[str, Any]) -> nn.Module:
    """Return a freshly initialised model.

    Args:
        name: One of `ARCHITECTURES`.
        bands: Mel bands of the input.
        classes: Number of outputs.
        options: What the architecture lets a recipe choose.

    Raises:
        ValueError: no such architecture, or no such option; the message names the near ones.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"no architecture {name!r}; {nearest(name, ARCHITECTURES)}")
    return ARCHITECTURES[name](bands, classes, options)
