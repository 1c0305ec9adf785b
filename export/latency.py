"""How long one window takes: one thread, as the engine runs it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from affectd.engine.artefact import INPUTS
from affectd.export.runtime import open_session

__all__ = ["interleaved_ms", "percentiles"]


def interleaved_ms(
    graphs: Sequence[bytes],
    *,
    bands: int,
    frames: int,
    runs: int = 300,
    warm_up: int = 30,
    providers: tuple[str, ...] = ("CPUExecutionProvider",),
) -> npt.NDArray[np.float64]:
    """Time single windows through several graphs in turn, so that all meet the same machine.

    Args:
        graphs: The ONNX files.
        bands: Mel bands of the input.
        frames: Length of the window.
        runs: How many are timed.
        warm_up: How many run before.
        providers: What runs them.

    Returns:
        Milliseconds, float64 ``(graphs, runs)``.
    """
    sessions = [open_session(graph, providers=providers) for graph in graphs]
    logmel = np.random.default_rng(0).standard_normal((1, frames, bands), np.float32)
    feed = dict(zip(INPUTS, (logmel, np.array([frames], np.int64)), strict=True))
    taken = np.empty((len(sessions), warm_up + runs))
    for run in range(warm_up + runs):
        for place, session in enumerate(sessions):
            started = time.perf_counter()
            session.run(None, feed)
            taken[place, run] = 1000 * (time.perf_counter() - started)
    return taken[:, warm_up:]


def percentiles(taken_ms: npt.NDArray[np.float64], *, frames: int) -> dict[str, float]:
    """Return ``p50_ms`` and ``p99_ms`` of timed windows, and the ``frames`` of each."""
    p50, p99 = np.percentile(taken_ms, [50, 99])
    return {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3), "frames": float(frames)}
