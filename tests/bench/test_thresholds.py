"""Thresholds chosen among windows made by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from affectd.bench.thresholds import CONFIDENCES, LIKENESSES, Heard, best
from affectd.engine.smoothing import SmoothingSettings


def sure_of(confidence: npt.ArrayLike, likeness: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return what is kept of windows of some confidence that sound so much like speech."""
    told, alike = np.asarray(confidence), np.asarray(likeness)
    return np.array([np.where(alike < least, -1.0, told) for least in LIKENESSES])


def heard(seed: int, *, alike: float) -> Heard:
    rng = np.random.default_rng(seed)
    speech = sure_of(rng.uniform(0.2, 1, 400), rng.uniform(0.8, 1, 400))
    noise = sure_of(rng.uniform(0.2, 1, 400), rng.uniform(0, alike, 400))
    return Heard(speech, {"ESC-10": noise})


def test_what_tells_speech_from_noise_is_chosen() -> None:
    found = best({"fast": heard(1, alike=0.8)})
    # From 0.8 on no noise passes, and no confidence need withhold any speech.
    assert found["minimum_speech_likeness"] == 0.8
    assert found["minimum_confidence"] == CONFIDENCES[0]
    assert found["models"]["fast"] == {"speech withheld": 0.0, "ESC-10 named": 0.0}
    assert found["worst"] == 0


def test_the_worst_of_the_models_decides() -> None:
    models = {"fast": heard(1, alike=0.6), "accurate": heard(2, alike=0.9)}
    assert best({"fast": models["fast"]})["minimum_speech_likeness"] < 0.8
    found = best(models)
    assert found["minimum_speech_likeness"] >= 0.8
    shares = [
        *(told["speech withheld"] / 10 for told in found["models"].values()),
        *(told["ESC-10 named"] / 5 for told in found["models"].values()),
    ]
    assert found["worst"] == pytest.approx(max(shares), abs=1e-3)


def test_the_engines_own_thresholds_are_among_those_tried() -> None:
    settings = SmoothingSettings()
    assert settings.minimum_speech_likeness in LIKENESSES
    assert settings.minimum_confidence in CONFIDENCES
