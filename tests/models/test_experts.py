"""Experts speak near their corpus's voices, as sharply as fits what they never heard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from affectd.models.confidence import Trial, fit_confidence
from affectd.models.discriminant import Discriminant, Moments
from affectd.models.experts import ABSENT, Confidence, experts_of, judge_from, shares
from affectd.models.voice_space import Voice, VoiceSpace, voice_space


def discriminant(bias: list[float]) -> Discriminant:
    rng = np.random.default_rng(len(bias))
    return Discriminant(
        rng.normal(size=4), np.full(4, 2.0), rng.normal(size=(len(bias), 4)), np.array(bias)
    )


def voices(*corpora: str) -> VoiceSpace:
    rng = np.random.default_rng(1)
    told: dict[str, list[Voice]] = {}
    for corpus in corpora:
        values = rng.normal(size=(20, 4)).astype(np.float32)
        moments = Moments.of(values, np.zeros(20, np.int64), 1)
        told[corpus] = [Voice(values, np.ones(20), moments)]
    return voice_space(told)


def test_an_expert_ranks_as_its_discriminant_does() -> None:
    whole, part = discriminant([0.0, 1.0, 2.0]), discriminant([0.5, -np.inf, 0.0])
    experts = experts_of(["one", "two"], [whole, part], voices("one", "two"))
    values = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    said = experts.scores(values)
    for place, (one, kinds) in enumerate(((whole, [0, 1, 2]), (part, [0, 2])), 1):
        expected = one(values)[:, kinds]
        np.testing.assert_allclose(
            said[:, place, kinds], expected - expected.mean(1, keepdims=True), atol=1e-4
        )
    assert experts.absent.tolist() == [[False] * 3, [False] * 3, [False, True, False]]
    assert not said[:, 2, 1].any()
    np.testing.assert_allclose(said[:, 0], said[:, 1:].mean(axis=1), atol=1e-4)


def test_experts_count_alike_once_they_are_standardised() -> None:
    loud, quiet = discriminant([0.0, 1.0, 2.0]), discriminant([0.5, -np.inf, 0.0])
    loud = replace(loud, weights=50 * loud.weights)
    rng = np.random.default_rng(4)
    values = [rng.normal(size=(50, 4)).astype(np.float32) for _ in "ab"]
    experts = experts_of(["a", "b"], [loud, quiet], voices("a", "b")).standardised(values)
    first, second = experts.scores_of_each(values)
    assert first.std() == pytest.approx(1)
    assert second[:, [0, 2]].std() == pytest.approx(1)
    said = experts.scores(values[0])
    np.testing.assert_allclose(said[:, 0], said[:, 1:].mean(axis=1), atol=1e-5)


def test_what_is_near_no_corpus_is_judged_by_all_and_what_is_near_one_by_its_own() -> None:
    confidence = Confidence(sharpness=2.0, slope=0.5, reach=20.0)
    distances = np.array([[80.0, 70.0], [80.0, 0.0], [20.0, 80.0]])
    believed = shares(distances, confidence)
    np.testing.assert_allclose(believed.sum(1), 1)
    assert believed[0, 0] > 0.99
    assert believed[1, 2] > 0.99
    assert believed[2, 0] == pytest.approx(believed[2, 1])
    beside = shares(distances, replace(confidence, company=0.5))
    np.testing.assert_allclose(beside[:, 0], [1, 0.5, 0.75], atol=0.01)
    np.testing.assert_array_equal(beside[:, 1:], believed[:, 1:])
    scores = np.ones((3, 3, 2)) * [[[1.0], [2.0], [3.0]]]
    absent = np.zeros((3, 2), bool)
    absent[2, 1] = True
    judged = judge_from(np.where(absent, 0, scores), distances, absent, confidence)
    np.testing.assert_allclose(judged[1], [6.0, ABSENT], atol=0.1)


def trial(rng: np.random.Generator, right: float, *, far: float, weight: float = 1.0) -> Trial:
    """Experts of equal mind, who are right as often as said and a little far or near."""
    truth = rng.integers(0, 3, 600)
    told = np.where(rng.random(600) < right, truth, (truth + rng.integers(1, 3, 600)) % 3)
    parts = np.repeat((4 * np.eye(3)[told])[:, None], 2, axis=1)
    return Trial(
        "one" if far < 0.5 else "another",
        ("one",),
        parts,
        np.full((600, 1), 40.0 * far) + rng.normal(0, 5, (600, 1)),
        np.zeros((2, 3), bool),
        truth,
        ((0,), (1,), (2,)),
        weight,
    )


def test_where_experts_are_often_right_they_are_believed_more() -> None:
    rng = np.random.default_rng(2)
    trials = [trial(rng, 0.9, far=0.0), trial(rng, 0.5, far=1.0)]
    confidence = fit_confidence(trials)
    for each, right in zip(trials, (0.9, 0.5), strict=True):
        judged = judge_from(each.parts, each.distances, each.absent, confidence)
        odds = np.exp(judged - judged.max(1, keepdims=True))
        mean = float((odds.max(1) / odds.sum(1)).mean())
        assert mean == pytest.approx(right, abs=0.05)


def test_without_trials_nothing_is_fitted() -> None:
    with pytest.raises(ValueError, match="no trials"):
        fit_confidence([])
