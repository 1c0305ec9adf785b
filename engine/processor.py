"""What runs the model: the CPU, or an NVIDIA GPU that must be there when it is asked for."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Literal

from affectd.engine.classifier import CPU, Classifier, ClassifierDevice
from affectd.engine.cuda import CUDA, CUDA_PROVIDER, CudaError
from affectd.engine.runtime import load_runtime
from affectd.engine.shipped import find_model, shipped_models

__all__ = [
    "Processor",
    "ProcessorError",
    "Runner",
    "cuda_driver",
    "missing_cuda",
    "model_for",
    "open_runner",
]

Processor = Literal["auto", "cpu", "cuda"]

_NO_ERROR = 0


class ProcessorError(OSError):
    """What shall run the model is not there; the message says why and what to install."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A model on what runs it.

    Args:
        classifier: Ready to run.
        device: What it runs on.
        reason: Why on this, where that was not said.
        window_ms: What a window was measured to cost there, by device: alone, and in the batch
            that is cheapest for it.
    """

    classifier: Classifier
    device: ClassifierDevice
    reason: str
    window_ms: dict[str, dict[str, float]]


def cuda_driver() -> ctypes.CDLL | None:
    """Return the library of the NVIDIA driver; `None` where there is none."""
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None


def missing_cuda(runtime: Any) -> str:
    """Return why CUDA cannot be used and what would help; empty where nothing is known to miss.

    Args:
        runtime: ONNX Runtime's module. It lists CUDA wherever its GPU package is installed, with
            a GPU or without.
    """
    if CUDA_PROVIDER not in runtime.get_available_providers():
        return (
            "the ONNX Runtime that is installed is the one for CPUs alone. On Linux with an NVIDIA "
            "GPU run 'pip uninstall -y onnxruntime', then pip install 'affectd[gpu]'"
        )
    driver = cuda_driver()
    if driver is None:
        return "there is no NVIDIA driver (libcuda.so.1); install it, or run with --processor cpu"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != _NO_ERROR or driver.cuDeviceGetCount(ctypes.byref(count)) != _NO_ERROR:
        return "the NVIDIA driver does not start; see what 'nvidia-smi' says"
    return "" if count.value else "the NVIDIA driver finds no GPU; see what 'nvidia-smi' says"


def model_for(device: ClassifierDevice, model: str) -> str:
    """Return the shipped model of the same family that is meant for a device.

    Integers gain nothing on a GPU, where half precision does; a file of one's own is taken as it
    is.
    """
    family, shipped = model.removesuffix("-int8"), shipped_models()
    if device is CPU or f"{family}-int8" not in shipped:
        return model
    return next((name for name in (f"{family}-fp16", family) if name in shipped), model)


def open_runner(model: str, processor: Processor, *, alone: bool) -> Runner:
    """Load a model on what shall run it.

    Args:
        model: A shipped model's name, or an artefact's file.
        processor: ``cpu`` or ``cuda``; with ``auto`` it is measured on both, and the faster one
            taken.
        alone: Whether no more than one stream will come, so that a window alone is what counts;
            else what counts is a window in the batch that is cheapest for it.

    Raises:
        ArtefactError: the model cannot be used.
        ImportError: ONNX Runtime is not installed, or twice.
        ProcessorError: CUDA was asked for and is not there.
    """
    if processor == "cpu":
        return _runner(CPU, _classifier(model, CPU), "")
    missing = missing_cuda(load_runtime())
    if processor == "cuda":
        if missing:
            raise ProcessorError(f"--processor cuda: {missing}")
        try:
            return _runner(CUDA, _classifier(model, CUDA), "")
        except CudaError as error:
            raise ProcessorError(f"--processor cuda: {error}") from None
    cpu = _classifier(model, CPU)
    if missing:
        return _runner(CPU, cpu, missing)
    try:
        cuda = _classifier(model, CUDA)
    except CudaError as error:
        return _runner(CPU, cpu, str(error))
    return faster(cpu, cuda, alone=alone)


def faster(cpu: Classifier, cuda: Classifier, *, alone: bool) -> Runner:
    """Return that of two measured classifiers which is faster for the load, the CPU if equal."""
    costs = {CPU.name: _window_ms(cpu), CUDA.name: _window_ms(cuda)}
    measure = "alone" if alone else "in_batch"
    gain = costs[CPU.name][measure] / costs[CUDA.name][measure]
    load = "one window at a time" if alone else "many windows at once"
    chosen = (CUDA, cuda) if gain > 1 else (CPU, cpu)
    ratio = max(gain, 1 / gain)
    reason = f"measured {ratio:.1f} times as fast as the other for {load}"
    return Runner(device=chosen[0], classifier=chosen[1], reason=reason, window_ms=costs)


def _classifier(model: str, device: ClassifierDevice) -> Classifier:
    return Classifier(find_model(model_for(device, model)), device=device)


def _runner(device: ClassifierDevice, classifier: Classifier, reason: str) -> Runner:
    costs = {device.name: _window_ms(classifier)}
    return Runner(device=device, classifier=classifier, reason=reason, window_ms=costs)


def _window_ms(classifier: Classifier) -> dict[str, float]:
    costs = classifier.costs
    longest = costs.seconds[max(costs.seconds)]
    return {
        "alone": round(1000 * longest[1], 3),
        "in_batch": round(1000 * costs.window_seconds(), 3),
    }
