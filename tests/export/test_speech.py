from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from affectd.export.speech import (
    CALIBRATION_WINDOWS,
    gather_speech,
    windows_at_hand,
    windows_of,
)
from affectd.kernels.front_end import FrontEnd
from affectd.models.checkpoint import Checkpoint
from affectd.models.clips import UnreadableClipError
from affectd.models.corpora import CorpusError


def test_windows_come_from_the_best_audio_there_is(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windowing = checkpoint.recipe.windowing
    noise = 0.1 * np.random.default_rng(0).standard_normal(64_000)
    clip = tmp_path / "emodb" / "wav" / "03a01Fa.wav"
    clip.parent.mkdir(parents=True)
    soundfile.write(clip, noise, 16_000)
    given = windows_at_hand(windowing, audio=[clip])
    assert (given.source, given.real) == ("the given files", True)
    assert sorted({len(window) for window in given.windows}) == [34, 109, 184]
    assert windows_at_hand(windowing, corpora=tmp_path).source == "the corpora"
    monkeypatch.setattr("affectd.export.speech.demo_clips", tuple)
    tone = windows_at_hand(windowing, corpora=tmp_path / "emodb")
    assert (tone.source, tone.real) == ("a tone", False)
    assert len(tone.windows) > 9


def test_audio_that_cannot_serve_is_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    windowing = checkpoint.recipe.windowing
    with pytest.raises(UnreadableClipError, match=r"gone\.wav"):
        windows_at_hand(windowing, audio=[tmp_path / "gone.wav"])
    soundfile.write(tmp_path / "short.wav", np.zeros(4_000), 16_000)
    with pytest.raises(ValueError, match=r"no audio of the given files lasts 0\.6 s"):
        windows_at_hand(windowing, audio=[tmp_path / "short.wav"])


def test_a_folder_and_a_feature_file_give_windows_to_calibrate_on(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    windowing = checkpoint.recipe.windowing
    rng = np.random.default_rng(0)
    for name in ("a.wav", "b.flac"):
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal(64_000), 16_000)
    (tmp_path / "notes.txt").write_text("not speech")
    assert 0 < len(windows_of(tmp_path, windowing)) <= CALIBRATION_WINDOWS
    stored = tmp_path / "features.npz"
    np.savez(stored, logmel=rng.normal(-40, 10, (300, 50, 64)), frames=np.full(300, 40))
    windows = windows_of(stored, windowing)
    assert {window.shape for window in windows.windows} == {(40, 64)}
    assert len(windows) == CALIBRATION_WINDOWS
    assert windows.source == "the feature file features.npz"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mel": np.zeros(3)}, r"no array 'logmel', only \['mel'\]"),
        ({"logmel": np.zeros((2, 50, 40))}, r"'logmel' is \(2, 50, 40\); needed is .*, 64\)"),
        ({"logmel": np.zeros((50, 64))}, r"'logmel' is \(50, 64\)"),
    ],
)
def test_a_feature_file_of_another_shape_is_refused(
    checkpoint: Checkpoint, tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    path = tmp_path / "features.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message):
        windows_of(path, checkpoint.recipe.windowing)


def test_a_folder_without_sound_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no sound file"):
        windows_of(tmp_path, checkpoint.recipe.windowing)


def record_emodb(corpora: Path, *speakers: str) -> None:
    rng = np.random.default_rng(0)
    folder = corpora / "emodb" / "wav"
    folder.mkdir(parents=True)
    for speaker in speakers:
        for letter in "WFNT":
            noise = 0.1 * rng.standard_normal(24_000)
            soundfile.write(folder / f"{speaker}a01{letter}a.wav", noise, 16_000)


def store_crema_d(corpora: Path) -> None:
    """Lay out a CREMA-D that was computed by a front end of its own."""
    folder = corpora / "crema-d"
    folder.mkdir(parents=True)
    names = np.array([f"1001_DFA_{emotion}_XX" for emotion in ("ANG", "SAD")])
    np.savez(
        folder / "logmel64.npz",
        clip=names,
        logmel_u8=np.zeros((2, 64, 50), np.uint8),
        active_frames=np.full(2, 50, np.int16),
    )


def test_with_corpora_the_compared_speakers_are_strangers(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    record_emodb(tmp_path, "03", "09", "16")
    speech = gather_speech(
        checkpoint.recipe.windowing,
        heard={"emodb": frozenset({"09", "16"})},
        corpora=tmp_path,
        cache=tmp_path / "cache",
    )
    assert speech.labelled is not None
    assert speech.development is not None
    assert {clip.speaker for clip in speech.labelled.clips} == {"03"}
    assert {clip.speaker for clip in speech.development.clips} == {"16"}
    assert "not heard" in speech.compared.source
    assert "heard in training" in speech.calibration.source


def test_a_corpus_that_was_not_asked_for_and_cannot_be_used_is_left_out(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    record_emodb(tmp_path, "03", "09")
    store_crema_d(tmp_path)
    (tmp_path / "tess").mkdir()
    other = replace(checkpoint.recipe.windowing, front_end=FrontEnd(hop_samples=200))
    said: list[str] = []
    gather = partial(
        gather_speech,
        other,
        heard={"emodb": frozenset({"09"})},
        corpora=tmp_path,
        cache=tmp_path / "cache",
        say=said.append,
    )
    speech = gather()
    assert speech.labelled is not None
    assert {clip.corpus for clip in speech.labelled.clips} == {"emodb"}
    empty, foreign = said
    assert empty.startswith("corpus tess is left out: expected in ")
    assert foreign.startswith("corpus crema-d is left out: none of 2 clips could be read: ")
    assert foreign.endswith("its log-mel features were made for another front end")
    with pytest.raises(ValueError, match="made for another front end"):
        gather(corpus=["emodb", "crema-d"])
    shutil.rmtree(tmp_path / "emodb")
    with pytest.raises(CorpusError, match=r"no corpus in .* can be used: tess: .*; crema-d: "):
        gather()


def test_a_model_that_has_heard_everyone_has_nothing_to_be_scored_on(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    record_emodb(tmp_path, "03", "09")
    windowing = checkpoint.recipe.windowing
    gather = partial(gather_speech, windowing, corpora=tmp_path, cache=tmp_path / "cache")
    speech = gather(heard={"emodb": frozenset({"03", "09"})})
    assert (speech.labelled, speech.all_heard) == (None, True)
    assert not gather(heard={"emodb": frozenset({"03"})}).all_heard
    assert not gather_speech(windowing, heard={}).all_heard
