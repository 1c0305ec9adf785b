"""Unit: what a stream's baseline learns from, and what it makes of a window; by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.engine.fake_classifier import LABELS, fake_metadata
from tests.engine.voice_artefact import random_experts

from affectd.engine.protocol import Abstention
from affectd.engine.segmenter import Cut
from affectd.engine.smoothing import posterior
from affectd.engine.voice_baseline import VoiceBaseline, VoiceError

EXPERTS = random_experts(4, experts=2, outputs=5)
METADATA = fake_metadata(voice_experts=EXPERTS)
RNG = np.random.default_rng(1)
VECTORS = RNG.normal(0, 1, (6, EXPERTS.size)).astype(np.float32)
LOGITS = RNG.normal(0, 1, (6, 4)).astype(np.float32)


def cut(utterance: int = 1, *, final: bool = False, full: bool = False) -> Cut:
    return Cut(
        utterance=utterance,
        start=100 if full else 0,
        end=1_000,
        utterance_start=0,
        final=final,
        too_short=False,
        voiced_fraction=1.0,
        snr_db=30.0,
        logmel=np.zeros((1, 1), np.float32),
    )


def speak(baseline: VoiceBaseline, place: int, abstained: Abstention | None = None) -> None:
    baseline.follow(cut(place, final=True), LOGITS[place], VECTORS[place])
    baseline.settle(abstained)


def test_a_voice_that_nobody_has_heard_changes_nothing() -> None:
    known = VoiceBaseline(METADATA).beside(LOGITS[0], VECTORS[0])
    np.testing.assert_allclose(known, LOGITS[0], rtol=1e-6)


def test_utterances_of_one_number_are_two_where_another_recording_begins() -> None:
    numbered, alike = VoiceBaseline(METADATA), VoiceBaseline(METADATA)
    for place in (1, 2):
        speak(numbered, place)
        alike.follow(cut(1, final=True), LOGITS[place], VECTORS[place])
        alike.settle(None)
    assert alike.kept == numbered.kept
    # Nor does one that said nothing of the voice leak into the next.
    alike.follow(cut(1, final=True), LOGITS[3], VECTORS[3])
    alike.settle(Abstention.NOISY)
    speak(numbered, 4)
    alike.follow(cut(1, final=True), LOGITS[4], VECTORS[4])
    alike.settle(None)
    assert alike.kept == numbered.kept


def test_what_is_known_counts_beside_the_calibrated_logits() -> None:
    baseline, voice = VoiceBaseline(METADATA), EXPERTS.middle()
    for place in (1, 2):
        speak(baseline, place)
        believed = posterior(LOGITS[place], METADATA.temperature)
        EXPERTS.hear(voice, VECTORS[place].astype(np.float64), believed)
    assert baseline.utterances == 2
    both = EXPERTS.beside(LOGITS[:1] / METADATA.temperature, VECTORS[:1], voice)[0]
    known = baseline.beside(LOGITS[0], VECTORS[0])
    np.testing.assert_allclose(known / METADATA.temperature, both, rtol=1e-5)
    assert np.abs(known - LOGITS[0]).max() > 0.1


@pytest.mark.parametrize("why", list(Abstention))
def test_only_speech_is_learnt_from(why: Abstention) -> None:
    baseline = VoiceBaseline(METADATA)
    before = baseline.kept
    speak(baseline, 1, why)
    learnt = why is Abstention.UNCERTAIN
    assert baseline.utterances == learnt
    assert (baseline.kept != before) == learnt


def test_an_utterance_is_the_mean_of_those_windows_that_its_verdict_is_of() -> None:
    baseline, alone = VoiceBaseline(METADATA), VoiceBaseline(METADATA)
    baseline.follow(cut(), LOGITS[0], VECTORS[0])  # part of the next window
    baseline.follow(cut(full=True), LOGITS[1], VECTORS[1])
    baseline.follow(cut(full=True, final=True), LOGITS[2], VECTORS[2])
    baseline.settle(None)
    temperature = METADATA.temperature
    believed = np.mean([posterior(each, temperature) for each in LOGITS[1:3]], axis=0)
    logits = (temperature * np.log(believed)).astype(np.float32)
    alone.follow(cut(final=True), logits, VECTORS[1:3].mean(axis=0))
    alone.settle(None)
    np.testing.assert_allclose(baseline.kept["totals"], alone.kept["totals"], atol=1e-4)


def test_an_utterance_that_was_never_ended_is_forgotten() -> None:
    baseline, other = VoiceBaseline(METADATA), VoiceBaseline(METADATA)
    baseline.follow(cut(1, full=True), LOGITS[0], VECTORS[0])
    for each in (baseline, other):
        speak(each, 2)
    assert baseline.kept == other.kept


def test_what_it_believed_itself_never_feeds_it() -> None:
    """Its own changes would make one emotion of a voice look ever more like the voice."""
    baseline, voice = VoiceBaseline(METADATA), EXPERTS.middle()
    for place in range(6):
        baseline.beside(LOGITS[place], VECTORS[place])
        speak(baseline, place)
        believed = posterior(LOGITS[place], METADATA.temperature)
        EXPERTS.hear(voice, VECTORS[place].astype(np.float64), believed)
    np.testing.assert_allclose(baseline.kept["totals"], voice.totals, atol=1e-4)


def test_a_stream_of_one_emotion_is_not_taken_for_its_voice() -> None:
    """Fifty angry utterances of a voice in the middle of all leave its other moods as they were."""
    angry = np.concatenate([EXPERTS.offsets[0], [0.5, 0.5]]).astype(np.float32)
    sure = np.array([9.0, 0, 0, 0], np.float32)
    baseline = VoiceBaseline(fake_metadata(voice_experts=EXPERTS, temperature=1.0))
    for number in range(1, 51):
        baseline.follow(cut(number, final=True), sure, angry)
        baseline.settle(None)
    assert np.abs(baseline.kept["totals"][0]).max() / 50 < 0.01
    taken = EXPERTS.middle()
    for _ in range(50):
        EXPERTS.hear(taken, angry, np.eye(4)[1])
    assert np.abs(taken.middle).max() > 0.1, "else there would be nothing to be guarded against"


def test_in_an_enrolment_it_is_told_the_emotion() -> None:
    baseline, voice = VoiceBaseline(METADATA, told="neutral"), EXPERTS.middle()
    speak(baseline, 3)
    EXPERTS.hear(voice, VECTORS[3].astype(np.float64), np.eye(4)[LABELS.index("neutral")])
    np.testing.assert_allclose(baseline.kept["totals"], voice.totals, atol=1e-4)


def test_what_was_kept_goes_on() -> None:
    first = VoiceBaseline(METADATA)
    speak(first, 1)
    second = VoiceBaseline(METADATA, kept=first.kept)
    for each in (first, second):
        speak(each, 2)
    assert second.utterances == 2
    np.testing.assert_allclose(second.kept["totals"], first.kept["totals"], atol=1e-4)


@pytest.mark.parametrize(
    ("metadata", "options", "reason"),
    [
        (fake_metadata(), {}, "the model fake knows nothing of voices"),
        (METADATA, {"told": "bored"}, "no label 'bored'"),
        (METADATA, {"kept": {"counts": [1, 0, 0, 0], "totals": [1.0]}}, "1 numbers"),
    ],
)
def test_what_cannot_be_is_refused(metadata: Any, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(VoiceError, match=reason):
        VoiceBaseline(metadata, **options)


def test_the_contract_survives_the_artefacts_properties() -> None:
    again = type(METADATA).from_props(METADATA.to_props())
    assert again.voice_experts
    half = EXPERTS.offsets.astype(np.float16).astype(np.float64)
    np.testing.assert_array_equal(again.voice_experts.offsets, half)
    assert again.voice_experts.digest == EXPERTS.digest
    assert type(METADATA).from_props(fake_metadata().to_props()).voice_experts is None


def test_experts_of_other_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="voice_experts is of 3 labels, and not of 4"):
        fake_metadata(voice_experts=random_experts(3, experts=2, outputs=5))
    with pytest.raises(ValueError, match="fit together"):
        replace(EXPERTS, columns=((0,),) * 3)
