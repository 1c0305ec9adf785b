"""Unit: timelines as pictures that can be read, however long the recording."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from affectd.clients.timeline import Timeline
from affectd.clients.timeline_picture import draw

LABELS = ("angry", "happy", "surprised")


def timeline(seconds: float, *, name: str = "talk.wav", every: float = 3.5) -> Timeline:
    """Somebody who speaks for all but a second of every few, differently each time."""
    starts = [every * number for number in range(int(seconds / every))]
    utterances, moments = [], []
    for number, start in enumerate(starts):
        label = LABELS[number % 3]
        scores = {each: 0.8 if each == label else 0.1 for each in LABELS}
        said = {"label": label, "abstained": None, "confidence": 0.8, "scores": scores}
        utterances.append({"start": start, "end": start + every - 1, **said})
        moments += [{"start": start, "end": start + 0.6 + 0.25 * step, **said} for step in range(7)]
    return Timeline(name, seconds, LABELS, utterances, moments)


@pytest.mark.parametrize("seconds", [0.05, 3.5, 29.9, 600.0])
def test_the_pieces_of_a_picture_hold_all_of_it_at_one_scale(seconds: float) -> None:
    heard = timeline(seconds)
    pieces = [ET.fromstring(each) for each in heard.svgs()]
    widths = [float(each.attrib["width"]) for each in pieces]
    assert max(widths) <= 320
    assert all(width == pytest.approx(widths[0]) for width in widths[:-1])
    tips = {tip.text for each in pieces for tip in each.findall(".//{*}title")}
    assert len(tips) == len(heard.utterances)
    words = [text.text for each in pieces for text in each.findall(".//{*}text[@y='22']")]
    assert len(words) >= 0.8 * len(heard.utterances)
    assert set(words) <= set(LABELS)


@pytest.mark.parametrize("seconds", [20.0, 150.0])
def test_words_of_a_picture_do_not_cover_each_other(seconds: float) -> None:
    figure = draw([timeline(seconds)])
    figure.canvas.draw()
    words = 0
    for axes in figure.axes:
        boxes = sorted((each.get_window_extent() for each in axes.texts), key=lambda box: box.x0)
        words += len(boxes)
        assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
    assert words > 0.9 * len(timeline(seconds).utterances)
