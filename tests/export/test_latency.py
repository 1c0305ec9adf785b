from __future__ import annotations

from affectd.export.conversion import to_onnx
from affectd.export.latency import measure_latency
from affectd.models.checkpoint import Checkpoint


def test_percentiles_are_positive_and_ordered(checkpoint: Checkpoint) -> None:
    graph = to_onnx(checkpoint.model(), bands=64, frames=184).SerializeToString()
    figures = measure_latency(graph, bands=64, frames=184, runs=20, warm_up=2)
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]
    assert figures["frames"] == 184
