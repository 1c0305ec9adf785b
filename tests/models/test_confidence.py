"""How far experts are believed is what fits speech that they have not heard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from affectd.models.confidence import Trial, fit_confidence
from affectd.models.experts import Confidence, judge_from


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
        np.array([5.0]),
        truth,
        ((0,), (1,), (2,)),
        weight,
    )


def judged_by(one: Trial, confidence: Confidence) -> np.ndarray:
    return judge_from(one.parts, one.distances, one.absent, one.voices, confidence)


def test_where_experts_are_often_right_they_are_believed_more() -> None:
    rng = np.random.default_rng(2)
    trials = [trial(rng, 0.9, far=0.0), trial(rng, 0.5, far=1.0)]
    confidence = fit_confidence(trials)
    for each, right in zip(trials, (0.9, 0.5), strict=True):
        judged = judged_by(each, confidence)
        odds = np.exp(judged - judged.max(1, keepdims=True))
        mean = float((odds.max(1) / odds.sum(1)).mean())
        assert mean == pytest.approx(right, abs=0.05)


def heard_by_three(rng: np.random.Generator, corpus: str, *, chance: float) -> Trial:
    """Experts of three corpora near one's voices: its own errs by chance."""
    corpora = ("one", "two", "three")
    truth = rng.integers(0, 3, 600)
    own = corpora.index(corpus)
    parts = np.eye(3)[truth][:, None] + rng.normal(0, 1.0, (600, 4, 3))
    parts[:, 1 + own] = np.eye(3)[truth] + rng.normal(0, chance, (600, 3))
    absent = np.zeros((4, 3), bool)
    absent[3, 2] = True
    parts = np.where(absent, 0.0, parts)
    parts[:, 0] = parts[:, 1:].mean(axis=1)
    distances = np.full((600, 3), 40.0)
    distances[:, own] = 0.0
    voices = np.array([1.0, 25.0, 25.0])
    columns = ((0,), (1,), (2,))
    return Trial(corpus, corpora, parts, distances, absent, voices, truth, columns, 1.0)


def lost(trials: list[Trial], confidence: Confidence) -> float:
    found = 0.0
    for one in trials:
        judged = judged_by(one, confidence)
        judged = judged - np.logaddexp.reduce(judged, axis=1)[:, None]
        found -= judged[np.arange(len(judged)), one.truth].mean()
    return found / len(trials)


def test_company_is_what_makes_the_truth_likeliest() -> None:
    rng = np.random.default_rng(5)
    trials = [heard_by_three(rng, "one", chance=2.0), heard_by_three(rng, "two", chance=0.4)]
    confidence = fit_confidence(trials)
    assert confidence.company > 0.5
    least = lost(trials, confidence)
    for name in ("sharpness", "familiarity", "company"):
        for factor in (0.7, 1.4):
            other = replace(confidence, **{name: factor * getattr(confidence, name)})
            assert lost(trials, other) > least, (name, factor)


def test_without_trials_nothing_is_fitted() -> None:
    with pytest.raises(ValueError, match="no trials"):
        fit_confidence([])
