from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from affectd.export.conversion import to_onnx
from affectd.export.gates import Limits
from affectd.export.judge import Judge
from affectd.export.quantisation import Scheme, prepare
from affectd.export.search import Attempt, Sensitivity, schemes, schemes_without, search
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


def judge(
    checkpoint: Checkpoint, speech: Speech, wanted: Limits, *, allow: Sequence[str] = ()
) -> Judge:
    model = checkpoint.model()
    return Judge(
        torch_scorer(model),
        to_onnx(model, bands=64, frames=184).SerializeToString(),
        speech,
        windowing=checkpoint.recipe.windowing,
        labels=checkpoint.labels,
        allow=allow,
        limits=wanted,
    )


def test_layers_are_left_out_only_when_nothing_else_helped() -> None:
    assert [str(scheme) for scheme in schemes(Scheme())] == [
        "hybrid, per channel, minmax",
        "hybrid, per tensor, minmax",
        "hybrid, per channel, minmax, reduced range",
        "hybrid, per channel, percentile",
        "hybrid, per channel, entropy",
    ]
    sensitive = [Sensitivity(layer, 0.1) for layer in "abc"]
    assert [str(scheme) for scheme in schemes_without(Scheme(), sensitive)] == [
        "hybrid, per channel, minmax, without a",
        "hybrid, per channel, minmax, without a, b",
    ]


def test_of_those_that_are_let_pass_the_nearest_is_taken(
    checkpoint: Checkpoint, speech: Speech
) -> None:
    graph = to_onnx(checkpoint.model(), bands=64, frames=184)
    arbiter = judge(checkpoint, speech, limits(1e-9), allow=["parity"])
    found, attempts, sensitivity = search(graph, speech.calibration, arbiter, Scheme())
    assert {attempt.scheme for attempt in attempts} == set(schemes(Scheme()))
    assert not sensitivity, "no layer is left out for a gate that is let pass"

    def near(attempt: Attempt) -> tuple[float, float]:
        return attempt.judgement.parity.agreement, -attempt.judgement.parity.mean

    taken = attempts[-1]
    assert near(taken) == max(map(near, attempts))
    assert taken.judgement.accepted
    again = arbiter.judge(found.SerializeToString(), "int8", thorough=False)
    assert again.parity.mean == pytest.approx(taken.judgement.parity.mean, rel=1e-6)


def test_what_ranges_do_not_change_is_judged_once(checkpoint: Checkpoint, speech: Speech) -> None:
    graph = to_onnx(checkpoint.model(), bands=64, frames=184)
    arbiter = judge(checkpoint, speech, limits(1e-9), allow=["parity"])
    convolutions = [node.name for node in prepare(graph).graph.node if node.op_type == "Conv"]
    default = Scheme(excluded=tuple(convolutions))
    _, attempts, _ = search(graph, speech.calibration, arbiter, default)
    assert {attempt.scheme.ranges for attempt in attempts} == {default.ranges}
    assert len(attempts) > 1


def test_a_miss_that_is_not_of_likeness_is_not_searched_for(
    checkpoint: Checkpoint, speech: Speech
) -> None:
    graph = to_onnx(checkpoint.model(), bands=64, frames=184)
    wanted = Limits(
        speech=None,
        parity=10.0,
        parity_mean=None,
        agreement=None,
        uar=None,
        latency=1e-9,
        size=None,
    )
    arbiter = judge(checkpoint, speech, wanted, allow=["latency"])
    _, attempts, _ = search(graph, speech.calibration, arbiter, Scheme())
    assert [attempt.scheme for attempt in attempts] == [Scheme()], "nothing of parity was missed"


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
