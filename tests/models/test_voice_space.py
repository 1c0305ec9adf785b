"""Strangers lie off every known voice, and voices of a known corpus near one of them."""

from __future__ import annotations

import numpy as np
import pytest

from affectd.models.discriminant import Moments
from affectd.models.voice_space import AXES, Voice, VoiceSpace, voice_space

_WIDTH = 12


def spoken(rng: np.random.Generator, middle: np.ndarray, clips: int = 80) -> np.ndarray:
    return (middle + rng.normal(size=(clips, _WIDTH))).astype(np.float32)


def voice(values: np.ndarray) -> Voice:
    kinds = np.zeros(len(values), np.int64)
    return Voice(values, np.ones(len(values)), Moments.of(values, kinds, 1))


def corpus(rng: np.random.Generator, place: np.ndarray, voices: int) -> list[np.ndarray]:
    return [place + rng.normal(size=_WIDTH) * 0.7 for _ in range(voices)]


@pytest.fixture(scope="module")
def studios() -> dict[str, np.ndarray]:
    """Where three corpora lie; the third is between the others, and more like the second."""
    far = np.zeros((3, _WIDTH))
    far[0, :4], far[1, 4:8] = 9, 9
    far[2] = 0.35 * far[0] + 0.65 * far[1]
    return dict(zip(("one", "two", "strange"), far, strict=True))


@pytest.fixture(scope="module")
def known(studios: dict[str, np.ndarray]) -> VoiceSpace:
    rng = np.random.default_rng(1)
    return voice_space(
        {
            name: [voice(spoken(rng, middle)) for middle in corpus(rng, studios[name], 5)]
            for name in ("one", "two")
        }
    )


def test_a_new_voice_of_a_corpus_is_near_it_and_a_stranger_near_none(
    known: VoiceSpace, studios: dict[str, np.ndarray]
) -> None:
    rng = np.random.default_rng(2)
    found = {
        name: known.distances(spoken(rng, corpus(rng, place, 1)[0], 400))
        for name, place in studios.items()
    }
    own = [np.quantile(found[name][:, place], 0.9) for place, name in enumerate(("one", "two"))]
    assert max(own) < 4
    assert np.quantile(found["strange"].min(axis=1), 0.1) > max(own)
    assert np.quantile(found["one"][:, 1], 0.1) > max(own)


def test_distances_are_in_deviations_within_a_voice(known: VoiceSpace) -> None:
    rng = np.random.default_rng(3)
    axes = known.directions * known.scale
    placed = rng.normal(size=(4_000, _WIDTH)) @ axes.T
    # Not exactly one: the covariance is estimated, and shrunk.
    np.testing.assert_allclose(placed.std(axis=0), 1, atol=0.15)
    assert known.places.shape == (10, AXES)
    assert not known.allowance.any()


def test_how_a_clip_is_cut_into_windows_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    clips = spoken(rng, np.zeros(_WIDTH), 20)
    others = voice(spoken(rng, np.full(_WIDTH, 5.0)))
    twice = np.repeat(clips, 2, axis=0)
    whole = voice_space({"one": [voice(clips)], "two": [others]})
    cut = voice_space(
        {"one": [Voice(twice, np.full(40, 0.5), voice(clips).all_windows)], "two": [others]}
    )
    np.testing.assert_allclose(cut.distances(clips), whole.distances(clips), atol=1e-3)


def test_one_voice_alone_reaches_half_of_the_way_to_the_next() -> None:
    rng = np.random.default_rng(5)
    place = np.zeros(_WIDTH)
    place[0] = 20
    own, others = (
        spoken(rng, np.zeros(_WIDTH)),
        [voice(spoken(rng, place + 0.5 * rng.normal(size=_WIDTH))) for _ in range(3)],
    )
    known = voice_space({"lone": [voice(own)], "many": others})
    assert known.allowance[1] == 0
    nearest = np.linalg.norm(known.places[1:] - known.places[0], axis=1).min()
    assert known.allowance[0] == pytest.approx(nearest / 2)
    np.testing.assert_array_equal(known.distances(own)[:, 0], 0)


@pytest.mark.parametrize("voices", [{}, {"one": []}])
def test_without_voices_there_is_nothing_to_know(voices: dict[str, list[Voice]]) -> None:
    with pytest.raises(ValueError, match="no voices"):
        voice_space(voices)


def test_with_one_voice_alone_nothing_is_a_stranger() -> None:
    values = spoken(np.random.default_rng(6), np.zeros(_WIDTH))
    known = voice_space({"one": [voice(values)]})
    assert not known.distances(values + 100).any()
