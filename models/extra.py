"""Says in one line what to install where an extra of the package is missing."""

from __future__ import annotations

import os
from importlib.util import find_spec

__all__ = [
    "MissingExtraError",
    "need_inference_extra",
    "need_inspection_extra",
    "need_training_extra",
]


class MissingExtraError(ValueError):
    """A command's optional dependencies are not installed; the message says how to install them."""


def need_training_extra(command: str) -> None:
    """Go on only where torch is installed; to be called before its first import.

    Raises:
        MissingExtraError: it is not.
    """
    if find_spec("torch") is None:
        raise MissingExtraError(
            f"affectd {command} needs the extra 'train': pip install 'affectd[train]'"
        )
    # OpenMP's threads would otherwise spin on every core, and the exporter's remarks on its own
    # shape inference would reach the terminal.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def need_inference_extra(command: str) -> None:
    """Go on only where ONNX Runtime is installed.

    Raises:
        MissingExtraError: it is not.
    """
    if find_spec("onnxruntime") is None:
        raise MissingExtraError(
            f"affectd {command} needs the extra 'cpu' or 'gpu': pip install 'affectd[cpu]'"
        )


def need_inspection_extra(command: str) -> None:
    """Go on only where the package ``onnx`` is installed.

    Raises:
        MissingExtraError: it is not.
    """
    if find_spec("onnx") is None:
        raise MissingExtraError(
            f"affectd {command} needs the extra 'inspect': pip install 'affectd[inspect]'"
        )
