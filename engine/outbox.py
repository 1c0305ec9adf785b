"""What waits for one client: a bounded queue that gives up what is worth least."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from affectd.engine.protocol import Event, encode

__all__ = ["Outbox", "Parcel"]


@dataclass(slots=True)
class Parcel:
    """An event on its way to many clients, encoded once for each encoding in use."""

    event: Event
    message: dict[str, Any]
    _frames: dict[str, bytes | str] = field(default_factory=dict)

    def frame(self, subprotocol: str) -> bytes | str:
        """Return the event as a frame of this sub-protocol."""
        if subprotocol not in self._frames:
            self._frames[subprotocol] = encode(self.message, subprotocol)
        return self._frames[subprotocol]


class Outbox:
    """A queue for one client; putting something in never waits.

    When it is full the oldest provisional event goes first, for a newer one says more. Final
    events go only where there is nothing provisional left, and then the oldest.

    Args:
        capacity: Events held.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._parcels: deque[Parcel] = deque()
        self._filled = asyncio.Event()
        self._closed = False
        self.lost = 0
        """Events given up since this was last set to 0."""

    def __len__(self) -> int:
        return len(self._parcels)

    @property
    def half_full(self) -> bool:
        """Whether whoever can wait should."""
        return len(self._parcels) * 2 >= self._capacity

    def put(self, parcel: Parcel) -> None:
        """Append a parcel, at the cost of an older one if need be."""
        if len(self._parcels) >= self._capacity:
            self.lost += 1
            for place, older in enumerate(self._parcels):
                if older.event.provisional:
                    del self._parcels[place]
                    break
            else:
                if parcel.event.provisional:
                    return
                self._parcels.popleft()
        self._parcels.append(parcel)
        self._filled.set()

    def close(self) -> None:
        """Let `get` return what is left, and then `None`."""
        self._closed = True
        self._filled.set()

    async def get(self) -> Parcel | None:
        """Return the oldest parcel, waiting for one if there is none; `None` after the last."""
        while not self._parcels:
            if self._closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        return self._parcels.popleft()
