"""Unit: the page says what the terminal says."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

from tests.clients.web.javascript import values_of

from affectd.clients.manner import manner
from affectd.clients.wording import notice_of, reason
from affectd.engine import protocol

LABELS = ("angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised")
WORDING = """
const { MANNERS, isWell, notice, reason } = await load("wording.js");
const [events, abstentions] = given;
say(events.map(notice));
say(abstentions.map(reason));
say(events.map(isWell));
say(MANNERS);
"""


def states(kind: Any, field: str = "state") -> tuple[str, ...]:
    return get_args(get_type_hints(kind)[field])


async def test_every_notice_and_reason_reads_as_in_the_terminal() -> None:
    events: list[dict[str, Any]] = [
        *(
            {"type": "load", "state": state, "dropped": 3, "hop_seconds": hop}
            for state in states(protocol.Load)
            for hop in (0.0, 0.25, 0.5, 1.0, 2.0)
        ),
        *(
            {"type": "device", "state": state, "detail": detail}
            for state in (*states(protocol.Device), "of tomorrow")
            for detail in ("", "USB")
        ),
        *(
            {"type": "gap", "reason": why, "lost_seconds": 2.5}
            for why in (*states(protocol.Gap, "reason"), "of tomorrow")
        ),
        {"type": "error", "code": "bad_audio", "message": "sample 1 is nan"},
        {"type": "bye", "reason": "shutdown"},
        {"type": "emotion"},
        {"type": "of tomorrow"},
    ]
    abstentions = [*map(str, protocol.Abstention), "of tomorrow"]
    notices, reasons, well, manners = await values_of(WORDING, events, abstentions)
    assert notices == [notice_of(event) for event in events]
    said = manner("word")
    assert {label: f"[{word}]" for label, word in manners.items()} == {
        label: said(label) for label in LABELS
    }
    assert reasons == [reason(each) for each in abstentions]
    assert {event["state"] for event, is_well in zip(events, well, strict=True) if is_well} == {
        "recovered",
        "restored",
        "sounding",
        "started",
    }
