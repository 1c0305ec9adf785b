"""WebSocket connections that cost next to nothing, so that a swarm of them measures the daemon.

A full client library in the load generator would take more of the machine than what is measured.
Frames are masked with a key of zeros, which leaves their payload as it is.
"""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from affectd.engine.protocol import MSGPACK

__all__ = ["Wire", "frame", "open_wire"]

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_SMALL, _MEDIUM = 126, 127


def frame(payload: bytes, *, opcode: int = _BINARY) -> bytes:
    """Return a client's WebSocket frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < _SMALL:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | _SMALL, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | _MEDIUM, size)
    return head + b"\0\0\0\0" + payload


class Wire(asyncio.Protocol):
    """One connection: `send` frames, and get every message in `take`.

    Args:
        address: The daemon's.
        take: Called with the payload of every message.
    """

    def __init__(self, address: str, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._data = bytearray()
        self._open = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed = False
        self._host = urlsplit(address).netloc

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET / HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {MSGPACK}\r\n\r\n".encode()
        )

    def send(self, data: bytes) -> None:
        """Send bytes that `frame` made."""
        if not self.closed:
            self._transport.write(data)

    def close(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end."""
        self.closed = True
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("the daemon hung up"))

    def data_received(self, data: bytes) -> None:
        """Hand on every whole message."""
        self._data += data
        if not self._open:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._data.startswith(b"HTTP/1.1 101"):
                self._transport.abort()
                return
            del self._data[: end + 4]
            self._open = True
            self.opened.set_result(None)
        self._messages()

    def _messages(self) -> None:
        data = self._data
        place = 0
        while len(data) - place >= 2:
            opcode, size = data[place] & 0x0F, data[place + 1]
            head = 2
            if size == _SMALL:
                head = 4
                if len(data) - place < head:
                    break
                size = int.from_bytes(data[place + 2 : place + 4])
            elif size == _MEDIUM:
                head = 10
                if len(data) - place < head:
                    break
                size = int.from_bytes(data[place + 2 : place + 10])
            if len(data) - place < head + size:
                break
            payload = bytes(data[place + head : place + head + size])
            place += head + size
            if opcode in (_TEXT, _BINARY):
                self._take(payload)
            elif opcode == _PING:
                self.send(frame(payload, opcode=_PONG))
            elif opcode == _CLOSE:
                self._transport.abort()
        del data[:place]


async def open_wire(address: str, take: Callable[[bytes], None]) -> Wire:
    """Connect to a daemon.

    Raises:
        OSError: it does not answer.
    """
    parts = urlsplit(address)
    assert parts.hostname
    assert parts.port
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(lambda: Wire(address, take), parts.hostname, parts.port)
    await wire.opened
    return wire
