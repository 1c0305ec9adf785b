"""The final events of every stream that a client may ask for again."""

from __future__ import annotations

from collections import OrderedDict, deque

from affectd.engine.outbox import Parcel
from affectd.engine.protocol import Device, Error

__all__ = ["History"]

_EVENTS = 8_192
_MOST = 512
_STREAMS = 4_096
_ENDED_SECONDS = 600.0


class History:
    """Keeps the last events of each stream, and knows up to where it has forgotten them.

    One stream has up to 512 of them, and all streams together 8,192, of which each has the same
    share. A stream that has ended is forgotten ten minutes later, and where more than 4,096 are
    known, the one that has been silent longest. It knows no clock: time is given to it.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, deque[Parcel]] = OrderedDict()
        self._forgotten: dict[str, int] = {}
        self._ended: OrderedDict[str, float] = OrderedDict()
        """When streams ended, the earliest first."""
        self._events = 0

    def __len__(self) -> int:
        return self._events

    def __contains__(self, stream: str) -> bool:
        return stream in self._kept

    def keep(self, parcel: Parcel, now: float) -> None:
        """Take an event, at the expense of the oldest ones.

        Args:
            parcel: The event.
            now: Seconds of the engine's clock.
        """
        stream = parcel.event.stream
        self._ended.pop(stream, None)  # a name may be taken again
        if _is_last(parcel):
            self._ended[stream] = now
        kept = self._kept.setdefault(stream, deque())
        self._kept.move_to_end(stream)
        kept.append(parcel)
        self._events += 1
        while self._ended and now - next(iter(self._ended.values())) > _ENDED_SECONDS:
            self._forget(next(iter(self._ended)))
        if len(self._kept) > _STREAMS:
            self._forget(next(iter(self._kept)))
        share = min(_MOST, _EVENTS // len(self._kept))
        self._shorten(stream, share)
        if self._events > _EVENTS:
            # A stream has come: those that were trimmed to a larger share give some up for it.
            for name in self._kept:
                self._shorten(name, share)

    def after(self, stream: str, seq: int) -> list[Parcel]:
        """Return the events of a stream with a higher number, oldest first, as far as kept."""
        return [parcel for parcel in self._kept.get(stream, ()) if parcel.event.seq > seq]

    def forgotten(self, stream: str) -> int:
        """Return the number of the last event of a stream that is no longer kept, or 0."""
        return self._forgotten.get(stream, 0)

    def _shorten(self, stream: str, share: int) -> None:
        kept = self._kept[stream]
        while len(kept) > share:
            self._forgotten[stream] = kept.popleft().event.seq
            self._events -= 1

    def _forget(self, stream: str) -> None:
        self._events -= len(self._kept.pop(stream))
        self._forgotten.pop(stream, None)
        self._ended.pop(stream, None)


def _is_last(parcel: Parcel) -> bool:
    event = parcel.event
    return (isinstance(event, Device) and event.state == "ended") or (
        isinstance(event, Error) and event.fatal
    )
