"""The architectures by name: what a recipe may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

from torch import nn

from affectd.kernels.front_end import FrontEnd
from affectd.models.spelling import nearest
from affectd.models.windowing import Windowing

__all__ = [
    "ARCHITECTURES",
    "NEEDS_LINEAR_SPECTRUM",
    "NEEDS_SAMPLES",
    "NEEDS_WHISPERS_FRONT_END",
    "build",
]

_Builder = Callable[[Windowing, int, Mapping[str, Any]], nn.Module]


def _crnn(windowing: Windowing, classes: int, options: Mapping[str, Any]) -> nn.Module:
    from affectd.models.crnn import Crnn, CrnnOptions

    chosen = CrnnOptions(**_checked("crnn", CrnnOptions, options))
    return Crnn(bands=windowing.front_end.columns, classes=classes, options=chosen)


def _of(name: str, module: str, network: str) -> _Builder:
    """Return what builds a network whose options are the dataclass beside it."""

    def build_one(windowing: Windowing, classes: int, options: Mapping[str, Any]) -> nn.Module:
        room = import_module(f"affectd.models.{module}")
        kind = getattr(room, f"{network}Options")
        chosen = kind(**_checked(name, kind, options))
        model: nn.Module = getattr(room, network)(windowing, classes=classes, options=chosen)
        return model

    return build_one


def _checked(name: str, kind: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name for field in fields(kind)}
    for option in options:
        if option not in known:
            raise ValueError(f"the {name} has no option {option!r}; {nearest(option, known)}")
    return {
        option: tuple(value) if isinstance(value, list) else value
        for option, value in options.items()
    }


ARCHITECTURES: dict[str, _Builder] = {
    "crnn": _crnn,
    "spectral": _of("spectral", "spectral", "Spectral"),
    "dense": _of("dense", "vectors", "Dense"),
    "transformer": _of("transformer", "transformer", "Transformer"),
    "forest": _of("forest", "forest", "Forest"),
    "whisper": _of("whisper", "whisper_trunk", "Whisper"),
    "pooled-whisper": _of("pooled-whisper", "pooled_whisper", "PooledWhisper"),
    "wav2vec": _of("wav2vec", "wav2vec", "Wav2Vec"),
    "vision": _of("vision", "vision", "Vision"),
    "two-branch": _of("two-branch", "vectors", "TwoBranch"),
}
"""Each network is called with ``(logmel, frames)`` and returns ``(logits, embedding, attention)``,
as `affectd.models.crnn.Crnn` does."""

NEEDS_LINEAR_SPECTRUM = frozenset({"two-branch"})
"""Architectures that cannot be built on a log-mel front end."""
NEEDS_SAMPLES = frozenset({"wav2vec"})
"""Architectures that begin with the samples themselves."""
NEEDS_WHISPERS_FRONT_END = frozenset({"whisper", "pooled-whisper"})
"""Architectures that take nothing but what Whisper takes."""


def build(
    name: str,
    *,
    bands: int,
    classes: int,
    options: Mapping[str, Any],
    windowing: Windowing | None = None,
) -> nn.Module:
    """Return a freshly initialised model.

    Args:
        name: One of `ARCHITECTURES`.
        bands: Values of a frame.
        classes: Number of outputs.
        options: What the architecture lets a recipe choose.
        windowing: What the windows are; three seconds of so many mel bands if not said.

    Raises:
        ValueError: no such architecture, or no such option; the message names the near ones.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"no architecture {name!r}; {nearest(name, ARCHITECTURES)}")
    windowing = windowing or Windowing(
        front_end=FrontEnd(bands=bands),
        normalisation="standard",
        window_seconds=3.0,
        hop_seconds=0.25,
        minimum_seconds=0.6,
    )
    return ARCHITECTURES[name](windowing, classes, options)
