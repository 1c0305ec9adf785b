"""What lies outside the marks of a page is left as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from affectd.bench.marked import check_marks, mark, put_between

BEGIN, END = mark("affectd bench x"), mark("affectd bench x", end=True)


def test_tables_take_the_place_of_earlier_ones(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n", "utf-8")
    put_between(page, "affectd bench x", "one\n")
    put_between(page, "affectd bench x", "two\n")
    assert page.read_text("utf-8") == f"Before.\n{BEGIN}\n\ntwo\n\n{END}\nAfter.\n"


@pytest.mark.parametrize("text", ["none", f"{BEGIN} alone", f"{END} first {BEGIN} and the rest"])
def test_a_page_whose_marks_do_not_stand_in_order_is_left(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    with pytest.raises(ValueError, match="lacks the marks"):
        put_between(page, "affectd bench x", "one\n")
    with pytest.raises(ValueError, match="lacks the marks"):
        check_marks(page, "affectd bench x")
    assert page.read_text("utf-8") == text


def test_a_page_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no such page"):
        put_between(tmp_path / "page.md", "affectd bench x", "one\n")
