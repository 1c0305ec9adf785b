"""What the events so far amount to: the state that a view draws, without terminal or clock."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from affectd.clients.subscription import Loss, is_last
from affectd.clients.wording import clock, line_of, notice_of

__all__ = ["Overview", "StreamState"]

_UTTERANCES = 64
_AGES = 256
_COURSE = 64
_WELL = ("recovered", "restored", "sounding", "started")


@dataclass(slots=True)
class StreamState:
    """One stream, as far as it is known."""

    name: str
    labels: tuple[str, ...] = ()
    """In the order in which they are shown."""
    speaking: bool = False
    silent_since: float = -math.inf
    """Where speech ended last, in stream seconds."""
    result: Mapping[str, Any] | None = None
    """The newest ``emotion`` or ``utterance``."""
    utterances: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=_UTTERANCES))
    """The last ones, oldest first."""
    course: deque[Mapping[str, float]] = field(default_factory=lambda: deque(maxlen=_COURSE))
    """Probabilities of the last provisional results, oldest first."""
    device: str = ""
    """The last state that was said of the device: empty while all is well."""
    load: str = ""
    """``degraded`` while the engine cannot keep up."""
    notices: dict[str, str] = field(default_factory=dict)
    """What is or went wrong: the newest by kind."""
    over: str = ""
    """When and how the stream ended; empty while it lives."""
    failed: bool = False
    """Whether it ended because of an error."""

    def take(self, event: Mapping[str, Any]) -> None:
        """Take an event of this stream."""
        kind = event.get("type")
        if kind in ("emotion", "utterance"):
            # An utterance that was missed and sent again says nothing of the present.
            if self.result is None or event["end"] >= self.result["end"]:
                self.result = event
            self.labels = self.labels or tuple(event["scores"])
        if kind == "emotion":
            self.course.append(event["scores"])
            # Whoever joins in the middle has missed that speech began.
            self.speaking |= kind == "emotion" and event["end"] > self.silent_since
        if kind == "utterance":
            self.utterances.append(event)
        elif kind == "speech":
            self.speaking = event.get("state") == "start"
            if not self.speaking:
                self.silent_since = event["end"]
        elif notice := notice_of(event):
            kind = str(kind)
            well = event.get("state") in _WELL
            if is_last(event):
                self._end(f"{clock(event)} {notice}", failed=kind == "error")
            elif kind in ("device", "load"):
                setattr(self, kind, "" if well else str(event.get("state")))
            if self.over:
                return
            if well:
                self.notices.pop(kind, None)
            else:
                self.notices[kind] = f"{clock(event)} {notice}"

    def _end(self, how: str, *, failed: bool) -> None:
        self.over, self.failed, self.speaking = how, failed, False
        # Of what is over, nothing can be ill or late.
        self.device = self.load = ""
        self.notices.clear()


class Overview:
    """Everything a view shows.

    Args:
        address: What is subscribed to, as it may be shown.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.server = ""
        self.model = ""
        self.status = "connecting"
        """``connecting``, ``connected``, or why the daemon is not there."""
        self.streams: dict[str, StreamState] = {}
        self.notice = ""
        """What is wrong with the connection, if anything."""
        self.utterances = 0
        """How many there were, of all streams."""
        self._labels: tuple[str, ...] = ()
        self._forgotten: deque[Mapping[str, Any]] = deque(maxlen=_UTTERANCES)
        self._epoch = ""
        self._ages_ms: deque[float] = deque(maxlen=_AGES)

    @property
    def age_ms(self) -> tuple[float, float] | None:
        """Age of the newest ``emotion`` and the 95th percentile of the last 256, ms."""
        if not self._ages_ms:
            return None
        ordered = sorted(self._ages_ms)
        return self._ages_ms[-1], ordered[math.ceil(0.95 * len(ordered)) - 1]

    def take(self, event: Mapping[str, Any]) -> None:
        """Take an event; one whose type is unknown changes nothing."""
        kind = event.get("type")
        if kind == "hello":
            self._greet(event)
        elif kind == "bye":
            self.status, self.notice = "gone", notice_of(event)
            self._hush()
        elif stream := event.get("stream"):
            # An utterance is known to be over only after a pause, so its age says nothing of speed.
            if kind == "emotion" and isinstance(event.get("age_ms"), int | float):
                self._ages_ms.append(event["age_ms"])
            self.utterances += kind == "utterance"
            if event.get("state") == "started":
                self._begin(str(stream))
            self._stream(str(stream)).take(event)
        elif notice := notice_of(event):
            self.notice = notice

    def lines(self) -> list[str]:
        """Return a line for each of the last utterances, and how many there were before them."""
        kept = [event for stream in self.streams.values() for event in stream.utterances]
        kept += self._forgotten
        earlier = self.utterances - len(kept)
        lines = [f"({earlier} earlier)"] if earlier > 0 else []
        kept.sort(key=lambda each: (each.get("captured_at", 0.0), each["end"]))
        return lines + [line_of(event) for event in kept]

    def lose(self, loss: Loss) -> None:
        """Note that the connection is gone, and will be tried again."""
        self.status = "gone"
        self.notice = loss.reason
        self._hush()

    def forget(self, name: str) -> None:
        """Show a stream no longer, if it is over; what was said in it can still be told."""
        stream = self.streams.get(name)
        if stream and stream.over:
            self._forgotten += stream.utterances
            del self.streams[name]

    def _greet(self, event: Mapping[str, Any]) -> None:
        self.server, self.model = str(event.get("server")), str(event.get("model"))
        self.status, self.notice = "connected", ""
        self._labels = tuple(event.get("labels") or ())
        if event.get("epoch") != self._epoch:
            self._epoch = str(event.get("epoch"))
            self.streams.clear()
            self._forgotten.clear()
            self._ages_ms.clear()
        for name in event.get("streams") or ():
            self._stream(name)

    def _stream(self, name: str) -> StreamState:
        return self.streams.setdefault(name, StreamState(name, self._labels))

    def _begin(self, name: str) -> None:
        """A stream begins anew under the name of one that is over: so do its seconds."""
        before = self.streams.get(name)
        if before and before.over:
            self.streams[name] = StreamState(name, before.labels, utterances=before.utterances)

    def _hush(self) -> None:
        for stream in self.streams.values():
            stream.speaking = False
