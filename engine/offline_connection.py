"""A connection to ``/analyze``: a recording comes in, its events go out, to nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from affectd.engine.hub import parcel_of
from affectd.engine.offline import Listener
from affectd.engine.protocol import (
    HIGHEST_RATE,
    LOWEST_RATE,
    MAX_CLIENT_FRAME_BYTES,
    SAMPLE_BYTES,
    Device,
    Error,
    ErrorCode,
    MalformedMessageError,
    SampleFormat,
    about_connection,
    decode,
    encode,
)
from affectd.engine.refusal import RequestError
from affectd.engine.session import SessionSettings

__all__ = ["OFFLINE_PATH", "OfflineHearing"]

OFFLINE_PATH = "/analyze"
_HELLO_SECONDS = 10.0
_IDLE_SECONDS = 60.0
_IDLE_BEFORE_OTHERS_SECONDS = 5.0
_LONGEST_SECONDS = 12 * 3_600
_FORMAT: SampleFormat = "s16le"
_WAITING = 16

Send = Callable[[dict[str, Any]], Awaitable[None]]


class OfflineHearing:
    """Hears recordings for clients, a few at a time; who comes later waits.

    Whoever is heard must send: the time that it lets the engine wait may in all be no longer than
    its recording and a minute, and at a stretch a minute, or five seconds where others wait.

    Args:
        model: The artefact.
        settings: As for the live streams.
        at_once: How many recordings are heard at the same time.
        idle_seconds: How long the engine waits for the next frame.
        idle_before_others_seconds: The same while others wait.
        longest_seconds: Of a recording.
    """

    def __init__(
        self,
        model: Path,
        settings: SessionSettings,
        *,
        at_once: int = 1,
        idle_seconds: float = _IDLE_SECONDS,
        idle_before_others_seconds: float = _IDLE_BEFORE_OTHERS_SECONDS,
        longest_seconds: float = _LONGEST_SECONDS,
    ) -> None:
        self._model = model
        self._settings = settings
        self._turn = asyncio.Semaphore(at_once)
        self._idle_seconds = idle_seconds
        self._idle_before_others_seconds = idle_before_others_seconds
        self._longest_seconds = longest_seconds
        self._here = 0
        self._waiting = 0
        self._limits: set[asyncio.Timeout] = set()
        """Of those that are heard, and wait for a frame."""

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
                async with self._in_turn():
                    await self._hear(connection, rate, send)
            except RequestError as fault:
                await send(_error(fault.code, str(fault)))
                await connection.close(1008, fault.code)
            except (OSError, TimeoutError) as error:
                await send(_error(ErrorCode.INTERNAL, str(error) or "nothing came for too long"))
                await connection.close(1011)
            else:
                await connection.close(1000)

    @contextlib.asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        self._waiting += 1
        try:
            soonest = asyncio.get_running_loop().time() + self._idle_before_others_seconds
            if self._turn.locked():
                for limit in self._limits:
                    if not limit.expired():
                        limit.reschedule(min(limit.when() or soonest, soonest))
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    async def _hear(self, connection: ServerConnection, rate: int, send: Send) -> None:
        listener = Listener(self._model, rate=rate, settings=self._settings)
        await listener.start()
        fault: Exception | None = None
        try:
            await send({**_about(), "type": "accepted", "rate": rate, "format": _FORMAT})
            async with asyncio.TaskGroup() as group:
                reader = group.create_task(self._feed(connection, listener, rate))
                async for event in listener.events():
                    event["captured_at"] = _about()["captured_at"]
                    await send(event)
                reader.cancel()
            await send(_ended())
        except* (ConnectionClosed, RequestError, OSError) as group_error:
            fault = group_error.exceptions[0]
        finally:
            await listener.close()
        if fault:
            # Python before 3.11.4 would wrap what is raised above in a group again.
            raise fault

    async def _feed(self, connection: ServerConnection, listener: Listener, rate: int) -> None:
        heard_seconds = waited_seconds = 0.0
        while True:
            began = time.monotonic()
            left_seconds = self._idle_seconds + heard_seconds - waited_seconds
            frame = await self._frame(connection, left_seconds)
            waited_seconds += time.monotonic() - began
            if isinstance(frame, bytes):
                _check(frame)
                heard_seconds += len(frame) / SAMPLE_BYTES[_FORMAT] / rate
                if heard_seconds > self._longest_seconds:
                    text = f"a recording of more than {self._longest_seconds / 3_600:g} hours"
                    raise RequestError(ErrorCode.UNSUPPORTED_AUDIO, f"{text} is not taken")
                await listener.feed(frame)
            elif _decoded(frame)["type"] == "end":
                listener.end()
                return
            else:
                text = "after 'hello' come audio and 'end'"
                raise RequestError(ErrorCode.UNKNOWN_MESSAGE, text)

    async def _frame(self, connection: ServerConnection, seconds: float) -> str | bytes:
        """Return the next frame, for which nobody waits longer than may be."""
        idle = self._idle_before_others_seconds if self._waiting else self._idle_seconds
        async with asyncio.timeout(min(idle, seconds)) as limit:
            self._limits.add(limit)
            try:
                return await connection.recv()
            finally:
                self._limits.discard(limit)


def _check(frame: bytes) -> None:
    size = len(frame)
    if size > MAX_CLIENT_FRAME_BYTES:
        text = f"a frame of {size} bytes; {MAX_CLIENT_FRAME_BYTES} are allowed"
        raise RequestError(ErrorCode.FRAME_TOO_LARGE, text)
    if size % SAMPLE_BYTES[_FORMAT]:
        text = f"a frame of {size} bytes holds no whole number of {_FORMAT} samples"
        raise RequestError(ErrorCode.ODD_AUDIO, text)


async def _message(connection: ServerConnection, seconds: float) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        return _decoded(await connection.recv())


def _decoded(frame: str | bytes) -> dict[str, Any]:
    try:
        return decode(frame)
    except MalformedMessageError as error:
        raise RequestError(ErrorCode.MALFORMED_MESSAGE, str(error)) from None


def _rate_of(message: dict[str, Any]) -> int:
    if message["type"] != "hello":
        raise RequestError(ErrorCode.UNKNOWN_MESSAGE, f"{OFFLINE_PATH} begins with 'hello'")
    rate, kind = message.get("rate"), message.get("format")
    if not isinstance(rate, int) or not LOWEST_RATE <= rate <= HIGHEST_RATE or kind != _FORMAT:
        text = f"from {LOWEST_RATE} to {HIGHEST_RATE} Hz and the 'format' {_FORMAT}"
        raise RequestError(ErrorCode.MALFORMED_MESSAGE, f"'hello' needs a 'rate' {text}")
    return rate


def _about() -> dict[str, Any]:
    return {**about_connection(), "captured_at": round(time.time(), 6)}


def _ended() -> dict[str, Any]:
    about = {**about_connection(), "stream": "recording"}
    return parcel_of(Device(**about, state="ended", detail="")).message


def _error(code: ErrorCode, message: str) -> dict[str, Any]:
    return parcel_of(Error(**about_connection(), code=code, message=message, fatal=True)).message
