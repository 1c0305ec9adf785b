"""What runs the model: as far as it can be tested where there is no GPU."""

from __future__ import annotations

import ctypes
import ctypes.util
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from affectd.engine import processor
from affectd.engine.classifier import CPU, Binding, Classifier
from affectd.engine.cuda import CUDA, CudaBinding, CudaError, cuda_providers, open_cuda_session
from affectd.engine.processor import ProcessorError, faster, missing_cuda, model_for, open_runner
from affectd.engine.runtime import load_runtime
from affectd.engine.scheduling import Costs
from affectd.engine.shipped import DEFAULT_MODEL, find_model

HAS_CUDA_RUNTIME = "CUDAExecutionProvider" in load_runtime().get_available_providers()
without_cuda = pytest.mark.skipif(HAS_CUDA_RUNTIME, reason="this ONNX Runtime is the one for GPUs")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(find_model(DEFAULT_MODEL))


@without_cuda
def test_a_gpu_that_is_asked_for_and_missing_is_an_error_with_what_to_install() -> None:
    with pytest.raises(ProcessorError, match=r"--processor cuda: .*affectd\[gpu\]"):
        open_runner(DEFAULT_MODEL, "cuda", alone=False)


@without_cuda
def test_auto_takes_the_cpu_where_there_is_no_gpu_and_says_why() -> None:
    runner = open_runner(DEFAULT_MODEL, "auto", alone=False)
    assert runner.device is CPU
    assert "affectd[gpu]" in runner.reason
    assert set(runner.window_ms) == {"cpu"}
    assert 0 < runner.window_ms["cpu"]["in_batch"] <= runner.window_ms["cpu"]["alone"]


GPU_PACKAGE: Any = SimpleNamespace(get_available_providers=lambda: ["CUDAExecutionProvider"])
"""ONNX Runtime's GPU package lists CUDA on every machine."""


class Driver:
    """NVIDIA's, as far as it is asked."""

    def __init__(self, *, gpus: int, starts: bool = True) -> None:
        self._gpus, self._starts = gpus, starts

    def cuInit(self, flags: int) -> int:  # noqa: N802 - NVIDIA's name
        return 0 if self._starts else 999

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self._gpus
        return 0


@pytest.mark.skipif(bool(ctypes.util.find_library("cuda")), reason="this machine has the driver")
def test_a_missing_driver_is_named() -> None:
    assert missing_cuda(GPU_PACKAGE).startswith("there is no NVIDIA driver")


@pytest.mark.parametrize(
    ("driver", "says"),
    [
        (Driver(gpus=0), "finds no GPU"),
        (Driver(gpus=1, starts=False), "does not start"),
        (Driver(gpus=1), ""),
    ],
)
def test_what_the_driver_says_is_passed_on(
    driver: Driver, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor.ctypes, "CDLL", lambda name: driver)
    missing = missing_cuda(GPU_PACKAGE)
    assert says in missing
    assert bool(missing) == bool(says)


@without_cuda
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_session_that_fell_back_to_the_cpu_in_silence_is_an_error() -> None:
    with pytest.raises(CudaError, match="took the CPU"):
        open_cuda_session(find_model("crnn"))


def test_graphs_are_an_option_of_the_provider() -> None:
    [(name, options), fallback] = cuda_providers(graphs=True)
    assert (name, fallback) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert options["enable_cuda_graph"] == "1"
    assert "enable_cuda_graph" not in cuda_providers(graphs=False)[0][1]


def test_batches_for_a_gpu_go_to_1024() -> None:
    assert CUDA.batches[0] == 1
    assert CUDA.batches[-1] == 1_024


@pytest.mark.parametrize("model", ["crnn", "crnn-int8"])
@pytest.mark.parametrize("batch", [1, 4, 64])
def test_buffers_bound_once_give_what_the_processors_memory_gives(model: str, batch: int) -> None:
    """All of the GPU's binding but the device: its copies go to memory of the processor here."""
    classifier = Classifier(find_model(model))
    session, metadata = classifier._session, classifier.metadata
    frames = metadata.frame_sizes[-1]
    plain = Binding(session, metadata, frames, batch)
    bound = CudaBinding(session, metadata, frames, batch, device=("cpu", 0))
    rng = np.random.default_rng(batch)
    for _ in range(2):
        windows = [rng.standard_normal((frames, 64)).astype(np.float32) for _ in range(batch)]
        np.testing.assert_array_equal(bound.run(windows).copy(), plain.run(windows))


def measured(classifier: Classifier, *, alone: float, many: float) -> Classifier:
    frames = classifier.metadata.frame_sizes[-1]
    copy = Classifier.__new__(Classifier)
    copy.__dict__.update(classifier.__dict__)
    copy.costs = Costs({frames: {1: alone, 8: 8 * many}})
    return copy


@pytest.mark.parametrize(("alone", "device"), [(True, CPU), (False, CUDA)])
def test_the_faster_one_for_the_load_is_taken(
    alone: bool, device: object, classifier: Classifier
) -> None:
    cpu = measured(classifier, alone=0.001, many=0.001)
    cuda = measured(classifier, alone=0.002, many=0.0001)
    runner = faster(cpu, cuda, alone=alone)
    assert runner.device is device
    assert runner.classifier is (cpu if alone else cuda)
    assert runner.window_ms["cuda"] == {"alone": 2.0, "in_batch": 0.1}
    assert "times as fast" in runner.reason


def test_equals_stay_on_the_cpu(classifier: Classifier) -> None:
    assert faster(classifier, classifier, alone=False).device is CPU


def test_a_gpu_is_given_no_integers() -> None:
    assert model_for(CPU, "crnn-int8") == "crnn-int8"
    assert model_for(CUDA, "crnn-int8") == "crnn"
    assert model_for(CUDA, "crnn") == "crnn"
    assert model_for(CPU, "fast") == "fast"
    assert model_for(CUDA, "accurate") == "accurate"
    assert model_for(CUDA, "fast") == model_for(CUDA, DEFAULT_MODEL) == "fast-fp16"
    assert model_for(CUDA, "/tmp/own-int8.onnx") == "/tmp/own-int8.onnx"
