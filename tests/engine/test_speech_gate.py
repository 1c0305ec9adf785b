"""Unit tests of the speech gate, on real speech and on sounds from formulas."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from affectd.bench.live_clip import cuts_of, hear, in_a_room
from affectd.bench.nonspeech import synthetic
from affectd.engine.classifier import Classifier
from affectd.engine.protocol import Abstention
from affectd.engine.session import SessionSettings
from affectd.engine.shipped import DEFAULT_MODEL, find_model
from affectd.engine.smoothing import SmoothingSettings
from affectd.engine.sources import DemoSource
from affectd.engine.speech_gate import SpeechGate
from affectd.kernels.front_end import FrontEnd

WHISPER = FrontEnd(fft_samples=400, hop_samples=160, bands=80)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(find_model(DEFAULT_MODEL))


def odds_of(
    samples: npt.NDArray[np.float32], classifier: Classifier, front_end: FrontEnd
) -> list[float]:
    artefact = classifier.metadata.model_copy(
        update={"front_end": front_end, "frame_sizes": (front_end.frames(48_000),)}
    )
    gate = SpeechGate(front_end)
    cuts = cuts_of(in_a_room(samples), artefact)
    return [gate.log_odds(window.cut.logmel) for window, _ in cuts]


@pytest.mark.parametrize("front_end", [FrontEnd(), WHISPER])
def test_speech_is_told_from_music_breath_and_claps(
    classifier: Classifier, front_end: FrontEnd
) -> None:
    demo = DemoSource(pace="fast", repeat=False)
    assert demo.rate == 16_000
    speech = [each for clip in demo.clips() for each in odds_of(clip, classifier, front_end)]
    others = [
        each
        for sound in synthetic(2, seed=9)
        for each in odds_of(sound.samples, classifier, front_end)
    ]
    assert np.mean(np.array(speech) > 0) > 0.9
    assert np.mean(np.array(others) > 0) < 0.2


def test_what_does_not_sound_like_speech_is_named_nothing(classifier: Classifier) -> None:
    breath = next(sound for sound in synthetic(1, seed=9) if sound.kind == "breath")
    room = in_a_room(breath.samples)
    heard = hear(room, classifier)
    assert heard
    assert {each.abstained for each in heard} <= {
        Abstention.NOT_SPEECH,
        Abstention.TOO_SHORT,
        Abstention.NOISY,
    }
    ungated = SessionSettings(
        smoothing=SmoothingSettings(minimum_speech_likeness=0, minimum_confidence=0)
    )
    assert any(each.label for each in hear(room, classifier, settings=ungated))


@pytest.mark.parametrize("log_odds", [-1e9, -3.0, 0.0, 3.0, np.inf])
def test_probability_lies_between_none_and_all(log_odds: float) -> None:
    expected = 1 / (1 + np.exp(-np.clip(log_odds, -60, 60)))
    assert SpeechGate.probability(log_odds) == pytest.approx(expected)
