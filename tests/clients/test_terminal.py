"""Unit: the view as text, in rooms of many sizes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from affectd.clients.overview import Overview
from affectd.clients.subscription import Loss
from affectd.clients.terminal import TerminalView
from affectd.engine.hub import parcel_of
from affectd.engine.protocol import Abstention, Event

WIDTHS = [40, 60, 80, 104, 120, 200]


def overview(*events: Event, streams: tuple[str, ...] = ("demo",)) -> Overview:
    labels = ["angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised"]
    hello: dict[str, Any] = {"type": "hello", "epoch": "1", "server": "affectd 1", "model": "crnn"}
    view = Overview("ws://127.0.0.1:8765")
    view.take({**hello, "labels": labels, "streams": streams})
    for event in events:
        view.take(parcel_of(event).message)
    return view


def drawn(view: Overview, *, width: int = 80, height: int = 30, color: bool = False) -> str:
    console = Console(
        file=io.StringIO(),
        record=True,
        width=width,
        height=height,
        force_terminal=color,
        color_system="truecolor" if color else None,
    )
    console.print(TerminalView(view), height=height)
    return console.export_text(styles=color)


@pytest.mark.parametrize("width", WIDTHS)
def test_it_says_what_is_heard_and_how_sure_that_is(speaker: Any, width: int) -> None:
    view = overview(speaker.said("sad", 0.52), speaker.speech("start"), speaker.sounds("happy"))
    text = drawn(view, width=width)
    assert "■ H A P P Y   76% sure" in text
    assert "● speech" in text
    assert "▸ happy" in text
    for label in ("angry", "disgust", "fearful", "neutral", "surprised"):
        assert f"  {label}" in text
    assert "■ sad" in text, "the last utterance"
    assert "52%" in text
    assert "model crnn" in text
    assert max(map(cell_len, text.splitlines())) <= width


@pytest.mark.parametrize("height", [5, 8, 12, 16, 24, 50])
@pytest.mark.parametrize("width", [60, 120])
def test_it_stays_within_the_height_while_utterances_come(
    speaker: Any, width: int, height: int
) -> None:
    view = overview(*(speaker.said("happy") for _ in range(70)), speaker.sounds("sad"))
    lines = drawn(view, width=width, height=height).splitlines()
    assert len(lines) <= max(height, 6)
    assert "model crnn" in lines[-1]


@pytest.mark.parametrize(
    ("abstained", "words"),
    [
        (Abstention.UNCERTAIN, "undecided"),
        (Abstention.NOISY, "too noisy to judge"),
        (Abstention.TOO_SHORT, "too short to judge"),
        (Abstention.NOT_SPEECH, "hardly any speech"),
    ],
)
def test_it_says_why_no_emotion_is_named(speaker: Any, abstained: Abstention, words: str) -> None:
    view = overview(speaker.speech("start"), speaker.sounds("sad", 0.3, abstained))
    assert f"□ {words}   perhaps sad, 30%" in drawn(view)


def test_in_silence_it_shows_what_was_heard_last(speaker: Any) -> None:
    text = drawn(overview(speaker.said("angry")))
    assert "○ no speech" in text
    assert "(last heard)" in text


def test_before_the_first_sound_it_says_so() -> None:
    assert "listening" in drawn(overview())
    assert "Connecting" in drawn(Overview("ws://host"))


def test_a_lost_daemon_is_named() -> None:
    view = overview()
    view.lose(Loss("ws://127.0.0.1:8765 is gone: shutdown", 0.5))
    text = drawn(view)
    assert "○ gone" in text
    assert "! ws://127.0.0.1:8765 is gone: shutdown" in text


def test_text_is_never_coloured_and_colour_is_never_alone(speaker: Any) -> None:
    view = overview(speaker.speech("start"), speaker.sounds("happy"))
    coloured = drawn(view, color=True)
    assert "\x1b[38;2;230;159;0m■" in coloured
    assert "\x1b[1mH A P P Y\x1b[0m" in coloured
    assert "happy" in drawn(view, color=False)


def test_many_streams_get_a_line_each(new_speaker: Callable[[str], Any]) -> None:
    names = tuple(f"room {number}" for number in range(12))
    events = [new_speaker(name).sounds("happy") for name in names]
    lines = drawn(overview(*events, streams=names), height=24).splitlines()
    assert len(lines) <= 24
    assert sum("■ happy" in line for line in lines) == len(names)


def test_two_streams_share_a_high_terminal(new_speaker: Callable[[str], Any]) -> None:
    events = [new_speaker(name).sounds("happy") for name in ("left", "right")]
    text = drawn(overview(*events, streams=("left", "right")), height=50)
    assert text.count("H A P P Y") == 2


def test_what_is_over_leaves_its_room_to_what_lives(new_speaker: Callable[[str], Any]) -> None:
    names = ("demo", "short.wav", "nan.wav")
    view = overview(*(new_speaker(name).sounds("happy") for name in names), streams=names)
    ended = {"type": "device", "stream": "short.wav", "state": "ended", "captured_at": 0.0}
    view.take(ended)
    failed = {"type": "error", "code": "bad_audio", "message": "sample 7 is nan", "fatal": True}
    view.take({**failed, "stream": "nan.wav", "captured_at": 0.0})
    text = drawn(view, height=20)
    assert text.count("H A P P Y") == 1
    [line] = [line for line in text.splitlines() if "short.wav" in line]
    assert "the source has ended" in line
    assert "!" not in line
    assert "! " in next(line for line in text.splitlines() if "nan.wav" in line)
    assert "device well · load well" in text
    view.take({**ended, "stream": "demo"})
    assert "H A P P Y" in drawn(view, height=60), "nobody lives: what was heard last is shown"


def test_a_name_from_the_wire_cannot_command_the_terminal() -> None:
    text = drawn(overview(streams=("\x1b]0;owned\x07",)), color=True)
    assert "\x1b]" not in text


def test_a_sparkline_tells_how_each_emotion_came_to_be(speaker: Any) -> None:
    rising = [speaker.sounds("happy", share) for share in (0.1, 0.5, 0.9)]
    text = drawn(overview(speaker.speech("start"), *rising), width=80)
    happy = next(line for line in text.splitlines() if "happy" in line and "%" in line)
    sad = next(line for line in text.splitlines() if "  sad" in line)
    heights = [each for each in happy.split("%")[1] if each in "▁▂▃▄▅▆▇█"]
    assert len(heights) == 3
    assert heights == sorted(heights)
    assert heights[0] != heights[-1]
    assert len([each for each in sad.split("%")[1] if each in "▁▂▃▄▅▆▇█"]) == 3
    assert "▁" not in drawn(overview(*rising), width=40)


def test_the_footer_tells_how_device_and_load_are(speaker: Any) -> None:
    assert "device well · load well" in drawn(overview(), width=120)
    lost = {"type": "device", "stream": "demo", "seq": 9, "start": 1, "end": 1, "state": "lost"}
    view = overview()
    view.take({**lost, "captured_at": 0.0, "detail": ""})
    assert "device demo lost" in drawn(view, width=120)
    view.take({**lost, "captured_at": 0.0, "detail": "", "state": "restored"})
    assert "device well" in drawn(view, width=120)
    load = {**lost, "type": "load", "state": "degraded", "dropped": 2, "hop_seconds": 0.5}
    view.take({**load, "captured_at": 0.0})
    assert "load degraded (demo)" in drawn(view, width=120)
