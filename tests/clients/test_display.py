"""Unit: lines of JSON, lines for people, and the picture."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from affectd.clients import display
from affectd.clients.display import JsonLines, Picture, Screen, TextLines
from affectd.clients.overview import Overview
from affectd.clients.subscription import Loss
from affectd.engine.hub import parcel_of

LOSS = Loss("ws://host is gone", 0.25)


def test_json_is_one_event_a_line(speaker: Any, capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    lines = JsonLines(out)
    messages = [parcel_of(speaker.said("sad")).message for _ in range(3)]
    for message in messages:
        lines.take(message)
    lines.lose(LOSS)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == messages
    assert capsys.readouterr().err == "affectd: ws://host is gone; trying again\n"


def test_people_get_utterances_and_notices_and_a_loss_once(speaker: Any) -> None:
    out = io.StringIO()
    lines = TextLines(out)
    for event in (speaker.speech("start"), speaker.sounds("sad"), speaker.said("happy")):
        lines.take(parcel_of(event).message)
    lines.lose(LOSS)
    lines.lose(LOSS)
    said, lost = out.getvalue().splitlines()
    assert "happy" in said
    assert lost == "ws://host is gone; trying again"


def test_the_picture_is_taken_in_a_later_utterance_when_an_emotion_is_named(
    speaker: Any, tmp_path: Path
) -> None:
    file = tmp_path / "view.svg"
    picture = Picture(Overview("ws://host"), file, utterances=1)
    events = [speaker.sounds("sad") for _ in range(4)]
    events += [speaker.said("sad"), *(speaker.sounds("happy") for _ in range(3))]
    for event in events:
        assert not picture.done
        picture.take(parcel_of(event).message)
    assert picture.done
    picture.close()
    assert "H&#160;A&#160;P&#160;P&#160;Y" in file.read_text("utf-8")


def test_no_picture_is_left_by_who_is_interrupted(tmp_path: Path) -> None:
    picture = Picture(Overview("ws://host"), tmp_path / "view.svg", utterances=1)
    picture.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fatal", [False, True])
async def test_the_screen_forgets_what_is_over_after_a_while(
    speaker: Any, monkeypatch: pytest.MonkeyPatch, fatal: bool
) -> None:
    monkeypatch.setattr(display, "_FAILED_SECONDS" if fatal else "_ENDED_SECONDS", 0.01)
    overview = Overview("ws://host")
    screen = Screen(overview, Console(file=io.StringIO(), force_terminal=True))
    try:
        screen.take(parcel_of(speaker.sounds("happy")).message)
        last = {"type": "device", "state": "ended", "stream": "demo", "captured_at": 0.0}
        if fatal:
            last |= {"type": "error", "fatal": True, "code": "bad_audio", "message": "nan"}
        screen.take(last)
        assert overview.streams["demo"].over
        async with asyncio.timeout(60):
            while overview.streams:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)
    finally:
        screen.close()
