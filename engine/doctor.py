"""What the engine needs on a machine, looked at one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from affectd.engine.classifier import Classifier
from affectd.engine.configuration import load_configuration
from affectd.engine.microphone import input_devices
from affectd.engine.processor import cuda_driver, missing_cuda
from affectd.engine.runtime import load_runtime
from affectd.engine.shipped import find_model

__all__ = ["Check", "examine"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    finding: str
    optional: bool
    """Whether the demo runs without it."""


def examine() -> list[Check]:
    """Look at everything; nothing is changed."""
    return [
        _check("ONNX Runtime", _runtime),
        _check("NVIDIA GPU", _gpu, optional=True),
        _check("model", _model),
        _check("microphone", _microphone, optional=True),
    ]


def _check(name: str, look: Callable[[], str], *, optional: bool = False) -> Check:
    try:
        return Check(name, True, look(), optional)
    except (ImportError, OSError, ValueError) as error:
        return Check(name, False, str(error), optional)


def _runtime() -> str:
    runtime = load_runtime()
    return str(runtime.__version__)


def _gpu() -> str:
    if cuda_driver() is None:
        raise OSError("none is at hand (no NVIDIA driver): the processor runs the model")
    if missing := missing_cuda(load_runtime()):
        raise OSError(missing)
    return "there; --processor auto measures whether it is faster"


def _model() -> str:
    began = time.perf_counter()
    classifier = Classifier(find_model(load_configuration(None, {}).model))
    loaded = time.perf_counter() - began
    return f"{classifier.metadata.title}, loaded and warm in {loaded:.2f} s"


def _microphone() -> str:
    found = input_devices()
    if not found:
        raise OSError(
            "PortAudio lists no input device: plug one in, or hear a file, a pipe or the demo"
        )
    return ", ".join(device.name for device in found)
