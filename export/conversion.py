"""From a checkpoint's model to an ONNX graph with a dynamic batch and dynamic frames."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from affectd.engine.artefact import INPUTS, OUTPUTS
from affectd.export.forest import with_trees
from affectd.models.forest import Forest

__all__ = ["OPSET", "to_onnx"]

OPSET = 17

# What torch says of every LSTM of variable length. Parity with several batches and lengths is
# checked afterwards on the graph itself, which is what these warnings ask for.
_EXPECTED_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    (r"You are using the legacy TorchScript-based ONNX export", DeprecationWarning),
    (r"The feature will be removed\. Please remove usage of this function", DeprecationWarning),
    (r"Converting a tensor to a Python boolean", Warning),
    (r"Constant folding - Only steps=1 can be constant folded", UserWarning),
    (r"Exporting a model to ONNX with a batch_size other than 1", UserWarning),
)


def to_onnx(model: nn.Module, *, bands: int, frames: int) -> onnx.ModelProto:
    """Return a model as an FP32 ONNX graph.

    The legacy exporter is used: with torch 2.13 its successor freezes a batch of one and fails on
    dynamic time with pooling over time.

    Args:
        model: Takes ``(logmel, frames)``; returns what `affectd.engine.artefact.OUTPUTS` names.
        bands: Mel bands of the input.
        frames: Length of the example window; the graph takes any other.
    """
    example = (torch.zeros(2, frames, bands), torch.tensor([frames, max(frames // 2, 1)]))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        file = Path(folder, "model.onnx")
        for message, category in _EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=message, category=category)
        torch.onnx.export(
            model.eval(),
            example,
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes={
                "logmel": {0: "batch", 1: "frames"},
                "frames": {0: "batch"},
                "logits": {0: "batch"},
                "embedding": {0: "batch"},
                "attention": {0: "batch", 1: "steps"},
            },
        )
        graph = onnx.load(file)
    if isinstance(model, Forest):
        return with_trees(graph, model)
    return graph
