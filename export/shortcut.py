"""A second way through a graph, without masks, for batches whose windows are all of one length.

A graph of windows of variable length multiplies by masks after every layer, sorts the windows by
their lengths, and, where integers are multiplied, turns them to floating point and back for it.
None of that does anything where no window is padded, which is how the engine runs them. So the
graph is cut to its longest window, and asks once whether the others are as long: then it goes on
without what was found to change nothing, to the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from affectd.engine.artefact import INPUTS, OUTPUTS
from affectd.export.runtime import open_session

__all__ = ["add_shortcut", "along_shortcut"]

_RECURRENT = frozenset({"LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"})
_LENGTHS = 4
"""Which of their inputs says how long each sequence is."""
_STATES = (5, 6)
"""Which say where they start from; zeros if left out."""
_PREFIX = "whole/"
_TRIALS = ((1, 1), (3, 7))
"""How many windows in a batch, and every how manieth length they are tried on."""


@dataclass(frozen=True, slots=True)
class _Idle:
    """What does nothing to windows that are all as long as the tensor that holds them."""

    nodes: dict[str, str]
    """First output of each node that only hands an input on, and that input."""
    inputs: frozenset[tuple[str, int]]
    """First outputs of recurrent nodes, and an input: lengths that are all whole, or states that
    are all zero."""


def add_shortcut(graph: onnx.ModelProto, *, frames: Sequence[int], bands: int) -> onnx.ModelProto:
    """Return a graph that runs windows of one length without masks.

    A node is left out where, on random windows of every length and in batches of several sizes,
    its output is one of its inputs to the last bit; and only if it is one of those that
    the lengths of the windows reach.

    Args:
        graph: With the inputs and outputs of an artefact; it is left as it is.
        frames: The lengths that windows may have.
        bands: Mel bands.

    Returns:
        The new graph; the old one where nothing could be left out. Its ``attention`` has the steps
        of the longest window.
    """
    idle = _find_idle(graph, frames, bands)
    if not idle.nodes:
        return graph
    out = onnx.ModelProto()
    out.CopyFrom(graph)
    del out.graph.value_info[:]
    masked = list(out.graph.node)
    del out.graph.node[:]
    logmel, lengths = INPUTS
    names = {logmel: "logmel/cut"}
    then = _branch("whole", _bypassed(masked, idle, out.graph), names, out.graph)
    other = _branch("padded", masked, names, out.graph, prefix="padded/")
    out.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.int64), "cut/start"))
    out.graph.initializer.append(numpy_helper.from_array(np.ones(1, np.int64), "cut/axis"))
    node = helper.make_node
    out.graph.node.extend(
        [
            node("ReduceMax", [lengths], ["cut/longest"], keepdims=1, axes=[0]),
            node("ReduceMin", [lengths], ["cut/shortest"], keepdims=1, axes=[0]),
            node("Slice", [logmel, "cut/start", "cut/longest", "cut/axis"], [names[logmel]]),
            node("Equal", ["cut/longest", "cut/shortest"], ["cut/alike"]),
            node("If", ["cut/alike"], list(OUTPUTS), then_branch=then, else_branch=other),
        ]
    )
    onnx.checker.check_model(out)
    return out


def along_shortcut(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph that windows of one length go through; itself where there is one way."""
    split = next((node for node in graph.graph.node if node.op_type == "If"), None)
    if split is None:
        return graph
    branch = next(each.g for each in split.attribute if each.name == "then_branch")
    called = dict(zip((each.name for each in branch.output), split.output, strict=True))
    out = onnx.ModelProto()
    out.CopyFrom(graph)
    out.graph.node.remove(split)
    for old in branch.node:
        node = out.graph.node.add()
        node.CopyFrom(old)
        for tensors in (node.input, node.output):
            for place, name in enumerate(tensors):
                tensors[place] = called.get(name, name)
    return out


def _find_idle(graph: onnx.ModelProto, frames: Sequence[int], bands: int) -> _Idle:
    """Try every node that the windows' lengths reach on windows that fill their tensor."""
    steered, heard = _reached(graph, {INPUTS[1]}), _reached(graph, {INPUTS[0]})
    tried: dict[str, list[str]] = {}
    spared: dict[tuple[str, int], tuple[str, str]] = {}
    made = {name for node in graph.graph.node for name in node.output}
    for node in graph.graph.node:
        if node.op_type in _RECURRENT:
            for place in (_LENGTHS, *_STATES):
                name = node.input[place] if place < len(node.input) else ""
                if name in made:
                    spared[node.output[0], place] = (name, node.input[0])
            continue
        data = [name for name in node.input if name in heard]
        if data and any(name in steered and name not in heard for name in node.input):
            tried[node.output[0]] = data
    probes = {*tried, *(name for names in tried.values() for name in names)}
    probes |= {name for pair in spared.values() for name in pair}
    probes -= set(INPUTS)
    idle = {out: set(names) for out, names in tried.items()}
    if not idle:
        return _Idle({}, frozenset())
    watched = onnx.ModelProto()
    watched.CopyFrom(graph)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(probes))
    session = open_session(watched.SerializeToString())
    random = np.random.default_rng(0)
    for batch, every in _TRIALS:
        for length in frames[::every]:
            logmel = random.standard_normal((batch, length, bands), np.float32)
            lengths = np.full(batch, length, np.int64)
            feed: dict[str, npt.NDArray[np.generic]] = dict(
                zip(INPUTS, (logmel, lengths), strict=True)
            )
            values = feed | dict(zip(sorted(probes), session.run(None, feed), strict=True))
            for out, names in idle.items():
                names -= {name for name in names if not _same(values[out], values[name])}
            for (out, place), (name, sequence) in list(spared.items()):
                usual = len(values[sequence]) if place == _LENGTHS else 0
                if (values[name] != usual).any():
                    del spared[out, place]
    return _Idle({out: min(names) for out, names in idle.items() if names}, frozenset(spared))


def _same(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())


def _reached(graph: onnx.ModelProto, start: set[str]) -> set[str]:
    """Return the tensors whose values depend on some others' values, not on their shapes alone."""
    reached = set(start)
    for node in graph.graph.node:  # in topological order, as ONNX demands
        if node.op_type not in ("Shape", "Size") and reached.intersection(node.input):
            reached.update(node.output)
    return reached


def _bypassed(
    nodes: Sequence[onnx.NodeProto], idle: _Idle, graph: onnx.GraphProto
) -> list[onnx.NodeProto]:
    """Return the nodes without idle ones, and without what only those needed."""
    instead: dict[str, str] = {}
    kept: list[onnx.NodeProto] = []
    outputs = {each.name for each in graph.output}
    for old in nodes:
        node = onnx.NodeProto()
        node.CopyFrom(old)
        for place, name in enumerate(node.input):
            node.input[place] = instead.get(name, name)
        first = node.output[0]
        if first in idle.nodes:
            source = idle.nodes[first]
            if first not in outputs:
                instead[first] = instead.get(source, source)
                continue
            node = helper.make_node("Identity", [instead.get(source, source)], [first])
        for place in (_LENGTHS, *_STATES):
            if (first, place) in idle.inputs:
                node.input[place] = ""
        kept.append(node)
    kept = _without_round_trips(kept, graph)
    needed = set(outputs)
    for node in reversed(kept):
        if needed.intersection(node.output):
            needed.update(node.input)
    return [node for node in kept if needed.intersection(node.output)]


def _without_round_trips(
    nodes: Sequence[onnx.NodeProto], graph: onnx.GraphProto
) -> list[onnx.NodeProto]:
    """Leave out integers that become numbers only to become the same integers again."""
    constants = {each.name: each for each in graph.initializer}
    made_by = {output: node for node in nodes for output in node.output}

    def alike(a: str, b: str) -> bool:
        if a == b:
            return True
        if a not in constants or b not in constants:
            return False
        return _same(numpy_helper.to_array(constants[a]), numpy_helper.to_array(constants[b]))

    instead: dict[str, str] = {}
    kept: list[onnx.NodeProto] = []
    for node in nodes:
        for place, name in enumerate(node.input):
            node.input[place] = instead.get(name, name)
        before = made_by.get(node.input[0]) if node.input else None
        if (
            node.op_type == "QuantizeLinear"
            and before is not None
            and before.op_type == "DequantizeLinear"
            and all(alike(a, b) for a, b in zip(node.input[1:], before.input[1:], strict=True))
        ):
            instead[node.output[0]] = before.input[0]
            continue
        kept.append(node)
    return kept


def _branch(
    name: str,
    nodes: Sequence[onnx.NodeProto],
    renamed: dict[str, str],
    graph: onnx.GraphProto,
    prefix: str = _PREFIX,
) -> onnx.GraphProto:
    """Return nodes as a branch that takes its weights from the graph around it."""
    own = {output for node in nodes for output in node.output if output}
    names = renamed | {output: f"{prefix}{output}" for output in own}
    inside: list[onnx.NodeProto] = []
    for number, old in enumerate(nodes):
        node = onnx.NodeProto()
        node.CopyFrom(old)
        node.name = f"{prefix}{node.name or number}"
        for place, tensor in enumerate(node.input):
            node.input[place] = names.get(tensor, tensor)
        for place, tensor in enumerate(node.output):
            node.output[place] = names.get(tensor, tensor)
        inside.append(node)
    results = [
        helper.make_tensor_value_info(names[output], TensorProto.FLOAT, None) for output in OUTPUTS
    ]
    return helper.make_graph(inside, name, [], results)
