from __future__ import annotations

import numpy as np
import onnx

from affectd.export.conversion import to_onnx
from affectd.export.half import to_half
from affectd.export.runtime import open_session
from affectd.models.checkpoint import Checkpoint


def test_half_precision_keeps_the_contract_and_nearly_the_logits(checkpoint: Checkpoint) -> None:
    graph = to_onnx(checkpoint.model(), bands=64, frames=184)
    before = graph.SerializeToString()
    half = to_half(graph)
    onnx.checker.check_model(half)
    assert graph.SerializeToString() == before
    assert onnx.TensorProto.FLOAT16 in {weight.data_type for weight in half.graph.initializer}
    rng = np.random.default_rng(0)
    feed = {
        "logmel": rng.standard_normal((3, 184, 64), np.float32),
        "frames": np.array([184, 100, 34]),
    }
    expected = open_session(before).run(None, feed)
    found = open_session(half.SerializeToString()).run(None, feed)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == np.float32
        assert np.abs(ours - theirs).max() < 0.05
