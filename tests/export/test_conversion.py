from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from affectd.engine.artefact import INPUTS, OUTPUTS
from affectd.export.conversion import OPSET, to_onnx
from affectd.models.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def graph(checkpoint: Checkpoint) -> onnx.ModelProto:
    return to_onnx(checkpoint.model(), bands=64, frames=184)


def test_names_opset_and_dynamic_axes_are_those_of_the_contract(graph: onnx.ModelProto) -> None:
    onnx.checker.check_model(graph)
    assert [value.name for value in graph.graph.input] == list(INPUTS)
    assert [value.name for value in graph.graph.output] == list(OUTPUTS)
    assert [entry.version for entry in graph.opset_import if not entry.domain] == [OPSET]
    shape = [
        dim.dim_param or dim.dim_value for dim in graph.graph.input[0].type.tensor_type.shape.dim
    ]
    assert shape == ["batch", "frames", 64]


@pytest.mark.parametrize("batch", [1, 2, 7])
@pytest.mark.parametrize("frames", [34, 64, 101, 184])
def test_any_batch_and_length_says_what_torch_says(
    graph: onnx.ModelProto, checkpoint: Checkpoint, batch: int, frames: int
) -> None:
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(frames)
    logmel = rng.standard_normal((batch, frames, 64), np.float32)
    valid = rng.integers(20, frames + 1, batch)
    with torch.inference_mode():
        expected = checkpoint.model()(torch.from_numpy(logmel), torch.from_numpy(valid))
    found = session.run(list(OUTPUTS), {"logmel": logmel, "frames": valid})
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs.numpy()).max() < 1e-4


def test_padding_changes_nothing_in_the_graph(graph: onnx.ModelProto) -> None:
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    window = np.random.default_rng(0).standard_normal((1, 101, 64), np.float32)
    padded = np.pad(window, ((0, 0), (0, 83), (0, 0)), constant_values=3)
    frames = np.array([101])
    (alone,) = session.run(["logits"], {"logmel": window, "frames": frames})
    (beside,) = session.run(["logits"], {"logmel": padded, "frames": frames})
    assert np.abs(alone - beside).max() < 1e-5
