"""Integration: which streams have a baseline, and what of it is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.fake_classifier import fake_metadata
from tests.engine.test_voice_files import KEPT, METADATA

from affectd.engine.known_voices import KnownVoices
from affectd.engine.protocol import Gap, Utterance
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


def heard(utterances: float) -> dict[str, Any]:
    """Return what is kept of a voice after so many utterances."""
    return {**KEPT, "counts": [utterances, 0.0, 0.0, 0.0]}


@pytest.fixture
def files(tmp_path: Path) -> VoiceFiles:
    return VoiceFiles(tmp_path / "voices")


def test_without_being_asked_nothing_is_learnt_and_nothing_stored(files: VoiceFiles) -> None:
    assert KnownVoices(METADATA, files=files).own("mic", "") is None
    assert KnownVoices(fake_metadata(), files=files).client("") is None


def test_a_running_baseline_without_a_name_is_never_stored(files: VoiceFiles) -> None:
    voices = KnownVoices(METADATA, everyone=True, files=files)
    first, second = voices.own("mic", ""), voices.client("")
    assert first is not None
    assert first is not second
    voices.saw(UTTERANCE)
    assert not files.folder.exists()


def test_a_named_voice_is_kept_after_each_utterance(files: VoiceFiles) -> None:
    files.save("anna", METADATA, KEPT)
    voices = KnownVoices(METADATA, files=files)
    baseline = voices.own("mic", "anna")
    assert baseline
    assert baseline.utterances == 3
    baseline.kept = heard(9.0)
    voices.saw(Gap(**ABOUT, reason="overflow", lost_seconds=0.1))
    assert files.baseline("anna", METADATA).utterances == 3
    voices.saw(UTTERANCE)
    assert files.baseline("anna", METADATA).utterances == 9


def test_a_new_voice_is_announced_with_its_file(files: VoiceFiles) -> None:
    said: list[str] = []
    voices = KnownVoices(METADATA, files=files, say=said.append)
    assert voices.own("mic", "anna")
    assert said == [f"the voice 'anna' is new: it is learnt, and kept in {files.path('anna')}"]
    files.save("anna", METADATA, KEPT)
    assert voices.own("mic", "anna")
    assert len(said) == 1


def test_only_the_newest_is_written_however_many_utterances_wait(files: VoiceFiles) -> None:
    works: list = []
    voices = KnownVoices(METADATA, files=files, later=works.append)
    baseline = voices.own("mic", "anna")
    assert baseline
    for count in (1.0, 2.0):
        baseline.kept = heard(count)
        voices.saw(UTTERANCE)
    [work] = works
    work()
    assert files.baseline("anna", METADATA).utterances == 2
    voices.saw(UTTERANCE)
    assert len(works) == 2


def test_a_client_begins_with_an_enrolled_voice_and_changes_nothing_of_it(
    files: VoiceFiles,
) -> None:
    files.save("anna", METADATA, KEPT)
    voices = KnownVoices(METADATA, files=files)
    first, second = voices.client("anna"), voices.client("anna")
    assert first is not None
    assert first is not second
    assert first.utterances == 3
    first.kept = heard(9.0)
    voices.saw(UTTERANCE)
    assert files.baseline("anna", METADATA).utterances == 3


@pytest.mark.parametrize("change", ["removed", "enrolled anew"])
def test_what_somebody_changed_meanwhile_is_left_as_it_is(files: VoiceFiles, change: str) -> None:
    files.save("anna", METADATA, KEPT)
    said: list[str] = []
    voices = KnownVoices(METADATA, files=files, say=said.append)
    baseline = voices.own("mic", "anna")
    assert baseline
    voices.saw(UTTERANCE)
    assert not said
    if change == "removed":
        files.remove("anna")
    else:
        files.save("anna", METADATA, heard(1.0))
    for _ in range(2):
        baseline.kept = heard(9.0)
        voices.saw(UTTERANCE)
    [line] = said
    assert "was changed meanwhile" in line
    left = {name: files.baseline(name, METADATA).utterances for name in files.names()}
    assert left == ({} if change == "removed" else {"anna": 1})


def test_who_must_be_enrolled_and_is_not_is_refused(files: VoiceFiles) -> None:
    voices = KnownVoices(METADATA, files=files)
    with pytest.raises(VoiceError, match="no voice 'anna' is enrolled"):
        voices.client("anna")
    assert voices.own("mic", "anna")


def test_a_model_that_knows_nothing_of_voices_is_refused_when_asked(files: VoiceFiles) -> None:
    with pytest.raises(VoiceError, match="knows nothing of voices"):
        KnownVoices(fake_metadata(), everyone=True, files=files)
    with pytest.raises(VoiceError, match="knows nothing of voices"):
        KnownVoices(fake_metadata(), files=files).own("mic", "anna")


def test_what_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "voices").write_text("no folder")
    said: list[str] = []
    voices = KnownVoices(METADATA, files=VoiceFiles(tmp_path / "voices"), say=said.append)
    # Nothing can be read from there, either.
    with pytest.raises(VoiceError, match="cannot be read"):
        voices.own("mic", "anna")
    (tmp_path / "voices").unlink()
    assert voices.own("mic", "anna")
    (tmp_path / "voices").write_text("no folder")
    for _ in range(2):
        voices.saw(UTTERANCE)
    new, refused = said
    assert "is new" in new
    assert "cannot be written" in refused
