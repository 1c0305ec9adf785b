"""What is inside an artefact, and whether anybody changed it since it was exported."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError

from affectd.engine.artefact import INPUTS, OUTPUTS, ArtefactError, Metadata
from affectd.export.graph_hash import graph_sha256
from affectd.export.runtime import open_session
from affectd.export.shortcut import along_shortcut

__all__ = ["Inspection", "inspect", "open_artefact"]

_FLOATS: dict[int, str] = {
    onnx.TensorProto.FLOAT: "fp32",
    onnx.TensorProto.FLOAT16: "fp16",
    onnx.TensorProto.DOUBLE: "fp64",
}
_MOST_BYTES = 2 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found in an artefact."""

    path: Path
    size: int
    """Bytes."""
    metadata: Metadata
    operators: dict[str, dict[str, int]]
    """How many of each type run, by precision: ``int8``, ``fp16``, ``fp32``, ``other``.

    Where a graph has a shortcut for windows of one length, those on it."""
    parameters: int
    """Numbers in the weights; scales and zero points of a quantised graph count too."""
    providers: tuple[str, ...]
    """What runs it on this machine: not what is installed, but what a session says of itself."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "file": str(self.path),
            "bytes": self.size,
            "parameters": self.parameters,
            "providers": list(self.providers),
            "operators": self.operators,
            "metadata": {
                **self.metadata.model_dump(mode="json", exclude={"front_end", "voice_experts"}),
                "voice_experts": (experts := self.metadata.voice_experts) and experts.digest,
                "front_end": self.metadata.front_end.to_dict(),
            },
        }

    def __str__(self) -> str:
        metadata = self.metadata
        lines = [
            f"{self.path}: {metadata.name}, {metadata.precision} for {metadata.target}",
            f"  {self.size / 1e6:.2f} MB, {self.parameters:,} parameters",
            f"  runs here on {', '.join(self.providers) or 'nothing'}",
            f"  labels: {', '.join(metadata.labels)}",
            f"  temperature {metadata.temperature:.3f}; windows of {metadata.minimum_seconds:g} to "
            f"{metadata.window_seconds:g} s, padded to {metadata.frame_sizes} frames",
            f"  checkpoint {metadata.checkpoint_sha256}",
            f"  graph {metadata.graph_sha256 or 'without a hash'}",
        ]
        if metadata.voice_experts is not None:
            lines.append(f"  voice experts {metadata.voice_experts.digest}")
        if metadata.quantisation is not None:
            lines.append(f"  quantised: {metadata.quantisation.scheme}")
        for name, figure in sorted(metadata.uar.items()):
            lines.append(f"  UAR on {name}: {figure:.1f} %")
        for gate in metadata.gates:
            mark = "passed" if gate.passed else "allowed" if gate.allowed else "FAILED"
            figure_shown = "not measured" if gate.figure is None else f"{gate.figure:.4g}"
            lines.append(f"  gate {gate.name}: {figure_shown}, limit {gate.limit:g}, {mark}")
        for precision, kinds in self.operators.items():
            shown = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            lines.append(f"  {precision} operators: {shown}")
        lines.append(f"  {metadata.licence}")
        return "\n".join(lines)


def open_artefact(path: Path) -> tuple[onnx.ModelProto, Metadata]:
    """Read an artefact and check that it is whole, ours, and unchanged since its export.

    Raises:
        ArtefactError: it is not; the message names the file and the reason.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ArtefactError(f"{path}: it has more bytes than an ONNX file can have")
        content = path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}") from None
    if not content:
        raise ArtefactError(f"{path}: it is empty")
    try:
        proto = onnx.load_model_from_string(content)
    except DecodeError:
        raise ArtefactError(f"{path}: it is truncated, damaged, or no ONNX file") from None
    if not proto.graph.node:
        raise ArtefactError(f"{path}: it is an ONNX file without a graph, or no ONNX file")
    try:
        metadata = Metadata.from_props({prop.key: prop.value for prop in proto.metadata_props})
        _check_signature(proto, metadata)
        _check_weights(proto)
        if metadata.graph_sha256 not in (None, graph_sha256(proto)):
            raise ArtefactError(
                "its graph is not the one that was exported: metadata field 'graph_sha256' differs"
            )
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from None
    return proto, metadata


def inspect(path: Path) -> Inspection:
    """Return what is inside an artefact.

    Raises:
        ArtefactError: it cannot be used.
    """
    proto, metadata = open_artefact(path)
    content = path.read_bytes()
    return Inspection(
        path=path,
        size=len(content),
        metadata=metadata,
        operators=_operators(along_shortcut(proto)),
        parameters=sum(int(np.prod(weight.dims)) for weight in proto.graph.initializer),
        providers=_providers(content),
    )


def _check_signature(proto: onnx.ModelProto, metadata: Metadata) -> None:
    for names, values, what in (
        (INPUTS, proto.graph.input, "input"),
        (OUTPUTS, proto.graph.output, "output"),
    ):
        found = [value.name for value in values]
        for name in names:
            if name not in found:
                raise ArtefactError(f"it has no {what} {name!r}, only {sorted(found)}")
    shapes = {
        value.name: value.type.tensor_type.shape.dim
        for value in (*proto.graph.input, *proto.graph.output)
    }
    bands = shapes["logmel"][-1].dim_value if shapes["logmel"] else 0
    if bands != metadata.front_end.columns:
        raise ArtefactError(
            f"its input takes {bands} bands, its front end gives {metadata.front_end.columns}"
        )
    classes = shapes["logits"][-1].dim_value if shapes["logits"] else 0
    if classes != len(metadata.labels):
        raise ArtefactError(f"it has {classes} logits for {len(metadata.labels)} labels")


def _check_weights(proto: onnx.ModelProto) -> None:
    for weight in proto.graph.initializer:
        if weight.data_location == onnx.TensorProto.EXTERNAL:
            raise ArtefactError(f"tensor {weight.name!r} lies in another file")
        if weight.data_type in _FLOATS:
            try:
                values = onnx.numpy_helper.to_array(weight)
            except ValueError:
                raise ArtefactError(f"tensor {weight.name!r} is damaged") from None
            if not np.isfinite(values).all():
                raise ArtefactError(f"tensor {weight.name!r} holds NaN or infinity")


def _operators(proto: onnx.ModelProto) -> dict[str, dict[str, int]]:
    types = {weight.name: weight.data_type for weight in proto.graph.initializer}
    inferred = onnx.shape_inference.infer_shapes(proto)
    for value in (
        *inferred.graph.value_info,
        *inferred.graph.input,
        *inferred.graph.output,
    ):
        types[value.name] = value.type.tensor_type.elem_type
    between = _quantised(proto)
    counts: dict[str, Counter[str]] = {}
    for node in proto.graph.node:
        precision = _precision(node, types, between)
        counts.setdefault(precision, Counter())[node.op_type] += 1
    return {
        precision: dict(counts[precision].most_common())
        for precision in ("int8", "fp16", "fp32", "fp64", "other")
        if precision in counts
    }


def _quantised(proto: onnx.ModelProto) -> set[str]:
    """Return the nodes between DequantizeLinear and QuantizeLinear: they run in integers."""
    read = {name for node in _of_type(proto, "DequantizeLinear") for name in node.output}
    written = {node.input[0] for node in _of_type(proto, "QuantizeLinear")}
    return {
        node.name
        for node in proto.graph.node
        if read.issuperset(filter(None, node.input)) and written.intersection(node.output)
    }


def _of_type(proto: onnx.ModelProto, kind: str) -> list[onnx.NodeProto]:
    return [node for node in proto.graph.node if node.op_type == kind]


def _precision(node: onnx.NodeProto, types: dict[str, int], quantised: set[str]) -> str:
    if "Integer" in node.op_type or "Quantize" in node.op_type or node.name in quantised:
        return "int8"
    for name in (*node.input[:1], *node.output[:1]):
        if types.get(name) in _FLOATS:
            return _FLOATS[types[name]]
    return "other"


def _providers(content: bytes) -> tuple[str, ...]:
    """Try each provider; one that is listed but cannot run falls back without a word."""
    found: list[str] = []
    for provider in ort.get_available_providers():
        if provider == "AzureExecutionProvider":  # runs remote models alone
            continue
        try:
            session = open_session(content, providers=(provider,))
        except Exception:  # noqa: S112  # each provider has exceptions of its own
            continue
        if provider in session.get_providers():
            found.append(provider)
    return tuple(found)
