"""How something is said, before a subtitle: a word, an emoji, or a sign for a Braille display."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Literal, get_args

__all__ = ["LANGUAGES", "Style", "manner", "tells_emotion"]

Style = Literal["word", "emoji", "braille"]

_FOLDER = resources.files("affectd.clients") / "words"
LANGUAGES = tuple(
    sorted(
        each.name.removesuffix(".toml") for each in _FOLDER.iterdir() if each.name.endswith(".toml")
    )
)
"""Those with a list of words: ISO 639-1 codes."""

_EMOJI = {
    "angry": "😠",
    "disgust": "🤢",
    "fearful": "😨",
    "happy": "😊",
    "neutral": "😐",
    "sad": "😢",
    "surprised": "😲",
}
# A full cell, which begins no word of any Braille table, then the label's first letter; "sad" has
# the s, so "surprised" has its second one.
_BRAILLE = {
    "angry": "⠿⠁",
    "disgust": "⠿⠙",
    "fearful": "⠿⠋",
    "happy": "⠿⠓",
    "neutral": "⠿⠝",
    "sad": "⠿⠎",
    "surprised": "⠿⠥",
}


def manner(style: Style, language: str = "en") -> Callable[[str], str]:
    """Return what turns a label into the text that stands before a subtitle.

    A label without an entry, as a model of one's own may have, stands for itself in brackets.

    Args:
        style: ``word``: in brackets; ``emoji``; ``braille``: Unicode Braille cells.
        language: Of the words, one of `LANGUAGES`.

    Raises:
        ValueError: the style or the language is unknown.
    """
    if style not in get_args(Style):
        raise ValueError(f"style {style!r} is unknown; known are {', '.join(get_args(Style))}")
    if language not in LANGUAGES:
        raise ValueError(
            f"language {language!r} has no list of words; there are {', '.join(LANGUAGES)}"
        )
    if style == "word":
        words = _words(language)
        return lambda label: f"[{words.get(label, label)}]"
    signs = _EMOJI if style == "emoji" else _BRAILLE
    return lambda label: signs.get(label, f"[{label}]")


def tells_emotion(text: str) -> bool:
    """Return whether a subtitle begins with what any manner, in any language, puts there."""
    return text.startswith(_all_prefixes())


@cache
def _all_prefixes() -> tuple[str, ...]:
    words = {word for language in LANGUAGES for word in _words(language).values()}
    return (*(f"[{word}]" for word in words), *_EMOJI.values(), *_BRAILLE.values())


def _words(language: str) -> dict[str, str]:
    return tomllib.loads((_FOLDER / f"{language}.toml").read_text("utf-8"))
