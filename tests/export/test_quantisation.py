from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from affectd.export.conversion import to_onnx
from affectd.export.parity import logits_of
from affectd.export.quantisation import Scheme, prepare, quantisable, quantise
from affectd.export.runtime import scorer_of
from affectd.export.speech import Windows, windows_at_hand
from affectd.models.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def prepared(checkpoint: Checkpoint) -> onnx.ModelProto:
    return prepare(to_onnx(checkpoint.model(), bands=64, frames=184))


@pytest.fixture(scope="module")
def windows(checkpoint: Checkpoint) -> Windows:
    demo = windows_at_hand(checkpoint.recipe.windowing)
    return Windows(demo.windows[::16], demo.source, demo.real)


def operators(graph: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.graph.node)


@pytest.mark.parametrize(
    "scheme",
    [
        Scheme(),
        Scheme(per_channel=False),
        Scheme(reduce_range=True),
        Scheme(ranges="percentile"),
        Scheme(ranges="entropy"),
        Scheme(recurrent=False),
    ],
    ids=str,
)
def test_every_scheme_gives_a_graph_that_runs_near_the_original(
    prepared: onnx.ModelProto, windows: Windows, scheme: Scheme
) -> None:
    before = prepared.SerializeToString()
    graph = quantise(prepared, windows, scheme)
    assert prepared.SerializeToString() == before
    expected = logits_of(scorer_of(before), windows)
    found = logits_of(scorer_of(graph.SerializeToString()), windows)
    assert 0 < np.abs(found - expected).mean() < 0.2


def test_convolutions_are_static_and_the_rest_is_dynamic(
    prepared: onnx.ModelProto, windows: Windows
) -> None:
    found = operators(quantise(prepared, windows, Scheme()))
    assert found["QuantizeLinear"] >= 4
    assert found["DynamicQuantizeLSTM"] == 2
    assert found["MatMulInteger"] == 4
    assert not found["ConvInteger"]
    assert not found["LSTM"]


def test_for_graphics_processors_the_recurrent_part_stays_in_floating_point(
    prepared: onnx.ModelProto, windows: Windows
) -> None:
    graph = quantise(prepared, windows, Scheme(recurrent=False))
    found = operators(graph)
    assert found["LSTM"] == 2
    assert not {entry.domain for entry in graph.opset_import} & {"com.microsoft"} or not [
        node for node in graph.graph.node if node.domain
    ]
    points = [
        onnx.numpy_helper.to_array(weight)
        for weight in graph.graph.initializer
        if weight.name.endswith("zero_point")
    ]
    assert points
    assert all(not point.any() for point in points)


def test_excluded_layers_stay_as_they_are(prepared: onnx.ModelProto, windows: Windows) -> None:
    layers = quantisable(prepared)
    assert len(layers) == 4 + 2 + 4
    untouched = quantise(prepared, windows, replace(Scheme(), excluded=tuple(layers)))
    assert operators(untouched)["LSTM"] == 2
    assert not operators(untouched)["QuantizeLinear"]


def test_a_graph_whose_shapes_are_not_to_be_had_is_prepared_and_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Symbolic inference knows no such operator, gives up, and saves what it has.
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Inverse", ["x"], ["turned"], domain="com.microsoft"),
        helper.make_node("Mul", ["turned", "turned"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", kind, ["n", 2, 2])
    y = helper.make_tensor_value_info("y", kind, None)
    graph = helper.make_model(
        helper.make_graph(nodes, "inverse", [x], [y]),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
        ir_version=8,
    )
    monkeypatch.chdir(tmp_path)
    assert [node.op_type for node in prepare(graph).graph.node] == ["Inverse", "Mul"]
    assert not list(tmp_path.iterdir())
