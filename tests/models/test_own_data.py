"""One's own data: a folder per label, or a manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from affectd.models.corpora import CorpusError, corpus_named


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_a_folder_per_label_is_a_corpus(tmp_path: Path) -> None:
    for name in ("anger/a.wav", "Joy/b.flac", "bored/c.wav", "loose.wav", "anger/notes.txt"):
        touch(tmp_path / "own" / name)
    clips = corpus_named("own").list(tmp_path).clips
    assert {(clip.name, clip.native, clip.label) for clip in clips} == {
        ("anger/a", "anger", "angry"),
        ("Joy/b", "Joy", "happy"),
        ("bored/c", "bored", None),
    }
    assert len({clip.speaker for clip in clips}) == 3, "unknown speakers are taken for different"


def test_a_manifest_is_a_corpus(tmp_path: Path) -> None:
    for name in ("x/1.wav", "x/2.wav"):
        touch(tmp_path / "own-calls" / name)
    (tmp_path / "own-calls/manifest.csv").write_text(
        "path,label,speaker,sex\nx/1.wav,sadness,ann,female\nx/2.wav,calm,bob,\n", "utf-8"
    )
    first, second = corpus_named("own-calls").list(tmp_path).clips
    assert (first.corpus, first.speaker, first.sex, first.label) == (
        "own-calls", "ann", "female", "sad",
    )  # fmt: skip
    assert (second.speaker, second.sex, second.label) == ("bob", None, "neutral")


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ("file,label\n", "has no column 'path'; found are file, label"),
        ("path,label\ngone.wav,sad\n", r"line 2: no file .*gone\.wav"),
        ("", "has no column 'path'; found are none"),
        ("path;label\nx/1.wav;sad\n", "seems to be separated by ';': commas are wanted"),
        ("path\tlabel\nx/1.wav\tsad\n", "seems to be separated by tabs: commas are wanted"),
        ("path,label\n", "has no rows, but a header alone"),
    ],
)
def test_a_bad_manifest_says_where(manifest: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/manifest.csv").write_text(manifest, "utf-8")
    with pytest.raises(CorpusError, match=says):
        corpus_named("own").list(tmp_path)


def test_an_empty_folder_says_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    with pytest.raises(CorpusError, match=r"manifest\.csv with the columns path and label"):
        corpus_named("own").list(tmp_path)
