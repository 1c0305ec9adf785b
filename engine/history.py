"""The final events of every stream that a client may ask for again."""

from __future__ import annotations

from collections import OrderedDict, deque

from affectd.engine.outbox import Parcel

__all__ = ["History"]

_EVENTS = 4_096
_MOST, _LEAST = 512, 32
_STREAMS = 4_096


class History:
    """Keeps the last events of each stream, and knows up to where it has forgotten them.

    One stream has up to 512 of them. Many share 4,096, but each has at least 32. Of the streams
    themselves, the 4,096 that spoke last are known.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, deque[Parcel]] = OrderedDict()
        self._forgotten: dict[str, int] = {}

    def __contains__(self, stream: str) -> bool:
        return stream in self._kept

    def keep(self, parcel: Parcel) -> None:
        """Take an event, at the expense of the oldest ones."""
        stream = parcel.event.stream
        kept = self._kept.setdefault(stream, deque())
        self._kept.move_to_end(stream)
        kept.append(parcel)
        most = min(_MOST, max(_LEAST, _EVENTS // len(self._kept)))
        while len(kept) > most:
            self._forgotten[stream] = kept.popleft().event.seq
        if len(self._kept) > _STREAMS:
            oldest, _ = self._kept.popitem(last=False)
            self._forgotten.pop(oldest, None)

    def after(self, stream: str, seq: int) -> list[Parcel]:
        """Return the events of a stream with a higher number, oldest first, as far as kept."""
        return [parcel for parcel in self._kept.get(stream, ()) if parcel.event.seq > seq]

    def forgotten(self, stream: str) -> int:
        """Return the number of the last event of a stream that is no longer kept, or 0."""
        return self._forgotten.get(stream, 0)
