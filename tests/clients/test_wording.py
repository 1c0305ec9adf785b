"""Unit: events in human words."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest

from affectd.clients.wording import line_of, notice_of, printable, reason
from affectd.engine import protocol


@pytest.mark.parametrize("abstained", list(protocol.Abstention))
def test_every_abstention_has_its_words(abstained: protocol.Abstention) -> None:
    assert reason(str(abstained)) not in (str(abstained), "")


@pytest.mark.parametrize("state", get_args(get_type_hints(protocol.Device)["state"]))
def test_every_state_of_a_device_has_its_words(state: str) -> None:
    assert state not in notice_of({"type": "device", "state": state}).split(": ")


@pytest.mark.parametrize("why", get_args(get_type_hints(protocol.Gap)["reason"]))
def test_every_gap_has_its_words(why: str) -> None:
    notice = notice_of({"type": "gap", "reason": why, "lost_seconds": 0.125})
    assert notice.startswith("0.12 s of audio are missing: the ")


@pytest.mark.parametrize(
    ("event", "notice"),
    [
        (
            {"type": "load", "state": "degraded", "dropped": 3, "hop_seconds": 0.5},
            "the engine cannot keep up: 3 windows dropped, one every 0.5 s from now on",
        ),
        ({"type": "load", "state": "recovered"}, "the engine keeps up again"),
        ({"type": "error", "code": "bad_audio", "message": "NaN"}, "NaN (bad_audio)"),
        ({"type": "bye", "reason": "shutdown"}, "the daemon says goodbye (shutdown)"),
        ({"type": "device", "state": "lost", "detail": "USB"}, "the device is lost (USB)"),
        ({"type": "emotion"}, ""),
        ({"type": "of tomorrow"}, ""),
    ],
)
def test_notices(event: dict[str, Any], notice: str) -> None:
    assert notice_of(event) == notice


def test_an_utterance_is_one_line_with_label_or_reason() -> None:
    event = {"type": "utterance", "stream": "demo", "start": 1.0, "end": 2.5, "confidence": 0.87}
    line = line_of({**event, "label": "happy", "captured_at": 0.0})
    assert line.split()[1:] == ["demo", "happy", "87%", "0:01.0", "to", "0:02.5"]
    silent = line_of({**event, "label": None, "abstained": "noisy", "captured_at": 1e300})
    assert silent.startswith("--:--:--  demo  (too noisy to judge)")
    assert line_of({"type": "emotion"}) == ""


def test_nothing_from_the_wire_reaches_the_terminal_as_a_command() -> None:
    assert printable("\x1b[31mred\r\n") == "\ufffd[31mred\ufffd\ufffd"
