"""Integration: recordings heard at once, held against the live session and its model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from affectd.engine.analysis import Span, analyse, judge_span
from affectd.engine.classifier import Classifier
from affectd.engine.protocol import Abstention, Emotion, Utterance
from affectd.engine.recording import Recording, RecordingError
from affectd.engine.session import Session, Window
from affectd.engine.shipped import DEFAULT_MODEL, find_model, shipped_models


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(find_model(DEFAULT_MODEL))


def test_it_hears_what_the_live_session_hears(speech: np.ndarray, classifier: Classifier) -> None:
    session = Session("live", classifier.metadata, rate=16_000)
    live = []
    heard = [session.feed(speech[at : at + 160], at / 16_000) for at in range(0, 320_000, 160)]
    for each in [*(each for block in heard for each in block), *session.finish()]:
        if isinstance(each, Window):
            live += session.resolve(each, classifier.run([each.logmel])[0])
    found = analyse([speech[:100_000], speech[100_000:320_000]], 16_000, classifier)
    for kind, ours in ((Utterance, found.utterances), (Emotion, found.moments)):
        theirs = [event for event in live if isinstance(event, kind)]
        assert [(e.start, e.end, e.label) for e in ours] == [
            (e.start, e.end, e.label) for e in theirs
        ]
        for one, other in zip(ours, theirs, strict=True):
            assert one.scores == other.scores
    assert len(found.utterances) >= 4
    assert found.seconds == 20.0


@pytest.mark.parametrize("model", shipped_models())
def test_a_span_of_one_utterance_is_judged_as_the_utterance(speech: np.ndarray, model: str) -> None:
    classifier = Classifier(find_model(model))
    found = analyse([speech[:320_000]], 16_000, classifier)
    assert found.utterances
    for each in found.utterances:
        span = Span.of(found.utterances, each.start - 0.2, each.end + 0.2)
        assert (span.start, span.end) == (each.start, each.end)
        samples = speech[round(each.start * 16_000) : round(each.end * 16_000)]
        assert judge_span(span, samples, 16_000, classifier).label == each.label


def test_a_span_without_speech_is_empty() -> None:
    span = Span.of([], 1.0, 2.0)
    assert span.start == span.end


def test_less_than_a_frame_is_too_short(classifier: Classifier) -> None:
    verdict = judge_span(Span(0, 0.01, 1, 20), np.ones(160, np.float32), 16_000, classifier)
    assert (verdict.label, verdict.abstained) == (None, Abstention.TOO_SHORT)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
def test_what_libsndfile_reads_is_heard(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"tone.{suffix}"
    tone = np.sin(np.arange(48_000) * 0.05).astype(np.float32) / 2
    soundfile.write(path, np.stack([tone, tone], axis=1), 48_000)
    with Recording(path) as recording:
        assert recording.rate == 48_000
        heard = np.concatenate(list(recording.blocks()))
        assert heard.size / 48_000 == pytest.approx(recording.seconds)
        assert recording.between(0.25, 0.5).size == 12_000
        if suffix != "mp3":  # whose decoder needs a few frames after a jump
            np.testing.assert_array_equal(recording.between(0.25, 0.5), heard[12_000:24_000])


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "there is no such file"), (b"", "it is empty"), (b"words, words", "libsndfile")],
)
def test_what_cannot_be_heard_is_named(content: bytes | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingError, match=rf"talk\.wav cannot be read: .*{why}"):
        Recording(path)


@pytest.mark.parametrize(
    ("suffix", "subtype"), [("wav", "PCM_16"), ("wav", "FLOAT"), ("mp3", None)]
)
def test_a_file_that_is_cut_off_says_so_and_nothing_else_does(
    suffix: str, subtype: str | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"talk.{suffix}"
    noise = np.random.default_rng(1).normal(0, 0.1, 10 * 44_100)
    soundfile.write(path, noise, 44_100, subtype=subtype)
    with Recording(path) as recording:
        assert sum(block.size for block in recording.blocks()) == pytest.approx(441_000, abs=4_000)
        assert (recording.missing_seconds, recording.complaint) == (0.0, "")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4])
    with Recording(path) as recording:
        heard = sum(block.size for block in recording.blocks()) / 44_100
        assert heard == pytest.approx(2.5, abs=0.3)
        assert recording.missing_seconds == pytest.approx(10 - heard, abs=0.1)
        assert f"talk.{suffix} is cut off: the last 7." in recording.complaint
    assert capfd.readouterr() == ("", "")


def test_a_length_that_was_not_known_when_it_was_written_is_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    soundfile.write(path, np.zeros(16_000), 16_000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    for length in (b"\xff\xff\xff\xff", b"\0\0\0\x80"):
        data[4:8] = data[40:44] = length
        path.write_bytes(data)
        with Recording(path) as recording:
            assert recording.complaint == ""


def test_a_file_without_samples_is_named(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.zeros(0), 16_000)
    with pytest.raises(RecordingError, match="holds no audio"):
        Recording(path)
