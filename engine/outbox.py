"""What waits for one client: a bounded queue that gives up what is worth least."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.frames import Frame, Opcode

from affectd.engine.protocol import Event, encode

__all__ = ["Outbox", "Parcel"]


@dataclass(slots=True)
class Parcel:
    """An event on its way to many clients, encoded once for each encoding in use."""

    event: Event
    message: dict[str, Any]
    _frames: dict[str, bytes | str] = field(default_factory=dict)
    _wires: dict[str, bytes] = field(default_factory=dict)

    def frame(self, subprotocol: str) -> bytes | str:
        """Return the event as a frame of this sub-protocol."""
        if subprotocol not in self._frames:
            self._frames[subprotocol] = encode(self.message, subprotocol)
        return self._frames[subprotocol]

    def wire(self, subprotocol: str) -> bytes:
        """Return the bytes of that frame (RFC 6455, section 5.2), the same for every client."""
        if subprotocol not in self._wires:
            content = self.frame(subprotocol)
            opcode = Opcode.TEXT if isinstance(content, str) else Opcode.BINARY
            data = content.encode() if isinstance(content, str) else content
            self._wires[subprotocol] = Frame(opcode, data).serialize(mask=False)
        return self._wires[subprotocol]


class Outbox:
    """A queue for one client; putting something in never waits.

    When it is full the oldest provisional event goes first, for a newer one says more. Final
    events go only where there is nothing provisional left, and then the oldest. Where nothing
    waits, and `send_now` takes the parcel, it never enters the queue.

    Args:
        capacity: Events held.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._parcels: deque[Parcel] = deque()
        self._filled = asyncio.Event()
        self._awaited = False
        """Whether whoever empties the queue waits for something to come."""
        self._closed = False
        self.send_now: Callable[[Parcel], bool] = lambda _: False
        """Sends a parcel to the client at once, or returns that it cannot."""
        self.lost = 0
        """Events given up since this was last set to 0."""

    def __len__(self) -> int:
        return len(self._parcels)

    @property
    def half_full(self) -> bool:
        """Whether whoever can wait should."""
        return len(self._parcels) * 2 >= self._capacity

    def put(self, parcel: Parcel) -> None:
        """Send a parcel, or append it, at the cost of an older one if need be."""
        if self._awaited and not self._parcels and self.send_now(parcel):
            return
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
            self._awaited = True
            try:
                await self._filled.wait()
            finally:
                self._awaited = False
        return self._parcels.popleft()
