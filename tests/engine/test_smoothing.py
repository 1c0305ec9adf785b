"""Unit and property tests of calibration and smoothing, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectd.engine.protocol import Abstention
from affectd.engine.smoothing import Smoother, SmoothingSettings, posterior

SURE = {"snr_db": 20.0, "voiced_fraction": 0.9}


def smoother(**settings: float) -> Smoother:
    return Smoother(SmoothingSettings(**{"minimum_confidence": 0.0, **settings}))


def test_the_posterior_equals_a_hand_worked_softmax() -> None:
    logits = np.array([math.log(1), math.log(2), math.log(5)], np.float32)
    np.testing.assert_allclose(posterior(logits, 1.0), [0.125, 0.25, 0.625], atol=1e-7)
    # At temperature 2 the weights are the square roots: 1, √2, √5.
    total = 1 + math.sqrt(2) + math.sqrt(5)
    expected = [1 / total, math.sqrt(2) / total, math.sqrt(5) / total]
    np.testing.assert_allclose(posterior(logits, 2.0), expected, atol=1e-7)


@given(
    logits=st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=9),
    temperature=st.floats(0.01, 100),
)
def test_a_posterior_is_a_distribution_that_keeps_the_order(
    logits: list[float], temperature: float
) -> None:
    values = np.array(logits, np.float32)
    scores = posterior(values, temperature)
    assert all(isinstance(score, float) for score in scores), "JSON takes no other"
    assert sum(scores) == pytest.approx(1)
    assert min(scores) >= 0
    assert scores[values.argmax()] == max(scores)


def test_the_first_window_is_shown_as_it_is() -> None:
    scores = np.array([0.7, 0.3])
    decision = smoother().provisional(scores, 5.0, **SURE)
    np.testing.assert_array_equal(decision.scores, scores)
    assert decision.label == 0


def test_after_one_time_constant_63_percent_of_a_change_is_shown() -> None:
    filter_ = smoother(time_constant_seconds=0.5)
    filter_.provisional(np.array([1.0, 0.0]), 1.0, **SURE)
    decision = filter_.provisional(np.array([0.0, 1.0]), 1.5, **SURE)
    np.testing.assert_allclose(decision.scores, [math.exp(-1), 1 - math.exp(-1)])


@given(cuts=st.lists(st.floats(0.01, 1.99), max_size=10), constant=st.sampled_from([0.1, 0.5, 3.0]))
def test_the_constant_is_a_time_whatever_the_hop(cuts: list[float], constant: float) -> None:
    filter_ = smoother(time_constant_seconds=constant)
    filter_.provisional(np.array([1.0, 0.0]), 0.0, **SURE)
    for at in [*sorted(cuts), 2.0]:
        decision = filter_.provisional(np.array([0.0, 1.0]), at, **SURE)
    np.testing.assert_allclose(decision.scores[0], math.exp(-2 / constant), atol=1e-12)


def test_a_new_label_needs_the_margin() -> None:
    filter_ = smoother(switch_margin=0.1, time_constant_seconds=1e-6)
    shown = [
        filter_.provisional(np.array([first, 1 - first]), at, **SURE).label
        for at, first in enumerate([0.6, 0.46, 0.44, 0.54, 0.56])
    ]
    assert shown == [0, 0, 1, 1, 0]


def test_the_confidence_that_counts_is_the_shown_labels() -> None:
    filter_ = smoother(switch_margin=0.5, minimum_confidence=0.45, time_constant_seconds=1e-6)
    filter_.provisional(np.array([0.6, 0.4]), 0.0, **SURE)
    decision = filter_.provisional(np.array([0.4, 0.6]), 1.0, **SURE)
    assert (decision.label, decision.abstained) == (0, Abstention.UNCERTAIN)


def test_reset_forgets_the_past() -> None:
    filter_ = smoother(switch_margin=0.9)
    filter_.provisional(np.array([1.0, 0.0]), 0.0, **SURE)
    filter_.reset()
    decision = filter_.provisional(np.array([0.4, 0.6]), 0.1, **SURE)
    np.testing.assert_array_equal(decision.scores, [0.4, 0.6])
    assert decision.label == 1


def test_a_final_decision_is_not_smoothed_and_has_no_margin() -> None:
    filter_ = smoother(switch_margin=0.9)
    filter_.provisional(np.array([1.0, 0.0]), 0.0, **SURE)
    decision = filter_.final(np.array([0.49, 0.51]), **SURE)
    np.testing.assert_array_equal(decision.scores, [0.49, 0.51])
    assert decision.label == 1


@pytest.mark.parametrize(
    ("top", "snr_db", "voiced_fraction", "speech_likeness", "reason"),
    [
        (0.21, 3.0, 0.2, 0.8, None),
        (0.19, 3.0, 0.2, 0.8, Abstention.UNCERTAIN),
        (0.9, 2.9, 0.2, 0.8, Abstention.NOISY),
        (0.19, 2.9, 0.2, 0.3, Abstention.NOISY),
        (0.9, 30.0, 0.2, 0.79, Abstention.NOT_SPEECH),
        (0.19, 30.0, 0.2, 0.79, Abstention.NOT_SPEECH),
        (0.9, 30.0, 0.19, 0.8, Abstention.NOT_SPEECH),
        (0.19, 2.9, 0.19, 0.3, Abstention.NOT_SPEECH),
    ],
)
def test_abstention_names_the_gravest_reason(
    top: float,
    snr_db: float,
    voiced_fraction: float,
    speech_likeness: float,
    reason: Abstention | None,
) -> None:
    scores = np.array([top, *[(1 - top) / 6] * 6])
    filter_ = Smoother(SmoothingSettings())
    quality = {
        "snr_db": snr_db,
        "voiced_fraction": voiced_fraction,
        "speech_likeness": speech_likeness,
    }
    final = filter_.final(scores, **quality)
    shown = filter_.provisional(scores, 0.0, **quality)
    assert final.abstained == shown.abstained == reason
