"""Unit tests of a voice's middle, by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from affectd.kernels.voice_middle import VoiceMiddle

OFFSETS = np.array([[2.0, 0.0], [0.0, 0.0]])
ANGRY, NEUTRAL = np.eye(2)
TOTALS = [[1.0, 2.0], [0.0, 0.0]]


def unknown() -> VoiceMiddle:
    return VoiceMiddle.unknown(OFFSETS)


def test_nobody_knows_a_voice_that_has_said_nothing() -> None:
    np.testing.assert_array_equal(unknown().middle, [0, 0])


def test_one_emotion_alone_is_not_taken_for_the_voice() -> None:
    middle = unknown()
    for _ in range(50):
        middle.hear([2.0, 0.0], ANGRY)
    np.testing.assert_allclose(middle.middle, [0, 0], atol=1e-12)


def test_a_doubtful_emotion_is_taken_away_as_far_as_it_is_believed() -> None:
    middle = unknown()
    middle.hear([2.0, 0.0], [0.5, 0.5])
    np.testing.assert_allclose(middle.middle, [1.0, 0.0])


def test_the_middle_nears_that_of_the_voice() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([1.0, -3.0])
    middle = unknown()
    for _ in range(400):
        kind = int(rng.integers(2))
        middle.hear(truth + OFFSETS[kind] + rng.standard_normal(2), np.eye(2)[kind])
    np.testing.assert_allclose(middle.middle, truth, atol=0.2)


def test_a_voice_that_changes_is_followed() -> None:
    middle = unknown()
    for _ in range(500):
        middle.hear([10.0, 0.0], NEUTRAL)
    assert middle.utterances <= 201
    for _ in range(1_000):
        middle.hear([-10.0, 0.0], NEUTRAL)
    assert middle.middle[0] < -9


def test_what_is_kept_goes_on_as_if_nothing_had_happened() -> None:
    first, second = unknown(), unknown()
    first.hear([1.0, 2.0], [0.2, 0.8])
    kept = json.loads(json.dumps(first.to_dict()))
    assert set(kept) == {"counts", "totals"}
    second.take(kept)
    for middle in (first, second):
        middle.hear([3.0, 1.0], NEUTRAL)
    np.testing.assert_allclose(second.middle, first.middle, atol=1e-4)
    assert second.utterances == first.utterances == 2
    assert second.weight == pytest.approx(first.weight)


def test_an_emotion_that_was_heard_often_does_not_drown_the_others() -> None:
    """The voice is angry in its own way, three above what anger gives others."""
    middle = unknown()
    for _ in range(100):
        middle.hear([5.0, 0.0], ANGRY)
    assert middle.weight == pytest.approx(100 / 31), "one emotion alone never tells all"
    for _ in range(10):
        middle.hear([0.0, 0.0], NEUTRAL)
    assert middle.middle[0] == pytest.approx(3 * (100 / 31) / (100 / 31 + 10 / 4))
    assert middle.utterances == 110


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        ({"counts": [1, 0], "totals": [1.0]}, "1 numbers"),
        ({"counts": [1, 0], "totals": [[1.0, float("nan")], [0, 0]]}, "numbers"),
        ({"totals": TOTALS}, "cannot be"),
        ({"counts": [-2, 3], "totals": TOTALS}, "cannot be"),
        ({"counts": [1e9, 0], "totals": TOTALS}, "cannot be"),
        ({"counts": [float("nan"), 0], "totals": TOTALS}, "cannot be"),
        ({"counts": 1, "totals": TOTALS}, "cannot be"),
        ({"counts": ["a", 1], "totals": TOTALS}, "are none"),
        ({"counts": [1, 0], "totals": [["a", {}], [1, 2]]}, "are none"),
    ],
)
def test_what_is_damaged_or_of_another_model_is_refused(
    kept: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        unknown().take(kept)
