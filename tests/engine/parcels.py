"""Events that say no more than a test needs."""

from __future__ import annotations

from typing import Any

from affectd.engine.hub import parcel_of
from affectd.engine.outbox import Parcel
from affectd.engine.protocol import Device, Emotion, Event, Result, Speech, Utterance


def event(seq: int, kind: type[Event] = Speech, *, stream: str = "mic", **values: Any) -> Event:
    """Return an event of a kind with plausible values."""
    common = {"stream": stream, "seq": seq, "start": seq - 1.0, "end": float(seq)}
    if kind is Speech:
        values.setdefault("state", "start")
    if kind is Device:
        values = {"state": "sounding", "detail": "", **values}
    if issubclass(kind, Result):
        values = {
            "label": "happy",
            "abstained": None,
            "confidence": 0.75,
            "scores": {"happy": 0.75, "sad": 0.25},
            "valence": 0.4,
            "arousal": 0.25,
            "snr_db": 20.0,
            **values,
        }
    return kind(**{"captured_at": 100.0 + seq, **common, **values})


def parcel(seq: int, kind: type[Event] = Speech, **values: Any) -> Parcel:
    """Return such an event, wrapped."""
    return parcel_of(event(seq, kind, **values))


__all__ = ["Device", "Emotion", "Speech", "Utterance", "event", "parcel"]
