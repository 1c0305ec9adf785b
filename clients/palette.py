"""Colours and bars that everyone can tell apart, on a dark ground and on a light one."""

from __future__ import annotations

__all__ = ["bar", "colour_of", "profile"]

# M. Okabe and K. Ito, "Color universal design", 2008: told apart with any kind of colour vision.
# Its yellow and black are left out, which vanish on a light or a dark ground. Text is never
# coloured, and every colour stands beside its emotion's name.
_COLOURS = {
    "angry": "#d55e00",
    "disgust": "#009e73",
    "fearful": "#cc79a7",
    "happy": "#e69f00",
    "neutral": "#8c8c8c",
    "sad": "#0072b2",
    "surprised": "#56b4e9",
}
_OTHER = "#8c8c8c"
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"


def colour_of(label: str | None) -> str:
    """Return the colour of an emotion."""
    return _COLOURS.get(label or "", _OTHER)


def bar(share: float, columns: int) -> str:
    """Return a bar for a share of 0 to 1, exact to an eighth of a column."""
    eighths = round(min(max(share, 0.0), 1.0) * columns * 8)
    text = "█" * (eighths // 8)
    return text + _EIGHTHS[eighths % 8] if eighths % 8 else text


def profile(shares: list[float]) -> str:
    """Return one character a share of 0 to 1, the higher the more."""
    last = len(_HEIGHTS) - 1
    return "".join(_HEIGHTS[round(min(max(share, 0.0), 1.0) * last)] for share in shares)
