"""A benchmark's tables in a page, between two marks that name its command."""

from __future__ import annotations

from pathlib import Path

__all__ = ["check_marks", "mark", "put_between"]


def mark(command: str, *, end: bool = False) -> str:
    """Return the mark before a command's tables in a page, or the one after them."""
    return f"<!-- {'the end of ' if end else ''}{command} -->"


def put_between(page: Path, command: str, text: str) -> None:
    """Write tables into a page, instead of what lies between their marks.

    Args:
        page: The page.
        command: That made them.
        text: In Markdown.

    Raises:
        ValueError: the page is not there, or lacks a mark.
    """
    before, after = _around(page, command)
    begin, end = mark(command), mark(command, end=True)
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", "utf-8")


def check_marks(page: Path, command: str) -> None:
    """Refuse before a measurement a page that has no place for its tables.

    Raises:
        ValueError: the page is not there, or lacks a mark.
    """
    _around(page, command)


def _around(page: Path, command: str) -> tuple[str, str]:
    begin, end = mark(command), mark(command, end=True)
    try:
        whole = page.read_text("utf-8")
    except FileNotFoundError:
        raise ValueError(f"{page}: there is no such page") from None
    before, _, rest = whole.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{page} lacks the marks {begin!r} and {end!r}, one after the other")
    return before, after
