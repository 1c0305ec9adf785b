"""Integration: the files of named voices, good ones and every kind of bad one."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.engine.fake_classifier import fake_metadata
from tests.engine.voice_artefact import random_experts

from affectd.engine.voice_baseline import VoiceError
from affectd.engine.voice_files import VoiceFiles, voices_folder

METADATA = fake_metadata(voice_experts=random_experts(4, experts=2, outputs=5))
OTHER = fake_metadata(voice_experts=random_experts(4, experts=2, outputs=5, seed=1))
TOTALS = [[float(number) for number in range(10)]] * 4
KEPT = {"counts": [2.0, 0.0, 0.5, 0.5], "totals": TOTALS}


@pytest.fixture
def files(tmp_path: Path) -> VoiceFiles:
    return VoiceFiles(tmp_path / "voices")


def test_what_is_saved_is_read_again(files: VoiceFiles) -> None:
    path = files.save("anna", METADATA, KEPT)
    baseline = files.baseline("anna", METADATA)
    assert baseline.utterances == 3
    assert baseline.kept == KEPT
    assert files.names() == ["anna"]
    files.save("anna", METADATA, {**KEPT, "counts": [2.0, 1.0, 0.5, 0.5]})
    assert files.baseline("anna", METADATA).utterances == 4
    assert [each.name for each in files.folder.iterdir()] == [path.name]


def test_it_holds_a_few_numbers_and_only_its_owner_may_read_it(files: VoiceFiles) -> None:
    path = files.save("anna", METADATA, KEPT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700
    assert set(json.loads(path.read_text())) == {
        "format_version",
        "model",
        "voice_experts",
        "counts",
        "totals",
    }


def test_a_voice_without_a_file_is_one_that_nobody_has_heard(files: VoiceFiles) -> None:
    assert files.baseline("anna", METADATA).utterances == 0
    assert files.names() == []
    assert not files.folder.exists()


def test_what_another_model_has_learnt_is_refused(files: VoiceFiles) -> None:
    files.save("anna", METADATA, KEPT)
    with pytest.raises(VoiceError, match="learnt by another model"):
        files.baseline("anna", OTHER)


@pytest.mark.parametrize(
    "name", ["", "../anna", "a/b", ".anna", "-anna", "a" * 65, "anna.json", "ä", "a\n", "a\0b"]
)
def test_no_name_leads_out_of_the_folder(files: VoiceFiles, name: str) -> None:
    for use in (
        lambda: files.baseline(name, METADATA),
        lambda: files.save(name, METADATA, KEPT),
        lambda: files.remove(name),
    ):
        with pytest.raises(VoiceError, match="no name of a voice"):
            use()
    assert not files.folder.exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no voice's file"),
        ('{"format_version": 1}', "no voice's file of this version"),
    ],
)
def test_a_damaged_file_is_named(files: VoiceFiles, text: str, reason: str) -> None:
    files.folder.mkdir()
    files.path("anna").write_text(text)
    with pytest.raises(VoiceError, match=reason) as caught:
        files.baseline("anna", METADATA)
    assert str(files.path("anna")) in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"totals": [1.0]},
        {"totals": [*TOTALS[1:], [1.0] * 9 + [float("nan")]]},
        {"totals": [10**400]},
        {"counts": [-1, 0, 0, 1]},
        {"counts": [1]},
        {"totals": "x"},
    ],
)
def test_damaged_numbers_are_refused(files: VoiceFiles, changes: dict[str, Any]) -> None:
    path = files.save("anna", METADATA, KEPT)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(VoiceError, match=f"{path} is damaged"):
        files.baseline("anna", METADATA)


def test_a_file_that_cannot_be_read_is_named(files: VoiceFiles) -> None:
    files.path("anna").mkdir(parents=True)
    with pytest.raises(VoiceError, match="cannot be read"):
        files.baseline("anna", METADATA)


def test_a_voice_can_be_forgotten(files: VoiceFiles) -> None:
    files.save("anna", METADATA, KEPT)
    files.remove("anna")
    assert files.names() == []
    with pytest.raises(VoiceError, match="no voice 'anna'"):
        files.remove("anna")


def test_the_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert voices_folder() == tmp_path / "affectd" / "voices"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert voices_folder() == tmp_path / ".local" / "share" / "affectd" / "voices"
