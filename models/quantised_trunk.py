"""The encoder's blocks as whole numbers in ONNX Runtime: what the shipped artefact computes, fast.

A probe is learnt from what the quantised encoder says, so that quantisation costs it nothing.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from affectd.models.extra import need_inference_extra
from affectd.models.pooled_whisper import PooledWhisper
from affectd.models.whisper_trunk import BANDS, FRAMES, STEPS, Trunk

__all__ = ["QuantisedTrunk", "padded"]

Frames = npt.NDArray[np.float32]


class QuantisedTrunk:
    """Runs the encoder of a network; matrix products in eight bits, with each window's own ranges.

    Args:
        network: Has the encoder's weights.
    """

    def __init__(self, network: PooledWhisper) -> None:
        need_inference_extra("train")
        self._session = _session(_Layers(network.trunk, network.options.layers))

    def pool(self, window: Frames) -> Frames:
        """Return the mean and deviation of each layer over a window's valid steps.

        Args:
            window: Normalised, float32 ``(frames, bands)``, at least two frames.

        Returns:
            float32 ``(d,)``, as `affectd.models.pooled_whisper.statistics_of` orders them.
        """
        first = (FRAMES - len(window)) // 2
        pooled: list[Frames] = []
        for said in self._session.run(None, {"logmel": padded(window)[None]}):
            steps = said[0, first * said.shape[1] // STEPS :]
            pooled += [steps.mean(axis=0), steps.std(axis=0)]
        return np.concatenate(pooled)


def padded(window: Frames) -> Frames:
    """Return a window's frames after others of its minimum, float32 ``(FRAMES, BANDS)``."""
    whole = np.full((FRAMES, BANDS), window.min(), np.float32)
    whole[FRAMES - len(window) :] = window
    return whole


class _Layers(nn.Module):
    def __init__(self, trunk: Trunk, layers: tuple[int, ...]) -> None:
        super().__init__()
        self.trunk, self.layers = trunk, layers

    def forward(self, logmel: Tensor) -> tuple[Tensor, ...]:
        said = self.trunk.layers(logmel)
        return tuple(said[layer] for layer in self.layers)


def _session(module: nn.Module) -> Any:
    import onnxruntime as ort
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    here = Path.cwd()
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain, known, whole = (Path(folder, f"{stage}.onnx") for stage in ("a", "b", "c"))
            torch.onnx.export(
                module.eval(),
                (torch.zeros(1, FRAMES, BANDS),),
                plain,
                dynamo=False,
                opset_version=17,
                input_names=["logmel"],
            )
            # Shape inference leaves a file in the working directory where it falls short.
            os.chdir(folder)
            quant_pre_process(plain, known)
            quantize_dynamic(
                known,
                whole,
                op_types_to_quantize=["MatMul", "Gemm"],
                nodes_to_exclude=_stem(known),
                per_channel=True,
                weight_type=QuantType.QInt8,
            )
            options = ort.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            content = whole.read_bytes()
    finally:
        os.chdir(here)
        logging.disable(before)
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _stem(path: Path) -> list[str]:
    """Return the products of the stem, which stay in floating point: a few values see it all."""
    import onnx

    products = [node.name for node in onnx.load(path).graph.node if node.op_type == "MatMul"]
    return [name for name in products if "blocks" not in name and "ahead" not in name]
