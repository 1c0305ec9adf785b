"""Unit tests of a voice's middle, by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from affectd.kernels.voice_middle import VoiceMiddle

OFFSETS = np.array([[2.0, 0.0], [0.0, 0.0]])
ANGRY, NEUTRAL = np.eye(2)


def unknown(prior_utterances: float = 3.0) -> VoiceMiddle:
    return VoiceMiddle.unknown(OFFSETS, prior_utterances=prior_utterances)


def test_nobody_knows_a_voice_that_has_said_nothing() -> None:
    np.testing.assert_array_equal(unknown().shift, [0, 0])


def test_the_prior_counts_as_many_utterances_as_it_says() -> None:
    middle = unknown(3.0)
    for _ in range(9):
        middle.hear([4.0, 8.0], NEUTRAL)
    np.testing.assert_allclose(middle.shift, [3.0, 6.0])


def test_one_emotion_alone_is_not_taken_for_the_voice() -> None:
    middle = unknown()
    for _ in range(50):
        middle.hear([2.0, 0.0], ANGRY)
    np.testing.assert_allclose(middle.shift, [0, 0], atol=1e-12)


def test_a_doubtful_emotion_is_taken_away_as_far_as_it_is_believed() -> None:
    middle = unknown(1.0)
    middle.hear([2.0, 0.0], [0.5, 0.5])
    np.testing.assert_allclose(middle.shift, [0.5, 0.0])


def test_the_middle_nears_that_of_the_voice() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([1.0, -3.0])
    middle = unknown()
    for _ in range(400):
        kind = int(rng.integers(2))
        middle.hear(truth + OFFSETS[kind] + rng.standard_normal(2), np.eye(2)[kind])
    np.testing.assert_allclose(middle.shift, truth, atol=0.2)


def test_a_voice_that_changes_is_followed() -> None:
    middle = unknown()
    for _ in range(500):
        middle.hear([10.0, 0.0], NEUTRAL)
    assert middle.utterances <= 201
    for _ in range(1_000):
        middle.hear([-10.0, 0.0], NEUTRAL)
    assert middle.shift[0] < -9


def test_what_is_kept_goes_on_as_if_nothing_had_happened() -> None:
    first, second = unknown(), unknown()
    first.hear([1.0, 2.0], [0.2, 0.8])
    first.hear_told([2.0, 0.5], 0)
    kept = json.loads(json.dumps(first.to_dict()))
    assert set(kept) == {"utterances", "told", "total"}
    second.take(kept)
    for middle in (first, second):
        middle.hear([3.0, 1.0], NEUTRAL)
    np.testing.assert_allclose(second.shift, first.shift, atol=1e-4)
    assert (second.utterances, second.told) == (first.utterances, first.told) == (3, 1)


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        ({"told": 0, "utterances": 1, "total": [1.0]}, "1 numbers"),
        ({"told": 0, "utterances": 1, "total": [1.0, float("nan")]}, "numbers"),
        ({"told": 0, "total": [1.0, 2.0]}, "cannot be"),
        ({"told": 0, "utterances": -2, "total": [1.0, 2.0]}, "cannot be"),
        ({"told": 0, "utterances": 1e9, "total": [1.0, 2.0]}, "cannot be"),
        ({"told": 0, "utterances": "1", "total": [1.0, 2.0]}, "cannot be"),
        ({"told": 2, "utterances": 1, "total": [1.0, 2.0]}, "told: that cannot be"),
        ({"told": 0, "utterances": 1, "total": ["a", {}]}, "are none"),
    ],
)
def test_what_is_damaged_or_of_another_model_is_refused(
    kept: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        unknown().take(kept)


def test_an_emotion_that_is_told_is_taken_away_whole() -> None:
    middle = unknown(1.0)
    middle.hear_told([2.0, 4.0], 0)
    np.testing.assert_allclose(middle.shift, [0, 2.0])
    assert middle.told == 1


def test_a_prior_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="prior_utterances is 0"):
        unknown(0.0)
