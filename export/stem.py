"""The first convolution on blocks of its input instead of single values: the same sums, sooner.

A convolution of one channel is gathered value by value, which takes longer than its sums. With a
stride of two, every two by two values can be made four channels of one place, and the kernel be
cut in the same way: then a whole place is gathered at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

__all__ = ["block_kernel", "gather_in_blocks"]

_BLOCK = 2


def gather_in_blocks(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph whose strided convolutions of one channel see blocks as channels.

    Only what is found exactly so is changed: a square kernel of odd size, padded by half of it, a
    stride of two both ways, and an even number of bands.

    Args:
        graph: In floating point, its shapes inferred; it is left as it is.
    """
    out = onnx.ModelProto()
    out.CopyFrom(graph)
    weights = {each.name: each for each in out.graph.initializer}
    bands = {
        each.name: each.type.tensor_type.shape.dim[3].dim_value
        for each in (*out.graph.value_info, *out.graph.input)
        if len(each.type.tensor_type.shape.dim) == 4
    }
    nodes = list(out.graph.node)
    del out.graph.node[:]
    for node in nodes:
        weight = weights.get(node.input[1]) if node.op_type == "Conv" else None
        if weight is not None and _suits(node, list(weight.dims), bands.get(node.input[0], 0)):
            out.graph.node.extend(_in_blocks(node, out.graph))
            kernel = block_kernel(numpy_helper.to_array(weight))
            weight.CopyFrom(numpy_helper.from_array(kernel, weight.name))
        out.graph.node.append(node)
    return out


def block_kernel(kernel: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a kernel of one channel as one that sees blocks of two by two as four channels.

    Args:
        kernel: ``(outputs, 1, size, size)``, the size odd.

    Returns:
        ``(outputs, 4, blocks, blocks)``, zeros where a block reaches over the kernel's edge.
    """
    outputs, _, size, _ = kernel.shape
    half = size // 2
    before, after = _reach(size)
    blocks = np.zeros((outputs, _BLOCK**2, before + 1 + after, before + 1 + after), kernel.dtype)
    for row in range(-half, half + 1):
        for column in range(-half, half + 1):
            channel = row % _BLOCK * _BLOCK + column % _BLOCK
            place = (before + row // _BLOCK, before + column // _BLOCK)
            blocks[:, channel, *place] = kernel[:, 0, half + row, half + column]
    return blocks


def _reach(size: int) -> tuple[int, int]:
    """Return how many blocks a kernel reaches before its own one, and after it."""
    half = size // 2
    return -(-half // _BLOCK), half // _BLOCK


def _suits(node: onnx.NodeProto, shape: list[int], bands: int) -> bool:
    attributes: Mapping[str, Any] = {
        each.name: helper.get_attribute_value(each) for each in node.attribute
    }
    size = shape[-1]
    return (
        len(shape) == 4
        and shape[1] == 1
        and shape[2] == size
        and size % 2 == 1
        and bands > 0
        and bands % _BLOCK == 0
        and attributes.get("group", 1) == 1
        and attributes.get("auto_pad", b"NOTSET") == b"NOTSET"
        and attributes.get("strides") == [_BLOCK, _BLOCK]
        and attributes.get("dilations", [1, 1]) == [1, 1]
        and attributes.get("pads") == [size // 2] * 4
    )


def _in_blocks(node: onnx.NodeProto, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Turn a convolution to blocks, and return the nodes that make them."""
    source, name = node.input[0], node.name or node.output[0]

    def tensor(what: str) -> str:
        return f"{name}/blocks/{what}"

    def constant(what: str, values: list[int]) -> str:
        graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), tensor(what)))
        return tensor(what)

    size = next(each.ints[0] for each in node.attribute if each.name == "kernel_shape")
    before, after = _reach(size)
    for each in list(node.attribute):
        if each.name in ("kernel_shape", "strides", "pads"):
            node.attribute.remove(each)
    node.attribute.extend(
        [
            helper.make_attribute("kernel_shape", [before + 1 + after] * 2),
            helper.make_attribute("strides", [1, 1]),
            helper.make_attribute("pads", [before, before, after, after]),
        ]
    )
    node.input[0] = tensor("out")
    make = helper.make_node
    # An odd last frame gets one of zeros for company, as the convolution's own padding would be.
    return [
        make("Shape", [source], [tensor("frames")], start=2, end=3),
        make("Mod", [tensor("frames"), constant("block", [_BLOCK])], [tensor("odd")]),
        make(
            "Concat",
            [constant("none", [0] * 6), tensor("odd"), constant("end", [0])],
            [tensor("pads")],
            axis=0,
        ),
        make("Pad", [source, tensor("pads")], [tensor("even")]),
        make("SpaceToDepth", [tensor("even")], [tensor("out")], blocksize=_BLOCK),
    ]
