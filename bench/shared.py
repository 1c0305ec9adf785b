"""What a window would cost if windows shared their work: variants without training, timed."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

from affectd.bench.model import interleaved_ms, open_model
from affectd.bench.streaming_crnn import REACH_FRAMES, STEP_FRAMES, StreamingCrnn, Variant
from affectd.engine.artefact import INPUTS, OUTPUTS
from affectd.engine.shipped import find_model
from affectd.export.conversion import OPSET
from affectd.export.quantisation import DYNAMIC, STATIC
from affectd.models.crnn import CrnnOptions
from affectd.models.labels import LABELS
from affectd.models.recipes import load_recipe

__all__ = ["measure_shared"]

_RUNS = 200
_HOP_FRAMES = 16
"""256 ms: whole steps of the attention."""

_SHIPPED = "crnn-int8"
"""Whose network the variants change."""

Arrays = dict[str, npt.NDArray[Any]]


def measure_shared() -> dict[str, Any]:
    """Time one hop of `crnn` as it is shipped, and of the variants that share work between windows.

    The variants have its sizes, random weights, and are quantised in the same way. ``trunk`` runs
    the convolutions on the new frames, with as many before as those see, and the recurrent head on
    the steps of the whole window; ``causal`` runs an LSTM on the new steps alone, from the state of
    the last hop, and the attention on the window's.

    Returns:
        Milliseconds a hop of each, median and best, measured in turn.
    """
    recipe = load_recipe("crnn")
    values: dict[str, Any] = dict(recipe.options)
    values["channels"] = tuple(values["channels"])
    options = CrnnOptions(**values)
    bands, frames = recipe.front_end.bands, recipe.windowing.window_frames
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    new = random.standard_normal((1, REACH_FRAMES + _HOP_FRAMES, bands), np.float32)
    steps = -(-frames // STEP_FRAMES)
    window = dict(
        zip(
            INPUTS,
            (
                random.standard_normal((1, frames, bands), np.float32),
                np.array([frames], np.int64),
            ),
            strict=True,
        )
    )
    shipped = open_model(find_model(_SHIPPED), threads=1)
    ways = {"shipped, whole window": partial(shipped.run, OUTPUTS[:1], window)}
    with tempfile.TemporaryDirectory() as folder:
        for variant in ("trunk", "causal"):
            network = _network(bands, options, variant)
            trunk = _session(_Trunk(network), {"logmel": new}, Path(folder))
            made = random.standard_normal((1, _HOP_FRAMES // STEP_FRAMES, network.features))
            kept = random.standard_normal((1, steps, network.features), np.float32)
            if variant == "trunk":
                feed: Arrays = {"steps": kept}
                head = _session(_WindowHead(network), feed, Path(folder))
            else:
                state = np.zeros((2, 1, options.recurrent), np.float32)
                feed = {
                    "steps": made.astype(np.float32),
                    "hidden": state,
                    "cell": state.copy(),
                    "kept": kept[:, :, : options.recurrent].copy(),
                }
                head = _session(_CausalHead(network), feed, Path(folder))
            ways[f"{variant}, new frames"] = partial(trunk.run, None, {"logmel": new})
            ways[f"{variant}, head"] = partial(head.run, None, feed)
        taken = interleaved_ms(ways, runs=_RUNS)
    rows = [
        {"way": name, "ms": round(median, 3), "best ms": round(best, 3)}
        for name, (median, best) in taken.items()
    ]
    whole = taken["shipped, whole window"][0]
    sums = {
        variant: sum(taken[f"{variant}, {part}"][0] for part in ("new frames", "head"))
        for variant in ("trunk", "causal")
    }
    return {
        "model": _SHIPPED,
        "hop_frames": _HOP_FRAMES,
        "ways": rows,
        "times_faster": {variant: round(whole / ms, 2) for variant, ms in sums.items()},
    }


def _network(bands: int, options: CrnnOptions, variant: Variant) -> StreamingCrnn:
    network = StreamingCrnn(bands=bands, classes=len(LABELS), options=options, variant=variant)
    return network.eval()


class _Trunk(nn.Module):
    def __init__(self, network: StreamingCrnn) -> None:
        super().__init__()
        self.network = network

    def forward(self, logmel: Tensor) -> Tensor:
        return self.network.trunk(logmel)[:, REACH_FRAMES // STEP_FRAMES :]


class _WindowHead(nn.Module):
    def __init__(self, network: StreamingCrnn) -> None:
        super().__init__()
        self.network = network

    def forward(self, steps: Tensor) -> Tensor:
        heard = self.network.recurrent(steps)[0]
        return self.network.head(heard, torch.ones_like(heard[:, :, 0]))[0]


class _CausalHead(nn.Module):
    def __init__(self, network: StreamingCrnn) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, steps: Tensor, hidden: Tensor, cell: Tensor, kept: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        heard, (hidden, cell) = self.network.recurrent(steps, (hidden, cell))
        window = torch.cat([kept[:, steps.shape[1] :], heard], dim=1)
        logits = self.network.head(window, torch.ones_like(window[:, :, 0]))[0]
        return logits, hidden, cell, window


class _Once(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime carries no types
    def __init__(self, feeds: Sequence[Arrays]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Arrays | None:
        return next(self._feeds, None)


def _session(module: nn.Module, feed: Arrays, folder: Path) -> Any:
    """Return a session of a module in integers, quantised as the shipped model is."""
    plain, prepared, static, done = (
        folder / f"{type(module).__name__}-{stage}.onnx" for stage in ("fp32", "pre", "qdq", "int8")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(torch.from_numpy(each) for each in feed.values()),
            plain,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(feed),
        )
        quant_pre_process(plain, prepared)
        if isinstance(module, _Trunk):
            quantize_static(
                prepared,
                static,
                _Once([feed]),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(STATIC),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            prepared = static
        quantize_dynamic(
            prepared,
            done,
            op_types_to_quantize=list(DYNAMIC),
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
    return open_model(done, threads=1)
