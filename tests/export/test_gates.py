from __future__ import annotations

import pytest

from affectd.export.gates import GATES, check_names, describe, failed, hold, limits_for

GOOD = {
    "speech": 512.0,
    "parity": 0.1,
    "parity-mean": 0.01,
    "agreement": 0.99,
    "uar": -0.1,
    "latency": 0.5,
    "size": 0.26,
}
INT8 = limits_for("int8", "cpu")


def test_figures_within_their_limits_pass() -> None:
    gates = hold(GOOD, INT8)
    assert [gate.name for gate in gates] == list(GATES)
    assert all(gate.passed and not gate.allowed for gate in gates)


@pytest.mark.parametrize(
    ("name", "figure", "clause"),
    [
        ("speech", 139.0, "compared is 139, needed is at least 500: missed by 361"),
        ("parity", 0.75, "logit is 0.75, needed is at most 0.5: missed by 0.25"),
        ("parity-mean", float("inf"), "logits is inf, needed is at most 0.05"),
        ("agreement", 0.9712, "is 97.12 %, needed is at least 98.00 %: missed by 0.88 %"),
        ("uar", 0.501, "is 0.50 points, needed is at most 0.50 points: missed by 0.001 points"),
        ("latency", 1.25, "is 1.25 times, needed is at most 1.00 times: missed by 0.25 times"),
        ("size", 0.3231, "is 32.3 %, needed is at most 30.0 %: missed by 2.3 %"),
        ("uar", None, "was not measured for want of labelled speech"),
        ("parity", float("nan"), "logit is nan, needed is at most 0.5"),
    ],
)
def test_a_miss_says_which_gate_and_by_how_much(
    name: str, figure: float | None, clause: str
) -> None:
    (miss,) = failed(hold({**GOOD, name: figure}, INT8))
    assert miss.name == name
    assert describe(miss).startswith(f"{name}: ")
    assert clause in describe(miss)


def test_a_model_that_has_heard_every_speaker_is_told_so() -> None:
    figures = {**GOOD, "uar": None}
    (miss,) = failed(hold(figures, INT8))
    assert describe(miss, all_heard=True) == (
        "uar: UAR lost on unheard speakers was not measured, for every speaker at hand was heard "
        "in training; needed is at most 0.50 points; --allow uar lets it pass"
    )
    allowed = {gate.name: gate for gate in hold(figures, INT8, allow=["uar"])}["uar"]
    assert describe(allowed, all_heard=True).endswith("needed is at most 0.50 points")


def test_an_allowed_miss_is_recorded_and_rejects_nothing() -> None:
    gates = hold({**GOOD, "size": 0.5}, INT8, allow=["size", "uar"])
    assert not failed(gates)
    assert {gate.name: gate.allowed for gate in gates if not gate.passed} == {"size": True}
    assert not any(gate.allowed for gate in gates if gate.passed)


def test_graphics_processors_are_not_timed_on_the_cpu() -> None:
    assert limits_for("int8", "cuda").latency is None
    assert limits_for("fp16", "cpu").latency is None
    assert limits_for("int8", "cpu").latency == 1


def test_an_unknown_gate_is_named() -> None:
    with pytest.raises(ValueError, match="no gate 'agrement'; did you mean agreement"):
        check_names(["agrement"])
