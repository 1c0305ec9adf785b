"""Looks for a way to quantise that passes the gates, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx

from affectd.export.judge import Judge, Judgement
from affectd.export.parity import logits_of
from affectd.export.quantisation import Scheme, prepare, quantisable, quantise
from affectd.export.runtime import scorer_of
from affectd.export.shortcut import add_shortcut
from affectd.export.speech import Windows
from affectd.export.stem import gather_in_blocks

__all__ = [
    "Attempt",
    "Sensitivity",
    "measure_sensitivity",
    "schemes",
    "schemes_without",
    "search",
]

_EXCLUDED = (1, 2, 4)
"""How many of the most sensitive layers are left out, in turn."""
_SENSITIVITY_WINDOWS = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way that was tried."""

    scheme: Scheme
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What quantising one layer alone does."""

    layer: str
    mean: float
    """Mean difference of the logits."""


def schemes(default: Scheme, *, ranges: bool = True) -> Iterator[Scheme]:
    """Yield ways to quantise as much as the default does.

    Args:
        default: The first of them.
        ranges: Whether something is quantised with ranges seen on speech.
    """
    yield default
    yield replace(default, per_channel=False)
    yield replace(default, reduce_range=True)
    if ranges:
        yield replace(default, ranges="percentile")
        yield replace(default, ranges="entropy")


def schemes_without(default: Scheme, sensitive: Sequence[Sensitivity]) -> Iterator[Scheme]:
    """Yield ways to quantise less: without the most sensitive layers, ever more of them."""
    layers = [each.layer for each in sensitive if each.layer not in default.excluded]
    for count in _EXCLUDED:
        if count < len(layers):
            yield replace(default, excluded=(*default.excluded, *layers[:count]))


def search(
    graph: onnx.ModelProto, calibration: Windows, judge: Judge, default: Scheme
) -> tuple[onnx.ModelProto, tuple[Attempt, ...], tuple[Sensitivity, ...]]:
    """Quantise in one way after the other until one passes.

    Where one passes only because a gate of likeness is let pass, the others that quantise as much
    are tried, too: the first that needs no such leave is taken, and if all do, of those that are
    accepted the one whose labels agree most with FP32's. Where none passes, the last attempt is
    the one nearest to FP32, measured in full.

    Args:
        graph: The FP32 graph.
        calibration: Speech that the ranges are taken from.
        judge: Decides.
        default: The way to try first.

    Returns:
        The graph of the last attempt, all attempts, and the layers' sensitivities, the highest
        first, empty where they were not needed.
    """
    prepared = prepare(graph)
    if default.recurrent:
        prepared = gather_in_blocks(prepared)
    attempts: list[Attempt] = []

    def made(scheme: Scheme) -> onnx.ModelProto:
        quantised = quantise(prepared, calibration, scheme)
        if not scheme.recurrent:
            return quantised  # graphics processors would have to ask which way to go
        windowing = judge.windowing
        lengths = range(1, windowing.window_frames + 1)
        return add_shortcut(quantised, frames=lengths, bands=windowing.front_end.bands)

    def tried(scheme: Scheme) -> tuple[onnx.ModelProto, Judgement]:
        quantised = made(scheme)
        judgement = judge.judge(quantised.SerializeToString(), "int8", thorough=False)
        attempts.append(Attempt(scheme, judgement))
        return quantised, judgement

    for scheme in schemes(default, ranges=_has_ranges(prepared, default)):
        quantised, judgement = tried(scheme)
        if not (judgement.mendable or judgement.excused):
            return quantised, tuple(attempts), ()
    if excused := [attempt for attempt in attempts if attempt.judgement.excused]:
        nearest = max(excused, key=lambda attempt: _likeness(attempt.judgement))
        others = [attempt for attempt in attempts if attempt is not nearest]
        return made(nearest.scheme), (*others, nearest), ()
    sensitive = tuple(measure_sensitivity(prepared, calibration, default))
    for scheme in schemes_without(default, sensitive):
        quantised, judgement = tried(scheme)
        if not judgement.mendable:
            return quantised, tuple(attempts), sensitive
    nearest = max(attempts, key=lambda attempt: _nearness(attempt.judgement))
    quantised = made(nearest.scheme)
    judgement = judge.judge(quantised.SerializeToString(), "int8")
    return quantised, (*attempts, Attempt(nearest.scheme, judgement)), sensitive


def measure_sensitivity(
    prepared: onnx.ModelProto, calibration: Windows, default: Scheme
) -> list[Sensitivity]:
    """Quantise each layer alone and return what it does to the logits, the worst first."""
    windows = Windows(
        calibration.windows[:_SENSITIVITY_WINDOWS], calibration.source, calibration.real
    )
    expected = logits_of(scorer_of(prepared.SerializeToString()), windows)
    layers = quantisable(prepared)
    if not default.recurrent:
        recurrent = {node.name for node in prepared.graph.node if node.op_type == "LSTM"}
        layers = [layer for layer in layers if layer not in recurrent]
    found: list[Sensitivity] = []
    for layer in layers:
        others = tuple(name for name in layers if name != layer)
        alone = quantise(prepared, windows, replace(default, excluded=others))
        logits = logits_of(scorer_of(alone.SerializeToString()), windows)
        found.append(Sensitivity(layer, float(np.abs(logits - expected).mean())))
    return sorted(found, key=lambda each: each.mean, reverse=True)


def _has_ranges(prepared: onnx.ModelProto, scheme: Scheme) -> bool:
    """Return whether a scheme quantises something statically: else ranges change nothing."""
    return not scheme.recurrent or any(
        node.op_type == "Conv" and node.name not in scheme.excluded for node in prepared.graph.node
    )


def _nearness(judgement: Judgement) -> tuple[int, float, float]:
    misses = sum(not gate.passed for gate in judgement.gates)
    return -misses, *_likeness(judgement)


def _likeness(judgement: Judgement) -> tuple[float, float]:
    """Return what is greater the more like FP32 a graph is; nothing of it needs labels."""
    return judgement.parity.agreement, -judgement.parity.mean
