"""Unit: colours and bars."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectd.clients.palette import bar, colour_of, profile


@given(st.floats(), st.integers(0, 200))
def test_a_bar_never_leaves_its_room(share: float, columns: int) -> None:
    assert len(bar(share, columns)) <= columns


@pytest.mark.parametrize(
    ("share", "text"), [(0, ""), (1, "████"), (0.5, "██"), (0.25 + 1 / 32, "█▏"), (7, "████")]
)
def test_bars_are_exact_to_an_eighth(share: float, text: str) -> None:
    assert bar(share, 4) == text


def test_a_profile_has_one_character_a_share() -> None:
    assert profile([0.0, 0.5, 1.0, 2.0, -1.0]) == "▁▅██▁"


def test_no_two_emotions_share_a_colour_and_unknown_ones_have_one() -> None:
    labels = ["angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised"]
    assert len({colour_of(label) for label in labels}) == len(labels)
    assert colour_of("smug") == colour_of(None)


def _luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    "label", ["angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised"]
)
def test_every_colour_stands_out_from_black_and_from_white(label: str) -> None:
    light = _luminance(colour_of(label))
    assert (light + 0.05) / 0.05 >= 3
    assert 1.05 / (light + 0.05) >= 2
