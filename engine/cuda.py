"""The model on an NVIDIA GPU: buffers bound once in its memory, and CUDA graphs where they go."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.engine.artefact import INPUTS, OUTPUTS, ArtefactError, Metadata
from affectd.engine.classifier import Binding, ClassifierDevice
from affectd.engine.runtime import load_runtime, open_session

__all__ = ["CUDA", "CUDA_PROVIDER", "CudaBinding", "CudaError", "cuda_providers"]

CUDA_PROVIDER = "CUDAExecutionProvider"
_DEVICE = ("cuda", 0)
_GRAPH_NUMBERS = itertools.count(1)


class CudaError(OSError):
    """CUDA does not start; the message says what ONNX Runtime says of it."""


def cuda_providers(*, graphs: bool) -> list[tuple[str, dict[str, str]] | str]:
    """Return ONNX Runtime's providers for a GPU, the first one first.

    Args:
        graphs: Whether each shape's kernels are recorded once and launched as one.
    """
    options = {
        "device_id": str(_DEVICE[1]),
        # An exhaustive search took 634 ms for each new shape.
        "cudnn_conv_algo_search": "HEURISTIC",
        # Every shape is warmed up: what they need together is what is taken, and no power of two.
        "arena_extend_strategy": "kSameAsRequested",
    }
    if graphs:
        options["enable_cuda_graph"] = "1"
    return [(CUDA_PROVIDER, options), "CPUExecutionProvider"]


def open_cuda_session(path: Path) -> Any:
    """Open a model on the GPU, with CUDA graphs if all of it can run there.

    Raises:
        ArtefactError: the file is no model.
        CudaError: ONNX Runtime went on without CUDA, as it does in silence.
    """
    runtime = load_runtime()
    # CUDA's and cuDNN's libraries lie inside the packages that pip installed with it.
    runtime.preload_dlls()
    try:
        session = open_session(path, cuda_providers(graphs=True))
    except ArtefactError:
        # Graphs are refused where a node, of shapes for one, must run on the processor.
        session = open_session(path, cuda_providers(graphs=False))
    if session.get_providers()[0] != CUDA_PROVIDER:
        raise CudaError(
            "ONNX Runtime could not load CUDA or cuDNN and took the CPU; it logs why above. "
            "pip install 'affectd[gpu]' brings both; the driver must be new enough for them"
        )
    return session


def uses_graphs(session: Any) -> bool:
    """Whether a session records CUDA graphs."""
    options = session.get_provider_options().get(CUDA_PROVIDER, {})
    return bool(options.get("enable_cuda_graph") == "1")


class CudaBinding(Binding):
    """Memory on the GPU for one size, at addresses that stay, as CUDA graphs need them.

    Args:
        session: ONNX Runtime's.
        metadata: Of the artefact.
        frames: Frames of each window.
        batch: Windows.
        device: ONNX Runtime's name of the device and its number; the processor's memory serves
            to check all but the copying.
    """

    def __init__(
        self,
        session: Any,
        metadata: Metadata,
        frames: int,
        batch: int,
        *,
        device: tuple[str, int] = _DEVICE,
    ) -> None:
        super().__init__(session, metadata, frames, batch)
        runtime = load_runtime()
        values = runtime.OrtValue
        self._inputs = [
            values.ortvalue_from_numpy(host, *device) for host in (self._logmel, self._frames)
        ]
        self._output = values.ortvalue_from_shape_and_type(
            list(self._logits.shape), np.float32, *device
        )
        self._io = session.io_binding()
        for name, value in zip(INPUTS, self._inputs, strict=True):
            self._io.bind_ortvalue_input(name, value)
        self._io.bind_ortvalue_output(OUTPUTS[0], self._output)
        if self._vectors is not None:
            self._heard = values.ortvalue_from_shape_and_type(
                list(self._vectors.shape), np.float32, *device
            )
            self._io.bind_ortvalue_output(OUTPUTS[1], self._heard)
        self._options = runtime.RunOptions()
        if uses_graphs(session):
            # A recording holds these addresses: no other memory may share it.
            self._options.add_run_config_entry("gpu_graph_id", str(next(_GRAPH_NUMBERS)))

    @property
    def vectors(self) -> npt.NDArray[np.float32]:
        """What the last run's encoder said of its windows, copied from the GPU now."""
        vectors: npt.NDArray[np.float32] = self._heard.numpy()
        return vectors

    def _execute(self) -> None:
        for value, host in zip(self._inputs, (self._logmel, self._frames), strict=True):
            value.update_inplace(host)
        self._session.run_with_iobinding(self._io, self._options)
        self._logits[:] = self._output.numpy()


CUDA = ClassifierDevice(
    name="cuda",
    # A GPU is idle with less: a window in a batch of 1,024 costs a fraction of one alone.
    batches=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024),
    open=open_cuda_session,
    bind=CudaBinding,
    mixes=True,
)
