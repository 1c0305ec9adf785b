"""Events in human words: why a result names no emotion, and one line for what is worth a line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from affectd.engine.protocol import Abstention

__all__ = ["clock", "line_of", "notice_of", "position", "printable", "reason"]

_REASONS: dict[str, str] = {
    Abstention.TOO_SHORT: "too short to judge",
    Abstention.NOISY: "too noisy to judge",
    Abstention.NOT_SPEECH: "hardly any speech",
    Abstention.UNCERTAIN: "undecided",
}
_GAPS = {
    "overrun": "the engine was too slow",
    "overflow": "the system was too slow",
    "device": "the device was away",
    "publisher": "the publisher was away, or sent none",
}
_DEVICES = {
    "lost": "the device is lost",
    "restored": "the device is back",
    "silent": "the device delivers nothing but zeros: muted, or no permission?",
    "sounding": "the device delivers sound again",
    "clipping": "the device is driven too hard: it clips",
    "ended": "the source has ended",
    "started": "a publisher begins to send",
}


def printable(value: object) -> str:
    """Return a text that can do no harm to a terminal, whoever wrote it."""
    return "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(value)
    )


def clock(event: Mapping[str, Any]) -> str:
    """Return the local time of an event's last sample, ``hh:mm:ss``."""
    try:
        return datetime.fromtimestamp(float(event.get("captured_at", 0.0))).strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "--:--:--"


def position(seconds: float) -> str:
    """Return a place in a stream, ``m:ss.s`` or ``h:mm:ss.s``."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def reason(abstained: object) -> str:
    """Return why a result names no emotion."""
    return _REASONS.get(str(abstained), printable(abstained))


def notice_of(event: Mapping[str, Any]) -> str:
    """Return what a gap, a change of the device or the load, or an error means; else nothing."""
    state = printable(event.get("state"))
    match event.get("type"):
        case "gap":
            why = _GAPS.get(str(event.get("reason")), printable(event.get("reason")))
            return f"{event.get('lost_seconds', 0.0):.2f} s of audio are missing: {why}"
        case "device":
            detail = printable(event.get("detail") or "")
            return _DEVICES.get(state, f"device: {state}") + (f" ({detail})" if detail else "")
        case "load" if state == "voice_only":
            return "the engine cannot keep up: it tells only who speaks from now on"
        case "load" if state == "degraded":
            return (
                f"the engine cannot keep up: {event.get('dropped', 0)} windows dropped, one every "
                f"{event.get('hop_seconds', 0.0):.2g} s from now on"
            )
        case "load":
            return "the engine keeps up again"
        case "error":
            return f"{printable(event.get('message'))} ({printable(event.get('code'))})"
        case "bye":
            return f"the daemon says goodbye ({printable(event.get('reason'))})"
    return ""


def line_of(event: Mapping[str, Any]) -> str:
    """Return the line that a person reads for an event, empty where there is nothing to say."""
    stream = printable(event.get("stream") or "affectd")
    if event.get("type") == "utterance":
        label = event.get("label")
        said = printable(label) if label else f"({reason(event.get('abstained'))})"
        span = f"{position(event['start'])} to {position(event['end'])}"
        return f"{clock(event)}  {stream}  {said:<20}  {event['confidence']:4.0%}  {span}"
    notice = notice_of(event)
    return f"{clock(event)}  {stream}  {notice}" if notice else ""
