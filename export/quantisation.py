"""From an FP32 graph to integers: the hybrid recipe, and the one for graphics processors.

ONNX Runtime's dynamic quantiser alone turns convolutions into ConvInteger, which is slower than
FP32; its static one leaves LSTMs alone. So the convolutions, with the activations and poolings that
follow them, are quantised statically, with ranges seen on speech, and then the LSTMs and matrix
products dynamically.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from affectd.engine.artefact import INPUTS
from affectd.export.speech import Windows

__all__ = ["DYNAMIC", "STATIC", "Scheme", "prepare", "quantisable", "quantise"]

STATIC = ("Conv", "Relu", "MaxPool")
"""Quantised with ranges seen on speech. With the convolutions alone their neighbours would turn
every activation back to floating point in between."""
DYNAMIC = ("LSTM", "MatMul", "Gemm")
"""Quantised with the ranges of each window; on graphics processors the last two are static."""

Ranges = Literal["minmax", "percentile", "entropy"]
_METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}
_BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One way to quantise."""

    per_channel: bool = True
    """Whether each output channel of a weight has its own scale."""
    reduce_range: bool = False
    """Seven bits for weights: no overflow on processors without VNNI."""
    ranges: Ranges = "minmax"
    """How the ranges of activations are taken from the calibration windows."""
    recurrent: bool = True
    """Whether LSTMs and matrix products are quantised dynamically. Without, the graph has nothing
    but QuantizeLinear and DequantizeLinear, which is what CUDA and TensorRT can read."""
    excluded: tuple[str, ...] = ()
    """Nodes left in floating point."""

    def __str__(self) -> str:
        parts = [
            "hybrid" if self.recurrent else "QDQ only",
            "per channel" if self.per_channel else "per tensor",
            self.ranges,
        ]
        if self.reduce_range:
            parts.append("reduced range")
        if self.excluded:
            parts.append(f"without {', '.join(self.excluded)}")
        return ", ".join(parts)


def prepare(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph with known shapes and fused layers, as the quantisers want it."""
    # Where symbolic inference does not get through a graph, it leaves that graph, weights and all,
    # in the working directory, and raises; plain inference does for such ones.
    with _quiet(), tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        onnx.save(graph, before)
        try:
            quant_pre_process(before, after)
        except Exception as error:
            if str(error) != "Incomplete symbolic shape inference":
                raise
            quant_pre_process(before, after, skip_symbolic_shape=True)
        return onnx.load(after)


def quantisable(graph: onnx.ModelProto) -> list[str]:
    """Return the names of the nodes with weights that `quantise` would turn into integers."""
    weights = {tensor.name for tensor in graph.graph.initializer}
    kinds = {"Conv", *DYNAMIC}
    return [
        node.name
        for node in graph.graph.node
        if node.op_type in kinds and weights.intersection(node.input)
    ]


def quantise(graph: onnx.ModelProto, windows: Windows, scheme: Scheme) -> onnx.ModelProto:
    """Quantise a prepared graph.

    Args:
        graph: What `prepare` returned; it is left as it is.
        windows: Speech that the ranges are taken from.
        scheme: How.
    """
    kinds = {node.op_type for node in graph.graph.node if node.name not in scheme.excluded}
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        source, static, done = (Path(folder, f"{stage}.onnx") for stage in ("in", "static", "out"))
        onnx.save(graph, source)
        wanted = STATIC if scheme.recurrent else (*STATIC, "MatMul", "Gemm")
        if kinds.intersection({"Conv"} if scheme.recurrent else {"Conv", "MatMul", "Gemm"}):
            kind = QuantType.QUInt8 if scheme.recurrent else QuantType.QInt8
            quantize_static(
                source,
                static,
                _Reader(windows),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(wanted),
                nodes_to_exclude=list(scheme.excluded),
                per_channel=scheme.per_channel,
                reduce_range=scheme.reduce_range,
                activation_type=kind,
                weight_type=QuantType.QInt8,
                calibrate_method=_METHODS[scheme.ranges],
                # TensorRT reads no zero points.
                extra_options={"ActivationSymmetric": not scheme.recurrent},
            )
            source = static
        if scheme.recurrent and kinds.intersection(DYNAMIC):
            quantize_dynamic(
                source,
                done,
                op_types_to_quantize=list(DYNAMIC),
                # The dynamic quantiser takes each Gemm apart first, and names its product so.
                nodes_to_exclude=[
                    part for name in scheme.excluded for part in (name, f"{name}_MatMul")
                ],
                per_channel=scheme.per_channel,
                reduce_range=scheme.reduce_range,
                weight_type=QuantType.QInt8,
            )
            source = done
        return onnx.load(source)


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime carries no types
    """Hands windows over in batches of one shape, which the histograms of the ranges need."""

    def __init__(self, windows: Windows) -> None:
        self._batches = _batches(windows)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next batch, or `None` after the last."""
        return next(self._batches, None)


def _batches(windows: Windows) -> Iterator[dict[str, Any]]:
    longest = max(len(window) for window in windows.windows)
    whole = len(windows) // _BATCH * _BATCH or len(windows)
    for start in range(0, whole, _BATCH):
        chosen = windows.windows[start : start + _BATCH]
        logmel = np.zeros((len(chosen), longest, chosen[0].shape[1]), np.float32)
        for row, window in zip(logmel, chosen, strict=True):
            row[: len(window)] = window
        frames = np.array([len(window) for window in chosen], np.int64)
        yield dict(zip(INPUTS, (logmel, frames), strict=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantisers' advice from the terminal: what they advise is done before."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
