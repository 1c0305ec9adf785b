"""A WebSocket connection that hands a publisher's audio over as it comes from the socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

from affectd.engine.protocol import MAX_CLIENT_FRAME_BYTES

try:
    from websockets.speedups import apply_mask
except ImportError:  # its C code is not there: the same in Python
    from websockets.utils import apply_mask

__all__ = ["LONGEST_FRAME_BYTES", "AudioConnection", "Hear"]

LONGEST_FRAME_BYTES = 2 * MAX_CLIENT_FRAME_BYTES
"""A frame over what is allowed can still be read, and answered by name, up to this size; past it
the library closes the connection with 1009 before we see the frame."""

Hear = Callable[[bytes], float | None]
"""Takes a message; returns for how many seconds to read nothing, or `None` if it is to go the
library's way."""

_HEAD_END = b"\r\n\r\n"
_LONGEST_HEAD_BYTES = 1 << 14
# RFC 6455, section 5.2.
_WHOLE_BINARY = 0x82
_MASKED, _LENGTH, _OPCODE = 0x80, 0x7F, 0x0F
_TEXT_AND_BINARY = (0x1, 0x2)
_TWO_BYTES = 126
_MASK_BYTES = 4


class AudioConnection(ServerConnection):
    """Cuts what comes into frames, and takes whole binary ones past the library where it may.

    The library parses a frame with generators, puts it into a queue, and wakes the task that
    reads it: most of what a block of audio costs the network. Here a binary message in one frame,
    masked as it must be, costs two slices. All else (text, control frames, fragments, what is too
    long or breaks the protocol) goes to the library, frame by frame, and so does audio behind a
    message that the library's reader has not yet settled: nothing overtakes anything.

    Attributes:
        hear: Takes audio; without it everything goes the library's way.
    """

    hear: Hear | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head: bytes | None = b""
        """Of the HTTP request, until it is complete."""
        self._rest = bytearray()
        """The beginning of a frame whose end has not come, and what came while held."""
        self._needed = 0
        """Bytes from which on there is more to be cut from the rest."""
        self._cuts = False
        self._unsettled = 0
        """Messages that went to the library and have not been dealt with."""
        self._held = False

    def settle(self) -> None:
        """Note that a message which the library handed over has been dealt with."""
        self._unsettled -= 1

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket."""
        if self._head is not None:
            self._open(data)
            return
        if not self._cuts:
            super().data_received(data)
            return
        if self._rest or self._held:
            self._rest += data
            if self._held:
                # The library may have let the socket go on.
                self.transport.pause_reading()
                return
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest.clear()
            self._needed = 0
        self._rest += data[self._take(data) :]

    def _open(self, data: bytes) -> None:
        assert self._head is not None
        head = self._head + data
        end = head.find(_HEAD_END)
        if end < 0:
            # A head that is too long is the library's to refuse.
            self._head = head if len(head) < _LONGEST_HEAD_BYTES else None
        else:
            self._head = None
            # Who sends frames before the handshake is over has them read by the library alone.
            self._cuts = end + len(_HEAD_END) == len(head)
        super().data_received(data)

    def _take(self, data: bytes) -> int:
        """Deal with the whole frames at the beginning of these bytes; return where they end."""
        place, end = 0, len(data)
        while end - place >= 2:
            first, second = data[place], data[place + 1]
            length = second & _LENGTH
            head = 2
            if length >= _TWO_BYTES:
                head = 4 if length == _TWO_BYTES else 10
                if end - place < head:
                    self._needed = head
                    break
                length = int.from_bytes(data[place + 2 : place + head])
            if second & _MASKED:
                head += _MASK_BYTES
            begin = place + head
            stop = begin + length
            if length > LONGEST_FRAME_BYTES:
                # The library refuses it before it has come.
                self._cuts = False
                super().data_received(data[place:])
                return end
            if stop > end:
                self._needed = stop - place
                break
            if (
                first == _WHOLE_BINARY
                and second & _MASKED
                and self.hear is not None
                and not self._unsettled
                and self.state is State.OPEN
            ):
                seconds = self.hear(apply_mask(data[begin:stop], data[begin - _MASK_BYTES : begin]))
                if seconds is not None:
                    place = stop
                    if seconds:
                        self._hold(seconds)
                        break
                    continue
            if first & _OPCODE in _TEXT_AND_BINARY:
                self._unsettled += 1
            super().data_received(data[place:stop])
            place = stop
        return place

    def _hold(self, seconds: float) -> None:
        """Read nothing for so long: the socket fills up, and sending blocks."""
        self._held = True
        self.transport.pause_reading()
        self.loop.call_later(seconds, self._release)

    def _release(self) -> None:
        self._held = False
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self.data_received(b"")
