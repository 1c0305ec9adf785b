"""A voice's own share is found whatever it was heard in, and one mood is not taken for a voice."""

from __future__ import annotations

import numpy as np
import pytest

from affectd.kernels.baseline import VoiceBaseline, VoiceModel

MEANS = np.array([[4.0, 0, 0], [0, 4, 0], [0, 0, 4]])
MODEL = VoiceModel(MEANS, 0.5 * np.eye(3), 4.0 * np.eye(3))
VOICE = np.array([2.0, -1.5, 0.5])


def utterances(emotions: list[int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return MEANS[emotions] + VOICE + rng.normal(0, 0.7, (len(emotions), 3))


def heard(emotions: list[int], **options: float) -> VoiceBaseline:
    baseline = VoiceBaseline(MODEL, **options)
    for scores in utterances(emotions):
        baseline.hear(scores)
    return baseline


def test_nothing_heard_is_nobodys_voice() -> None:
    assert not VoiceBaseline(MODEL).shift().any()


@pytest.mark.parametrize("emotions", [[0, 1, 2] * 7, [1] * 16 + [0, 2, 0, 2]])
def test_the_voice_is_found_whatever_the_share_of_each_emotion(emotions: list[int]) -> None:
    np.testing.assert_allclose(heard(emotions, doubt=1.0).shift(), VOICE, atol=0.5)


def test_one_mood_alone_is_still_heard_as_that_mood() -> None:
    baseline = heard([1] * 30)
    left = utterances([1] * 20, seed=1) - baseline.shift()
    assert (left.argmax(1) == 1).all()
    # Where the mean is taken for the voice, as is often done, the mood is lost.
    naive = utterances([1] * 20, seed=1) - utterances([1] * 30).mean(0)
    assert np.mean(naive.argmax(1) == 1) < 0.7


def test_known_emotions_need_fewer_utterances() -> None:
    baseline = VoiceBaseline(MODEL, doubt=1.0)
    for scores in utterances([2, 2, 2]):
        baseline.hear(scores, emotion=2)
    assert len(baseline) == 3
    assert np.abs(baseline.shift() - VOICE).max() < 1.0


def test_the_more_is_heard_the_less_the_prior_counts() -> None:
    far = []
    for count in (1, 4, 20):
        misses = []
        for seed in range(10):
            baseline = VoiceBaseline(MODEL)
            for scores in utterances([0, 1, 2] * count, seed):
                baseline.hear(scores)
            misses.append(np.linalg.norm(baseline.shift() - VOICE))
        far.append(np.mean(misses))
    assert far[0] > far[1] > far[2]


def test_what_voices_are_is_measured() -> None:
    rng = np.random.default_rng(0)
    voices = np.repeat(np.arange(40), 60)
    shares = rng.normal(0, 2, (40, 3))
    emotions = np.tile(np.repeat(np.arange(3), 20), 40)
    scores = MEANS[emotions] + shares[voices] + rng.normal(0, 0.7, (2_400, 3))
    model = VoiceModel.of(
        scores, emotions, voices.astype(str), count=3, weights=np.ones(len(scores))
    )
    np.testing.assert_allclose(model.means - model.means.mean(0), MEANS - MEANS.mean(0), atol=0.1)
    np.testing.assert_allclose(model.within, 0.49 * np.eye(3), atol=0.05)
    np.testing.assert_allclose(np.diag(model.between), [4, 4, 4], rtol=0.5)
