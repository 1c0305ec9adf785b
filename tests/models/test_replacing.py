"""A file is the old one or the new one, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from affectd.models.replacing import replacing


def test_the_new_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "made" / "file.txt"
    for content in ("old", "new"):
        with replacing(path) as unfinished:
            unfinished.write_text(content)
            assert not path.exists() or path.read_text() == "old"
        assert path.read_text() == content
    assert [*path.parent.iterdir()] == [path]


def test_where_writing_fails_the_old_one_stays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as unfinished:
            unfinished.write_text("half of the n")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]
