"""What a person may ask an export for, checked; and what is sensible where they do not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from affectd.engine.artefact import Precision, Target
from affectd.export.artefact import PRECISIONS
from affectd.models.spelling import nearest

__all__ = ["REASONS", "TARGETS", "precisions_for", "target_named"]

TARGETS: Mapping[Target, tuple[Precision, ...]] = MappingProxyType(
    {
        "cpu": ("fp32",),
        "cuda": ("fp32", "fp16"),
        "tensorrt": ("fp32", "fp16", "int8"),
    }
)
"""The precisions that are made for each target where none is asked for."""

REASONS: Mapping[Target, str] = MappingProxyType(
    {
        "cpu": "INT8 for the CPU: static convolutions, dynamic LSTMs and matrix products; FP16 "
        "has few kernels there and is no faster.",
        "cuda": "FP16 is for CUDA. Its INT8 is QDQ only, the recurrent part in floating point: "
        "ONNX Runtime has no integer convolution or LSTM on CUDA, so that it saves memory but no "
        "time.",
        "tensorrt": "INT8 for TensorRT is QDQ only with symmetric ranges, the recurrent part in "
        "floating point: TensorRT reads no zero points and has no integer LSTM.",
    }
)
"""Why a target gets what it gets; a sentence or two for people."""


def precisions_for(wanted: Sequence[str], target: Target) -> tuple[Precision, ...]:
    """Return precisions from words with commas between, in the order of `PRECISIONS`.

    Args:
        wanted: What was asked for; where nothing was, the target's usual ones.
        target: What the artefacts are to run on.

    Raises:
        ValueError: one is unknown, or the words hold none.
    """
    if not wanted:
        return TARGETS[target]
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
