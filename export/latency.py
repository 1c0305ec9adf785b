"""How long one window takes: one thread, as the engine runs it."""

from __future__ import annotations

import time

import numpy as np
import onnxruntime as ort

__all__ = ["measure_latency"]


def measure_latency(
    graph: bytes, *, bands: int, frames: int, runs: int = 300, warm_up: int = 30
) -> dict[str, float]:
    """Time single windows on the CPU.

    One intra-op and one inter-op thread, sequential, threads not spinning: measured to be the
    fastest for models of this size, and what the engine uses.

    Args:
        graph: The ONNX file.
        bands: Mel bands of the input.
        frames: Length of the window.
        runs: How many are timed.
        warm_up: How many run before.

    Returns:
        Milliseconds: ``p50_ms`` and ``p99_ms``; and the ``frames`` of the window.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    feed = {
        "logmel": np.random.default_rng(0).standard_normal((1, frames, bands), np.float32),
        "frames": np.array([frames], np.int64),
    }
    taken_ms: list[float] = []
    for run in range(warm_up + runs):
        started = time.perf_counter()
        session.run(None, feed)
        if run >= warm_up:
            taken_ms.append(1000 * (time.perf_counter() - started))
    p50, p99 = np.percentile(taken_ms, [50, 99])
    return {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3), "frames": float(frames)}
