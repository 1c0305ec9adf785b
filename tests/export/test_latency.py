from __future__ import annotations

import numpy as np

from affectd.export.conversion import to_onnx
from affectd.export.latency import interleaved_ms, percentiles
from affectd.models.checkpoint import Checkpoint


def test_every_graph_is_timed_as_often(checkpoint: Checkpoint) -> None:
    graph = to_onnx(checkpoint.model(), bands=64, frames=184).SerializeToString()
    taken = interleaved_ms([graph, graph], bands=64, frames=184, runs=20, warm_up=2)
    assert taken.shape == (2, 20)
    assert (taken > 0).all()


def test_percentiles_are_ordered() -> None:
    figures = percentiles(np.arange(101.0), frames=184)
    assert figures == {"p50_ms": 50.0, "p99_ms": 99.0, "frames": 184.0}
