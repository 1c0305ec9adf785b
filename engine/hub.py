"""From the worker to every client: fan-out on the event loop, and what can be asked for again."""

from __future__ import annotations

import time
from collections.abc import Iterable

from affectd.engine.history import History
from affectd.engine.outbox import Outbox, Parcel
from affectd.engine.protocol import Event, Mel, Result

__all__ = ["Hub", "parcel_of"]


class Hub:
    """Hands every event to every client's outbox. It lives on the event loop and never waits.

    Args:
        queue_events: Events that may wait for one client.
        patience_seconds: For how long a source that can wait does so for a client.
    """

    def __init__(self, *, queue_events: int = 256, patience_seconds: float = 10.0) -> None:
        self._queue_events = queue_events
        self._outboxes: set[Outbox] = set()
        self._seers: set[Outbox] = set()
        self._hearing_all: set[Outbox] = set()
        self._hearing: dict[str, set[Outbox]] = {}
        self._choices: dict[Outbox, set[str]] = {}
        self._seen: frozenset[str] | None = frozenset()
        """Streams whose spectrogram somebody wants, `None` being all; replaced, never changed,
        because the worker's thread looks at it."""
        self.history = History()
        self._patience_seconds = patience_seconds
        self._behind_since: float | None = None
        self.published = 0

    def __len__(self) -> int:
        return len(self._outboxes)

    def shows_mel(self, stream: str) -> bool:
        """Return whether some client hears a stream and wants to see it; for any thread."""
        return self._seen is None or stream in self._seen

    def show_mel(self, outbox: Outbox, wanted: bool) -> None:
        """Let a client see the spectrogram of what it hears, or no longer."""
        (self._seers.add if wanted else self._seers.discard)(outbox)
        self._look()

    @property
    def congested(self) -> bool:
        """Whether some client is so far behind that a source which can wait should.

        Nobody is waited for longer than the patience allows: a client that reads too slowly then
        loses events, is told so, and is closed, as with any other source.
        """
        if not any(outbox.half_full for outbox in tuple(self._outboxes)):
            self._behind_since = None
            return False
        now = time.monotonic()
        if self._behind_since is None:
            self._behind_since = now
        return now - self._behind_since < self._patience_seconds

    def join(self) -> Outbox:
        """Return the queue of a new client, who hears all streams."""
        outbox = Outbox(self._queue_events)
        self._outboxes.add(outbox)
        self._hearing_all.add(outbox)
        return outbox

    def subscribe(self, outbox: Outbox, streams: set[str] | None) -> None:
        """Let a client hear these streams from now on, or all where it is `None`."""
        self._unsubscribe(outbox)
        if streams is None:
            self._hearing_all.add(outbox)
        else:
            self._choices[outbox] = streams
            for stream in streams:
                self._hearing.setdefault(stream, set()).add(outbox)
        if outbox in self._seers:
            self._look()

    def leave(self, outbox: Outbox) -> None:
        """Forget a client's queue."""
        self._outboxes.discard(outbox)
        self._unsubscribe(outbox)
        if outbox in self._seers:
            self.show_mel(outbox, False)

    def close(self) -> None:
        """Let every client have what is left in its queue, and nothing more."""
        for outbox in self._outboxes:
            outbox.close()

    def publish(self, events: Iterable[Event]) -> None:
        """Put events into every client's queue; they are encoded once for all of them."""
        now = time.monotonic()
        for event in events:
            self.published += 1
            parcel = parcel_of(event)
            if not event.provisional:
                self.history.keep(parcel, now)
            seers_alone = isinstance(event, Mel)
            for outbox in (*self._hearing_all, *self._hearing.get(event.stream, ())):
                if not seers_alone or outbox in self._seers:
                    outbox.put(parcel)

    def _look(self) -> None:
        """Find out anew which streams are to be seen."""
        if self._seers & self._hearing_all:
            self._seen = None
            return
        self._seen = frozenset().union(*(self._choices.get(seer, ()) for seer in self._seers))

    def _unsubscribe(self, outbox: Outbox) -> None:
        self._hearing_all.discard(outbox)
        for stream in self._choices.pop(outbox, ()):
            hearing = self._hearing[stream]
            hearing.discard(outbox)
            if not hearing:
                del self._hearing[stream]


def parcel_of(event: Event) -> Parcel:
    """Turn an event into its message, with its age at this moment and in UTC."""
    now = time.monotonic()
    message = event.to_wire(utc_offset=time.time() - now)
    if isinstance(event, Result):
        age_ms = 1000 * (now - event.captured_at)
        stages = dict(event.stages_ms or {})
        stages["publish"] = age_ms - sum(stages.values())
        message["age_ms"] = round(age_ms, 3)
        message["stages_ms"] = {name: round(value, 3) for name, value in stages.items()}
    return Parcel(event, message)
