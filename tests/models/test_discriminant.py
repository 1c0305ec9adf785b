"""The discriminant is scikit-learn's where that knows the answer, and is not misled by corpora."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from affectd.models.discriminant import (
    Discriminant,
    Moments,
    fit_discriminant,
    scatter_within,
    within_voices,
)


def cloud(
    rng: np.random.Generator, means: np.ndarray, count: int, offset: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    classes = np.repeat(np.arange(len(means)), count)
    noise = rng.normal(0, [1.0, 3.0, 0.5, 1.0], (len(classes), 4))
    return (means[classes] + noise + offset).astype(np.float32), classes


MEANS = np.array([[1, 0, 0, 0], [-1, 1, 0, 0], [0, -1, 0.5, 0]], float)


def test_without_shrinkage_it_is_fishers() -> None:
    vectors, classes = cloud(np.random.default_rng(0), MEANS, 300)
    scores = fit_discriminant(scatter_within(Moments.of(vectors, classes, 3)), shrinkage=1e-9)(
        vectors
    )
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


def test_a_class_that_was_subtracted_away_is_never_guessed() -> None:
    vectors, classes = cloud(np.random.default_rng(4), MEANS, 50)
    third = classes == 2
    left = Moments.of(vectors, classes, 3) - Moments.of(vectors[third], classes[third], 3)
    scores = fit_discriminant(scatter_within(left), shrinkage=0.1)(vectors)
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
    found = within_voices(parts[0] + parts[1] + parts[2] + parts[3], parts)
    apart = x.copy()
    for v in range(4):
        kinds = [(voices == v) & (classes == kind) for kind in range(3)]
        means = [np.average(x[own], axis=0, weights=weights[own]) for own in kinds if own.any()]
        apart[voices == v] -= np.mean(means, axis=0)
    expected = Moments.of(apart, classes, 3, weights=weights)
    np.testing.assert_allclose(found.counts, expected.counts)
    np.testing.assert_allclose(found.sums, expected.sums, atol=1e-4)
    np.testing.assert_allclose(found.squares, expected.squares, atol=1e-4)


@pytest.mark.parametrize("shrinkage", [0.0, 1.5])
def test_bad_settings_are_named(shrinkage: float) -> None:
    vectors, classes = cloud(np.random.default_rng(6), MEANS, 20)
    moments = Moments.of(vectors, classes, 3)
    with pytest.raises(ValueError, match=f"shrinkage is {shrinkage}"):
        fit_discriminant(scatter_within(moments), shrinkage=shrinkage)
    with pytest.raises(ValueError, match="fewer than two classes"):
        scatter_within(Moments.of(vectors, np.zeros_like(classes), 3))


def corpus_of(
    rng: np.random.Generator, voices: int, *, apart: float = 1.5, deviation: float = 1.0
) -> tuple[Moments, list[Moments]]:
    """Two classes that lie apart along two directions, along one of which voices do, too."""
    parts: list[Moments] = []
    for _ in range(voices):
        kinds = np.repeat([0, 1], 40)
        own = np.array([rng.normal(0, apart), 0.0])
        vectors = rng.normal(0, deviation, (80, 2)) + np.where(kinds, 1.0, -1.0)[:, None] + own
        parts.append(Moments.of(vectors.astype(np.float32), kinds, 2))
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    return whole, parts


def lean(found: Discriminant) -> float:
    """Return how much the direction counts in which voices differ, beside the other."""
    along = np.abs((found.weights[1] - found.weights[0]) * found.scale)
    return float(along[0] / along[1])


def test_directions_in_which_voices_differ_are_distrusted() -> None:
    whole, parts = corpus_of(np.random.default_rng(5), 6)
    plain = fit_discriminant(scatter_within(whole), shrinkage=0.01)
    wary = fit_discriminant(scatter_within(whole, parts), shrinkage=0.01, strangeness=5.0)
    unwary = fit_discriminant(scatter_within(whole, parts), shrinkage=0.01)
    np.testing.assert_array_equal(unwary.weights, plain.weights)
    assert lean(wary) < 0.5 * lean(plain)


def test_how_voices_differ_is_learnt_from_other_corpora_where_one_has_a_single_voice() -> None:
    rng = np.random.default_rng(7)
    own = scatter_within(*corpus_of(rng, 1))
    others = [scatter_within(*corpus_of(rng, 6)) for _ in range(2)]
    alone, helped = (
        fit_discriminant(
            own.beside(others, covariance=0.0, kinship=kinship), shrinkage=0.01, strangeness=5.0
        )
        for kinship in (0.0, 0.25)
    )
    assert lean(alone) > 0.8
    assert lean(helped) < 0.5


def test_other_corpora_share_their_covariance() -> None:
    rng = np.random.default_rng(8)
    own = scatter_within(*corpus_of(rng, 4))
    others = [scatter_within(*corpus_of(rng, count, deviation=3.0)) for count in (1, 4)]
    found = own.beside(others, covariance=0.25, kinship=0.0)
    theirs = (others[0].within + 2 * others[1].within) / 3  # by the root of their voices
    np.testing.assert_allclose(found.within, 0.75 * own.within + 0.25 * theirs)
    np.testing.assert_allclose(found.voices, own.voices)
    np.testing.assert_array_equal(found.means, own.means)
    assert own.beside([], covariance=0.25, kinship=0.25) is own


def test_of_corpora_whose_voices_are_not_told_apart_their_number_counts_all_the_same() -> None:
    rng = np.random.default_rng(10)
    own = scatter_within(corpus_of(rng, 4)[0])
    counts = (1, 4)
    others = [scatter_within(corpus_of(rng, count)[0], count=count) for count in counts]
    found = own.beside(others, covariance=0.25, kinship=0.25)
    theirs = (others[0].within + 2 * others[1].within) / 3
    np.testing.assert_allclose(found.within, 0.75 * own.within + 0.25 * theirs)
    assert found.voices is None


def test_a_voice_elsewhere_counts_as_much_as_it_is_said() -> None:
    rng = np.random.default_rng(9)
    own, other = scatter_within(*corpus_of(rng, 3)), scatter_within(*corpus_of(rng, 8))
    found = own.beside([other], covariance=0.0, kinship=0.5)
    np.testing.assert_allclose(found.voices, (3 * own.voices + 4 * other.voices) / 7)
    np.testing.assert_allclose(found.within, own.within)
