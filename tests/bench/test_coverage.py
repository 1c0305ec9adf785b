"""What is made of windows by hand, and a short run with the shipped model."""

from __future__ import annotations

import numpy as np
import pytest

from affectd.bench.coverage import Judged, calibration, curve, measure_coverage
from affectd.bench.gate_fitting import Material, fit
from affectd.bench.listeners import listeners
from affectd.bench.live_clip import HeardWindow, in_a_room
from affectd.bench.nonspeech import SYNTHETIC, synthetic
from affectd.engine.segmenter import Cut
from affectd.models.calibration import expected_calibration_error


def judged(confidence: float, *, right: bool) -> Judged:
    scores = np.array([confidence, 1 - confidence])
    cut = Cut(1, 0, 1, 0, True, False, 1.0, 30.0, np.zeros((1, 64), np.float32))
    window = HeardWindow(cut, np.zeros(2, np.float32), scores, confidence, "angry", None)
    return Judged("emodb", window, right)


def test_the_surest_windows_come_first() -> None:
    windows = [judged(0.6, right=False), judged(0.9, right=True), judged(0.7, right=True)]
    points = curve(windows)
    assert [point["coverage"] for point in points] == [33.33, 66.67, 100]
    assert [point["accuracy"] for point in points] == [100, 100, 66.67]
    assert points[-1]["least_confidence"] == 0.6
    assert curve([]) == []


def test_the_calibration_error_is_that_of_training() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 300)
    right = rng.random(300) < confidence * 0.8
    found = calibration([judged(c, right=bool(r)) for c, r in zip(confidence, right, strict=True)])
    truth = np.where(right, 0, 1)
    expected = expected_calibration_error(np.stack((confidence, 1 - confidence), axis=1), truth)
    assert found["error"] == pytest.approx(100 * expected, abs=0.01)
    assert sum(each["share"] for each in found["reliability"]) == pytest.approx(100, abs=0.1)
    assert calibration([]) == {}


def test_every_kind_of_sound_is_made_and_none_twice() -> None:
    sounds = [*synthetic(2, seed=1)]
    assert [sound.kind for sound in sounds[::2]] == [*SYNTHETIC]
    for one, other in zip(sounds[::2], sounds[1::2], strict=True):
        assert np.isfinite(one.samples).all()
        assert np.abs(one.samples).max() == pytest.approx(0.3, abs=1e-3)
        assert not np.array_equal(one.samples, other.samples)
    for one, other in zip(sounds, synthetic(2, seed=1), strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)


def test_a_room_is_quiet_before_and_after() -> None:
    clip = np.full(16_000, 0.1, np.float32)
    room = in_a_room(clip)
    assert room.size == 16_000 + 16_000 + 12_800
    assert np.abs(room[:16_000]).max() < 1e-3 > np.abs(room[32_000:]).max()
    np.testing.assert_allclose(room[16_000:32_000], clip, atol=1e-3)


def test_the_gate_learns_what_tells_speech_and_says_what_it_takes_strangers_for() -> None:
    rng = np.random.default_rng(0)
    kinds = np.repeat(["emodb", "nemo", "rain", "dog"], 60)
    speech = np.isin(kinds, ["emodb", "nemo"])
    features = rng.standard_normal((240, 5)) * 3 + 7
    features[speech, 2] += 12
    told = fit(Material(features, kinds, speech))
    odds = features @ np.array(told["weights"]) + told["bias"]
    assert np.mean((odds > 0) == speech) > 0.95
    assert told["passed_when_left_out"]["dog"] < 20 < 80 < told["passed_when_left_out"]["nemo"]


def test_speech_is_named_and_other_sounds_are_not() -> None:
    with listeners() as asked:
        found = measure_coverage(asked, corpora=None, sounds=1)
    assert found["speech"]["withheld"] < 25
    assert found["speech"]["accuracy_where_named"] > 50
    assert found["synthesised"]["named"] < 25
    assert found["synthesised"]["sounds"] == len(SYNTHETIC)
    assert "recorded" not in found
    assert found["coverage"]["windows"][-1]["coverage"] == 100
