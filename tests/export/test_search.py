from __future__ import annotations

from pathlib import Path

import pytest

from affectd.export.conversion import to_onnx
from affectd.export.gates import Limits
from affectd.export.judge import Judge
from affectd.export.quantisation import Scheme
from affectd.export.search import Sensitivity, schemes, search
from affectd.export.speech import Speech, Windows, windows_at_hand
from affectd.models.checkpoint import Checkpoint
from affectd.models.scoring import torch_scorer


@pytest.fixture(scope="module")
def speech(checkpoint: Checkpoint) -> Speech:
    demo = windows_at_hand(checkpoint.recipe.windowing)
    few = Windows(demo.windows[::16], demo.source, demo.real)
    return Speech(compared=few, calibration=few)


def limits(parity: float | None, agreement: float | None = None) -> Limits:
    return Limits(
        speech=None,
        parity=parity,
        parity_mean=None,
        agreement=agreement,
        uar=None,
        latency=None,
        size=None,
    )


def judge(checkpoint: Checkpoint, speech: Speech, wanted: Limits) -> Judge:
    model = checkpoint.model()
    return Judge(
        torch_scorer(model),
        to_onnx(model, bands=64, frames=184).SerializeToString(),
        speech,
        windowing=checkpoint.recipe.windowing,
        labels=checkpoint.labels,
        limits=wanted,
    )


def test_layers_are_left_out_only_when_nothing_else_helped() -> None:
    asked: list[int] = []

    def sensitive() -> list[Sensitivity]:
        asked.append(1)
        return [Sensitivity(layer, 0.1) for layer in "abc"]

    tried = []
    for scheme in schemes(Scheme(), sensitive):
        tried.append(str(scheme))
        assert bool(asked) == ("without" in str(scheme))
    assert tried == [
        "hybrid, per channel, minmax",
        "hybrid, per tensor, minmax",
        "hybrid, per channel, minmax, reduced range",
        "hybrid, per channel, percentile",
        "hybrid, per channel, entropy",
        "hybrid, per channel, minmax, without a",
        "hybrid, per channel, minmax, without a, b",
    ]


def test_the_default_is_enough_where_it_passes(checkpoint: Checkpoint, speech: Speech) -> None:
    graph = to_onnx(checkpoint.model(), bands=64, frames=184)
    arbiter = judge(checkpoint, speech, limits(10.0))
    _, attempts, sensitivity = search(graph, speech.calibration, arbiter, Scheme())
    assert [attempt.scheme for attempt in attempts] == [Scheme()]
    assert not sensitivity


def test_where_nothing_passes_everything_was_tried(checkpoint: Checkpoint, speech: Speech) -> None:
    graph = to_onnx(checkpoint.model(), bands=64, frames=184)
    arbiter = judge(checkpoint, speech, limits(1e-9))
    _, attempts, sensitivity = search(graph, speech.calibration, arbiter, Scheme())
    assert len(attempts) == 9
    assert len(sensitivity) == 10
    means = [each.mean for each in sensitivity]
    assert means == sorted(means, reverse=True)
    assert not attempts[-1].judgement.accepted
    assert attempts[-1].judgement.latency_ms is not None


def test_missing_speech_is_not_searched_for(checkpoint: Checkpoint, tmp_path: Path) -> None:
    demo = windows_at_hand(checkpoint.recipe.windowing)
    few = Windows(demo.windows[:16], demo.source, demo.real)
    wanted = Limits(parity=None, parity_mean=None, agreement=None, uar=0.5, latency=None, size=None)
    speech = Speech(compared=few, calibration=few)
    graph = to_onnx(checkpoint.model(), bands=64, frames=184)
    _, attempts, _ = search(graph, few, judge(checkpoint, speech, wanted), Scheme())
    assert len(attempts) == 1
    assert [gate.name for gate in attempts[0].judgement.gates if not gate.passed] == [
        "speech",
        "uar",
    ]
