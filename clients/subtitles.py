"""SubRip and WebVTT: reading the times of existing cues, and writing what a recording sounds like.

Libraries for subtitles read a file into a model of their own and write it anew, which changes
times, tags, numbering and line ends. Here a cue knows the place in the text where something may
be put before its words, and nothing else of the file is touched.

Sources: W3C, "WebVTT: The Web Video Text Tracks Format", 2019; SubRip has no standard, and is read
as players do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["Cue", "SubtitleError", "SubtitleFormat", "Subtitles", "write_cues"]

SubtitleFormat = Literal["srt", "vtt"]

_BOM = "\ufeff"
_TIME = {
    "srt": r"(?:(\d{1,}):)(\d{2}):(\d{2})[,.](\d{3})",
    "vtt": r"(?:(\d{2,}):)?(\d{2}):(\d{2})\.(\d{3})",
}
_TIMING = {
    kind: re.compile(rf"{time}[ \t]*-->[ \t]*{time}(?:[ \t]+.*)?") for kind, time in _TIME.items()
}
_EXAMPLE = {
    "srt": "00:00:01,000 --> 00:00:02,500",
    "vtt": "00:00:01.000 --> 00:00:02.500",
}
_LOOKS_LIKE_TIMES = re.compile(r".*-->|[ \t]*\d+:\d+")
_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t]|$)")
# What stands before the words and belongs to them: positions, a voice or other tag, a dash.
_BEFORE_WORDS = re.compile(r"(?:\{\\[^}]*\}|<[^>]*>|[ \t]|[-–—](?=[ \t<]))*")


class SubtitleError(ValueError):
    """A file of subtitles is broken; the message names the line."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle."""

    start: float
    end: float
    """Seconds."""
    words_at: int
    """Place in the file's text where its words begin."""
    words: str = ""
    """The first line of them."""


class Subtitles:
    """A file of subtitles, kept as it is.

    Args:
        text: All of it.
        name: What to call it in messages.

    Attributes:
        format: ``vtt`` where it begins with ``WEBVTT``, else ``srt``.
        cues: In the file's order; those without words are left out.

    Raises:
        SubtitleError: a time is malformed, or a cue ends before it begins.
    """

    def __init__(self, text: str, *, name: str = "subtitles") -> None:
        self._text = text
        self._name = name
        lines = _lines(text)
        begins = lines[0][1].removeprefix(_BOM) if lines else ""
        self.format: SubtitleFormat = (
            "vtt" if re.match(r"WEBVTT(?:[ \t]|$)", begins) is not None else "srt"
        )
        self.cues: list[Cue] = []
        blocks = _blocks(lines)
        for block in blocks[1:] if self.format == "vtt" else blocks:
            self._take(block)
        if not self.cues:
            raise SubtitleError(f"{name} holds no cue: it is read as SubRip or WebVTT")

    @classmethod
    def read(cls, path: Path) -> Subtitles:
        """Read a file.

        Raises:
            SubtitleError: it is no UTF-8, or broken.
            OSError: it cannot be read.
        """
        data = path.read_bytes()
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise SubtitleError(f"{path}, line {line}: it is not UTF-8; convert it first") from None
        return cls(text, name=str(path))

    def annotated(self, prefixes: Iterable[str]) -> str:
        """Return the text with something before the words of each cue, and nothing else changed.

        Args:
            prefixes: One a cue; empty to leave it alone.
        """
        parts: list[str] = []
        done = 0
        for cue, prefix in zip(self.cues, prefixes, strict=True):
            if prefix:
                parts += [self._text[done : cue.words_at], prefix, " "]
                done = cue.words_at
        return "".join([*parts, self._text[done:]])

    def _take(self, block: Sequence[tuple[int, str, int]]) -> None:
        """Take the cue of a block of lines, if it holds one."""
        if self.format == "vtt" and _NO_CUE.match(block[0][1]):
            return
        # A number or a name may stand above the times.
        place = next((at for at, line in enumerate(block[:2]) if "-->" in line[1]), None)
        if place is None:
            for number, line, _ in block[:2]:
                if _LOOKS_LIKE_TIMES.match(line):
                    raise self._broken(number, line)
            if self.format == "vtt" or not self.cues:
                number, line, _ = block[min(1, len(block) - 1)]
                raise self._broken(number, line)
            return  # players take it for the rest of the cue before
        number, line, _ = block[place]
        timing = _TIMING[self.format].fullmatch(line.strip(_BOM + " \t"))
        if not timing:
            raise self._broken(number, line)
        start, end = _seconds(timing.groups()[:4]), _seconds(timing.groups()[4:])
        if start is None or end is None:
            raise self._broken(number, line)
        if end <= start:
            raise SubtitleError(
                f"{self._name}, line {number}: the cue ends before it begins: {line.strip()!r}"
            )
        for _, words, at in block[place + 1 :]:
            before = _BEFORE_WORDS.match(words)
            assert before
            if before.end() < len(words):
                self.cues.append(Cue(start, end, at + before.end(), words[before.end() :]))
                return

    def _broken(self, number: int, line: str) -> SubtitleError:
        return SubtitleError(
            f"{self._name}, line {number}: no times like {_EXAMPLE[self.format]!r}: "
            f"{line.strip()[:80]!r}"
        )


def write_cues(
    utterances: Iterable[Mapping[str, Any]],
    kind: SubtitleFormat,
    describe: Callable[[str], str],
) -> str:
    """Return subtitles with a cue for every utterance whose emotion is named.

    Args:
        utterances: As on the wire.
        kind: ``srt`` or ``vtt``.
        describe: Turns a label into a cue's text.
    """
    cues = []
    named = (each for each in utterances if each["label"] is not None)
    for number, each in enumerate(named, 1):
        times = f"{_time(each['start'], kind)} --> {_time(each['end'], kind)}"
        text = describe(each["label"])
        if kind == "vtt":
            text = text.replace("&", "&amp;").replace("<", "&lt;")
        cues.append(f"{number}\n{times}\n{text}\n")
    return "\n".join((["WEBVTT\n"] if kind == "vtt" else []) + cues)


def _time(seconds: float, kind: SubtitleFormat) -> str:
    milliseconds = round(1000 * seconds)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds, milliseconds = divmod(milliseconds, 1000)
    point = "," if kind == "srt" else "."
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}"


def _seconds(parts: Sequence[str | None]) -> float | None:
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in parts)
    if minutes > 59 or seconds > 59:
        return None
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _lines(text: str) -> list[tuple[int, str, int]]:
    """Return the number, the text and the place of every line."""
    lines, at = [], 0
    # str.splitlines would also split at characters that subtitles may hold.
    for number, whole in enumerate(re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text), 1):
        lines.append((number, whole.rstrip("\r\n"), at))
        at += len(whole)
    return lines


def _blocks(lines: Iterable[tuple[int, str, int]]) -> list[list[tuple[int, str, int]]]:
    blocks: list[list[tuple[int, str, int]]] = [[]]
    for line in lines:
        if line[1].strip(_BOM + " \t"):
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]
