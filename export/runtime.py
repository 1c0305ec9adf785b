"""ONNX Runtime as the engine runs it: one thread, sequential, not spinning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from affectd.engine.artefact import INPUTS, OUTPUTS

# It brings PyTorch, which a look into an artefact does without.
if TYPE_CHECKING:
    from affectd.models.scoring import Scorer

__all__ = ["open_session", "scorer_of"]


def open_session(graph: bytes, *, providers: tuple[str, ...] = ("CPUExecutionProvider",)) -> Any:
    """Return a session of a graph.

    More threads were slower for every model of this size, and spinning ones starve the others.

    Args:
        graph: The ONNX file.
        providers: In the order of preference.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=list(providers))


def scorer_of(graph: bytes) -> Scorer:
    """Return a scorer that runs a graph on the CPU."""
    session = open_session(graph)

    def score(
        logmel: npt.NDArray[np.float32], frames: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        logits: npt.NDArray[np.float32]
        (logits,) = session.run(list(OUTPUTS[:1]), dict(zip(INPUTS, (logmel, frames), strict=True)))
        return logits

    return score
