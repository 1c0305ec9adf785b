"""Experts speak near their corpus's voices, each with the others' word beside its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from affectd.models.discriminant import Discriminant, Moments
from affectd.models.experts import (
    ABSENT,
    Confidence,
    blended,
    experts_of,
    judge_from,
    others_of,
    shares,
)
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
    scores = np.ones((3, 3, 2)) * [[[1.0], [2.0], [3.0]]]
    absent = np.zeros((3, 2), bool)
    absent[2, 1] = True
    judged = judge_from(scores, distances, absent, np.ones(2), confidence)
    np.testing.assert_allclose(judged[1], [6.0, ABSENT], atol=0.1)


def test_another_expert_has_no_word_on_a_kind_that_it_never_met() -> None:
    said = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 6.0], [7.0, 8.0, 0.0]])
    absent = np.array([[False] * 3, [False, True, False], [False, False, True]])
    others = others_of(said, absent)
    # The first one's own word stands for the second on kind 1, and for the third on kind 2.
    np.testing.assert_allclose(others[0], [(4 + 7) / 2, (2 + 8) / 2, (3 + 6) / 2])
    np.testing.assert_allclose(others[1], [(1 + 7) / 2, 0, (3 + 6) / 2])
    np.testing.assert_allclose(others_of(said[:1], absent[:1]), said[:1])


def test_the_more_voices_an_expert_knows_the_less_the_others_count() -> None:
    confidence = Confidence(sharpness=2.0, familiarity=1.5, slope=1.0, reach=1.0, company=2.0)
    said = np.array([[5.0, 5.0], [1.0, -1.0], [-3.0, 3.0]])
    absent = np.zeros((3, 2), bool)
    heard = blended(said, absent, np.array([4.0, 16.0]), confidence)
    np.testing.assert_allclose(heard[0], [10, 10], err_msg="strangers hear the mean as it is")
    np.testing.assert_allclose(heard[1], 3 * (0.5 * said[1] + 0.5 * said[2]))
    np.testing.assert_allclose(heard[2], 3 * (2 * said[2] + said[1]) / 3)


def test_experts_that_are_blended_say_what_is_blended_of_what_they_say() -> None:
    whole, part = discriminant([0.0, 1.0, 2.0]), discriminant([0.5, -np.inf, 0.0])
    experts = experts_of(["one", "two"], [whole, part], voices("one", "two"))
    confidence = Confidence(sharpness=2.0, familiarity=1.5, slope=1.0, reach=1.0, company=0.7)
    values = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    expected = blended(experts.scores(values), experts.absent, experts.voices.counts, confidence)
    np.testing.assert_allclose(experts.blended(confidence).scores(values), expected, atol=1e-5)
