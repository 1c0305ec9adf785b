"""Integration: which streams have a baseline, and what of it is stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.fake_classifier import fake_metadata
from tests.engine.test_voice_files import KEPT, METADATA

from affectd.engine.known_voices import KnownVoices
from affectd.engine.protocol import Device, Error, ErrorCode, Event, Gap, Utterance
from affectd.engine.voice_baseline import VoiceError
from affectd.engine.voice_files import VoiceFiles

ABOUT = {"stream": "mic", "seq": 1, "start": 0.0, "end": 1.0, "captured_at": 0.0}
UTTERANCE = Utterance(
    **ABOUT,
    label=None,
    abstained=None,
    confidence=0.5,
    scores={},
    valence=0.0,
    arousal=0.0,
    snr_db=9.0,
)


@pytest.fixture
def files(tmp_path: Path) -> VoiceFiles:
    return VoiceFiles(tmp_path / "voices")


def test_without_being_asked_nothing_is_learnt_and_nothing_stored(files: VoiceFiles) -> None:
    assert KnownVoices(METADATA, files=files).baseline("mic") is None
    assert KnownVoices(fake_metadata(), files=files).baseline("mic") is None


def test_a_running_baseline_without_a_name_is_never_stored(files: VoiceFiles) -> None:
    voices = KnownVoices(METADATA, everyone=True, files=files)
    first, second = voices.baseline("mic"), voices.baseline("kitchen")
    assert first is not None
    assert first is not second
    voices.saw(UTTERANCE)
    assert not files.folder.exists()


def test_a_named_voice_is_kept_after_each_utterance(files: VoiceFiles) -> None:
    files.save("anna", METADATA, KEPT)
    voices = KnownVoices(METADATA, files=files)
    baseline = voices.baseline("mic", "anna")
    assert baseline
    assert baseline.utterances == 3
    baseline.kept = {**KEPT, "utterances": 9.0}
    voices.saw(Gap(**ABOUT, reason="overflow", lost_seconds=0.1))
    assert files.baseline("anna", METADATA).utterances == 3
    voices.saw(UTTERANCE)
    assert files.baseline("anna", METADATA).utterances == 9


def test_what_is_written_later_is_the_newest(files: VoiceFiles) -> None:
    works: list = []
    voices = KnownVoices(METADATA, files=files, later=works.append)
    baseline = voices.baseline("mic", "anna")
    assert baseline
    for count in (1.0, 2.0):
        baseline.kept = {**KEPT, "utterances": count}
        voices.saw(UTTERANCE)
    for work in reversed(works):
        work()
    assert files.baseline("anna", METADATA).utterances == 2


@pytest.mark.parametrize(
    "last",
    [
        Device(**ABOUT, state="ended", detail=""),
        Error(**ABOUT, code=ErrorCode.BAD_AUDIO, message="", fatal=True),
    ],
)
def test_a_voice_is_heard_on_one_stream_at_a_time(files: VoiceFiles, last: Event) -> None:
    voices = KnownVoices(METADATA, files=files)
    assert voices.baseline("mic", "anna")
    with pytest.raises(VoiceError, match="'anna' is heard on stream 'mic' already"):
        voices.baseline("kitchen", "anna")
    voices.saw(Device(**ABOUT, state="lost", detail=""))
    with pytest.raises(VoiceError, match="already"):
        voices.baseline("kitchen", "anna")
    voices.saw(last)
    assert voices.baseline("kitchen", "anna")


def test_who_must_be_enrolled_and_is_not_is_refused(files: VoiceFiles) -> None:
    voices = KnownVoices(METADATA, files=files)
    with pytest.raises(VoiceError, match="no voice 'anna' is enrolled"):
        voices.baseline("kitchen", "anna", enrolled=True)
    assert voices.baseline("mic", "anna")
    files.save("ben", METADATA, KEPT)
    assert voices.baseline("kitchen", "ben", enrolled=True)


def test_a_model_that_knows_nothing_of_voices_is_refused_when_asked(files: VoiceFiles) -> None:
    with pytest.raises(VoiceError, match="knows nothing of voices"):
        KnownVoices(fake_metadata(), everyone=True, files=files)
    with pytest.raises(VoiceError, match="knows nothing of voices"):
        KnownVoices(fake_metadata(), files=files).baseline("mic", "anna")


def test_what_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "voices").write_text("no folder")
    said: list[str] = []
    voices = KnownVoices(METADATA, files=VoiceFiles(tmp_path / "voices"), say=said.append)
    # Nothing can be read from there, either.
    with pytest.raises(VoiceError, match="cannot be read"):
        voices.baseline("mic", "anna")
    (tmp_path / "voices").unlink()
    assert voices.baseline("mic", "anna")
    (tmp_path / "voices").write_text("no folder")
    for _ in range(2):
        voices.saw(UTTERANCE)
    [line] = said
    assert "cannot be written" in line
