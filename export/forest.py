"""A forest as an ONNX graph: its vector as torch traces it, its trees as skl2onnx writes them."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from affectd.models.forest import LOWEST_SHARE, Forest

__all__ = ["TREE_DOMAIN", "with_trees"]

TREE_DOMAIN = "ai.onnx.ml"
_TREE_OPSET = 3


def with_trees(traced: onnx.ModelProto, forest: Forest) -> onnx.ModelProto:
    """Replace the logits of a traced forest with those of one tree-ensemble operator.

    The trace walks the trees with gathers, which is right but slow; the operator is made for it.

    Args:
        traced: As the exporter wrote it.
        forest: The same forest.
    """
    trees = _trees(forest, opset=traced.opset_import[0].version)
    proto = onnx.ModelProto()
    proto.CopyFrom(traced)
    graph = proto.graph
    names = {node.name: f"forest/{node.name}" for node in trees.graph.node}
    renamed = {trees.graph.input[0].name: "embedding"}

    def told(name: str) -> str:
        return renamed.get(name, f"forest/{name}" if name else name)

    # What only the logits needed is dropped afterwards.
    kept = [node for node in graph.node if "logits" not in node.output]
    del graph.node[:]
    graph.node.extend(kept)
    for node in trees.graph.node:
        added = onnx.NodeProto()
        added.CopyFrom(node)
        added.name = names[node.name]
        added.input[:] = [told(name) for name in node.input]
        added.output[:] = [told(name) for name in node.output]
        graph.node.append(added)
    for weight in trees.graph.initializer:
        added_weight = onnx.TensorProto()
        added_weight.CopyFrom(weight)
        added_weight.name = told(weight.name)
        graph.initializer.append(added_weight)
    lowest = numpy_helper.from_array(np.array(LOWEST_SHARE, np.float32), "forest/lowest")
    graph.initializer.append(lowest)
    shares = told(trees.graph.output[1].name)
    graph.node.extend(
        [
            helper.make_node("Max", [shares, "forest/lowest"], ["forest/shares"], "forest/max"),
            helper.make_node("Log", ["forest/shares"], ["logits"], "forest/log"),
        ]
    )
    _drop_unused(graph)
    if not any(each.domain == TREE_DOMAIN for each in proto.opset_import):
        proto.opset_import.append(helper.make_opsetid(TREE_DOMAIN, _TREE_OPSET))
    onnx.checker.check_model(proto)
    return proto


def _trees(forest: Forest, *, opset: int) -> onnx.ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    fitted = forest.to_sklearn()
    trees: onnx.ModelProto = convert_sklearn(
        fitted,
        initial_types=[("vector", FloatTensorType([None, forest.view.width]))],
        options={id(fitted): {"zipmap": False}},
        target_opset={"": opset, TREE_DOMAIN: _TREE_OPSET},
    )
    return trees


def _drop_unused(graph: onnx.GraphProto) -> None:
    needed = {value.name for value in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    weights = [weight for weight in graph.initializer if weight.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(weights)
