"""From an FP32 graph to half precision, its inputs and outputs aside."""

from __future__ import annotations

import warnings

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

__all__ = ["to_half"]


def to_half(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy with weights and activations in float16.

    It is meant for graphics processors: ONNX Runtime's CPU has few kernels for it and casts to
    float32 and back around every other.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    with warnings.catch_warnings():
        # Weights too small for float16 are lifted to its least, and each is remarked on.
        warnings.simplefilter("ignore")
        half: onnx.ModelProto = convert_float_to_float16(copy, keep_io_types=True)
    _sort(half.graph)
    return half


def _sort(graph: onnx.GraphProto) -> None:
    """Put every node after those it reads from: the converter leaves its casts at the end."""
    known = {value.name for value in (*graph.input, *graph.initializer)} | {""}
    waiting, ordered = list(graph.node), []
    while waiting:
        place = next(i for i, node in enumerate(waiting) if known.issuperset(node.input))
        node = waiting.pop(place)
        known.update(node.output)
        ordered.append(node)
    del graph.node[:]
    graph.node.extend(ordered)
