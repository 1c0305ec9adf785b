"""A connection to ``/analyze``: a recording comes in, its events go out, to nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from affectd.engine.offline import Listener
from affectd.engine.protocol import (
    MAX_CLIENT_FRAME_BYTES,
    Device,
    Error,
    ErrorCode,
    Event,
    MalformedMessageError,
    decode,
    encode,
)
from affectd.engine.session import SessionSettings

__all__ = ["OFFLINE_PATH", "OfflineHearing"]

OFFLINE_PATH = "/analyze"
_HELLO_SECONDS = 10.0
_IDLE_SECONDS = 60.0
_RATES = (8_000, 96_000)
_WAITING = 16

Send = Callable[[dict[str, Any]], Awaitable[None]]


class _FaultError(ValueError):
    """The client did not keep to the protocol."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class OfflineHearing:
    """Hears recordings for clients, a few at a time; who comes later waits.

    Args:
        model: The artefact.
        settings: As for the live streams.
        at_once: How many recordings are heard at the same time.
    """

    def __init__(self, model: Path, settings: SessionSettings, *, at_once: int = 1) -> None:
        self._model = model
        self._settings = settings
        self._turn = asyncio.Semaphore(at_once)
        self._here = 0

    async def serve(self, connection: ServerConnection, subprotocol: str) -> None:
        """Serve one connection, after the daemon's ``hello`` was sent."""
        if self._here >= _WAITING:
            message = f"{_WAITING} recordings wait already, and no more may"
            error = _error(ErrorCode.TOO_MANY_CLIENTS, message)
            await connection.send(encode(error, subprotocol))
            await connection.close(1013, ErrorCode.TOO_MANY_CLIENTS)
            return
        self._here += 1
        try:
            await self._serve(connection, subprotocol)
        finally:
            self._here -= 1

    async def _serve(self, connection: ServerConnection, subprotocol: str) -> None:
        async def send(message: dict[str, Any]) -> None:
            await connection.send(encode(message, subprotocol))

        with contextlib.suppress(ConnectionClosed):
            try:
                rate = _rate_of(await _message(connection, _HELLO_SECONDS))
                async with self._turn:
                    await self._hear(connection, rate, send)
            except _FaultError as fault:
                await send(_error(fault.code, str(fault)))
                await connection.close(1008, fault.code)
            except (OSError, TimeoutError) as error:
                await send(_error(ErrorCode.INTERNAL, str(error) or "nothing came for too long"))
                await connection.close(1011)
            else:
                await connection.close(1000)

    async def _hear(self, connection: ServerConnection, rate: int, send: Send) -> None:
        listener = Listener(self._model, rate=rate, settings=self._settings)
        await listener.start()
        try:
            await send({**_about(), "type": "accepted", "rate": rate, "format": "s16le"})
            async with asyncio.TaskGroup() as group:
                reader = group.create_task(_feed(connection, listener))
                async for event in listener.events():
                    event["captured_at"] = _about()["captured_at"]
                    await send(event)
                reader.cancel()
            await send(_ended())
        except* (ConnectionClosed, _FaultError, OSError) as group_error:
            raise group_error.exceptions[0] from None
        finally:
            await listener.close()


async def _feed(connection: ServerConnection, listener: Listener) -> None:
    while True:
        async with asyncio.timeout(_IDLE_SECONDS):
            frame = await connection.recv()
        if isinstance(frame, bytes):
            if len(frame) > MAX_CLIENT_FRAME_BYTES or len(frame) % 2:
                text = f"a frame of {len(frame)} bytes; allowed are whole samples of 2 bytes, and "
                raise _FaultError(
                    ErrorCode.FRAME_TOO_LARGE, f"{text}{MAX_CLIENT_FRAME_BYTES} bytes"
                )
            await listener.feed(frame)
        elif _decoded(frame)["type"] == "end":
            listener.end()
            return
        else:
            raise _FaultError(ErrorCode.UNKNOWN_MESSAGE, "after 'hello' come audio and 'end'")


async def _message(connection: ServerConnection, seconds: float) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        return _decoded(await connection.recv())


def _decoded(frame: str | bytes) -> dict[str, Any]:
    try:
        return decode(frame)
    except MalformedMessageError as error:
        raise _FaultError(ErrorCode.MALFORMED_MESSAGE, str(error)) from None


def _rate_of(message: dict[str, Any]) -> int:
    if message["type"] != "hello":
        raise _FaultError(ErrorCode.UNKNOWN_MESSAGE, f"{OFFLINE_PATH} begins with 'hello'")
    rate, kind = message.get("rate"), message.get("format")
    if not isinstance(rate, int) or not _RATES[0] <= rate <= _RATES[1] or kind != "s16le":
        text = "'hello' needs a 'rate' from 8000 to 96000 Hz and the 'format' s16le"
        raise _FaultError(ErrorCode.MALFORMED_MESSAGE, text)
    return rate


def _about() -> dict[str, Any]:
    return {"stream": "", "seq": 0, "start": 0.0, "end": 0.0, "captured_at": round(time.time(), 6)}


def _ended() -> dict[str, Any]:
    return _wire(Device(**{**_about(), "stream": "recording"}, state="ended", detail=""))


def _error(code: ErrorCode, message: str) -> dict[str, Any]:
    return _wire(Error(**_about(), code=code, message=message, fatal=True))


def _wire(event: Event) -> dict[str, Any]:
    return event.to_wire()
