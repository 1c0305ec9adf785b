"""The discriminant is scikit-learn's where that knows the answer, and is not misled by corpora."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from affectd.models.discriminant import Discriminant, Moments, fit_discriminant, within_voices


def cloud(
    rng: np.random.Generator, means: np.ndarray, count: int, offset: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    classes = np.repeat(np.arange(len(means)), count)
    noise = rng.normal(0, [1.0, 3.0, 0.5, 1.0], (len(classes), 4))
    return (means[classes] + noise + offset).astype(np.float32), classes


MEANS = np.array([[1, 0, 0, 0], [-1, 1, 0, 0], [0, -1, 0.5, 0]], float)


def test_without_shrinkage_it_is_fishers() -> None:
    vectors, classes = cloud(np.random.default_rng(0), MEANS, 300)
    scores = fit_discriminant([Moments.of(vectors, classes, 3)], shrinkage=1e-9)(vectors)
    oracle = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3).fit(vectors, classes)
    expected = oracle.decision_function(vectors)
    np.testing.assert_allclose(
        scores - scores.mean(1, keepdims=True),
        expected - expected.mean(1, keepdims=True),
        atol=2e-2,
    )


def test_moments_add_up_and_a_speaker_can_be_taken_away() -> None:
    rng = np.random.default_rng(1)
    first, second = cloud(rng, MEANS, 20), cloud(rng, MEANS, 30)
    both = Moments.of(*first, 3) + Moments.of(*second, 3)
    together = Moments.of(np.vstack([first[0], second[0]]), np.r_[first[1], second[1]], 3)
    left = both - Moments.of(*second, 3)
    for one, other in ((both, together), (left, Moments.of(*first, 3))):
        np.testing.assert_allclose(one.counts, other.counts)
        np.testing.assert_allclose(one.sums, other.sums, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(one.squares, other.squares, rtol=1e-4, atol=1e-2)


def test_weights_count_as_repetitions() -> None:
    vectors, classes = cloud(np.random.default_rng(2), MEANS, 10)
    weighted = Moments.of(vectors, classes, 3, weights=np.full(len(vectors), 3.0))
    repeated = Moments.of(np.repeat(vectors, 3, axis=0), np.repeat(classes, 3), 3)
    np.testing.assert_allclose(weighted.counts, repeated.counts)
    np.testing.assert_allclose(weighted.squares, repeated.squares, rtol=1e-4, atol=1e-3)


def test_a_class_of_one_corpus_is_not_what_that_corpus_sounds_like() -> None:
    rng = np.random.default_rng(3)
    offset = np.array([0.0, 0, 0, 12])
    first = cloud(rng, MEANS, 200, offset)
    second, classes = cloud(rng, MEANS, 200, -offset)
    some = classes < 2  # the other corpus lacks the third class
    parts = [Moments.of(*first, 3), Moments.of(second[some], classes[some], 3)]
    guessed = fit_discriminant(parts, shrinkage=0.01)(first[0]).argmax(1)
    pooled = fit_discriminant([parts[0] + parts[1]], shrinkage=0.01)(first[0]).argmax(1)
    assert np.mean(guessed == first[1]) > 0.6
    assert abs(np.mean(guessed == 2) - 1 / 3) < 0.05
    assert np.mean(pooled == 2) > 0.45


def test_a_class_that_was_subtracted_away_is_never_guessed() -> None:
    vectors, classes = cloud(np.random.default_rng(4), MEANS, 50)
    third = classes == 2
    left = Moments.of(vectors, classes, 3) - Moments.of(vectors[third], classes[third], 3)
    scores = fit_discriminant([left], shrinkage=0.1)(vectors)
    assert np.isneginf(scores[:, 2]).all()


def test_sums_within_voices_are_those_of_vectors_less_their_voices_middle() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(0, 1, (90, 4)).astype(np.float32)
    classes, voices = rng.integers(0, 3, 90), rng.integers(0, 4, 90)
    classes[(voices == 1) & (classes == 2)] = 0  # one voice has not spoken them all
    weights = rng.uniform(0.5, 2, 90)
    parts = [
        Moments.of(x[voices == v], classes[voices == v], 3, weights=weights[voices == v])
        for v in range(4)
    ]
    found = within_voices((parts[0] + parts[1] + parts[2] + parts[3]) * 0.3, parts)
    apart = x.copy()
    for v in range(4):
        kinds = [(voices == v) & (classes == kind) for kind in range(3)]
        means = [np.average(x[own], axis=0, weights=weights[own]) for own in kinds if own.any()]
        apart[voices == v] -= np.mean(means, axis=0)
    expected = Moments.of(apart, classes, 3, weights=0.3 * weights)
    np.testing.assert_allclose(found.counts, expected.counts)
    np.testing.assert_allclose(found.sums, expected.sums, atol=1e-4)
    np.testing.assert_allclose(found.squares, expected.squares, atol=1e-4)


@pytest.mark.parametrize("shrinkage", [0.0, 1.5])
def test_bad_settings_are_named(shrinkage: float) -> None:
    vectors, classes = cloud(np.random.default_rng(6), MEANS, 20)
    moments = Moments.of(vectors, classes, 3)
    with pytest.raises(ValueError, match=f"shrinkage is {shrinkage}"):
        fit_discriminant([moments], shrinkage=shrinkage)
    with pytest.raises(ValueError, match="fewer than two classes"):
        fit_discriminant([Moments.of(vectors, np.zeros_like(classes), 3)], shrinkage=0.5)


def test_directions_in_which_voices_differ_are_distrusted() -> None:
    rng = np.random.default_rng(5)
    # Two classes lie apart along two directions, along one of which voices do, too.
    vectors, classes, voices = [], [], []
    for voice in range(6):
        own = np.array([rng.normal(0, 1.5), 0.0])
        for kind, mean in ((0, [-1.0, -1.0]), (1, [1.0, 1.0])):
            vectors.append(rng.normal(0, 1, (40, 2)) + mean + own)
            classes += [kind] * 40
            voices += [voice] * 40
    x, y, who = np.concatenate(vectors).astype(np.float32), np.array(classes), np.array(voices)
    parts = [Moments.of(x[who == each], y[who == each], 2) for each in range(6)]
    whole = Moments.of(x, y, 2)
    plain = fit_discriminant([whole], shrinkage=0.01)
    wary = fit_discriminant([whole], shrinkage=0.01, voices=[parts], strangeness=5.0)
    unwary = fit_discriminant([whole], shrinkage=0.01, voices=[parts])
    np.testing.assert_array_equal(unwary.weights, plain.weights)

    def lean(found: Discriminant) -> float:
        along = np.abs((found.weights[1] - found.weights[0]) * found.scale)
        return float(along[0] / along[1])

    assert lean(wary) < 0.5 * lean(plain)
