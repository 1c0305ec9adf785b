"""Sending audio to a daemon from Python: an asynchronous publisher, and its blocking twin."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed, WebSocketException

from affectd.clients.address import DEFAULT_ADDRESS, Address
from affectd.clients.publication import Publication
from affectd.clients.refusal import SubscriptionError, refusal_of
from affectd.engine.protocol import SampleFormat

__all__ = ["Publisher", "SyncPublisher", "publish", "publish_sync"]

_TOKEN_VARIABLE = "AFFECTD_TOKEN"  # noqa: S105 - its name, not its value
_WAITING_EVENTS = 4_096
_GREETING_SECONDS = 5.0
_RETRY_SECONDS = 0.25
Result = TypeVar("Result")


def publish(
    address: str = DEFAULT_ADDRESS,
    *,
    rate: int,
    format: SampleFormat = "s16le",  # noqa: A002 - named as on the wire
    stream: str | None = None,
    voice: str | None = None,
    token: str | None = None,
    reconnect: bool = True,
) -> Publisher:
    """Send audio to a daemon, and hear what it makes of it.

        async with affectd.publish(rate=16_000, stream="kitchen") as publisher:
            async for block in microphone:
                await publisher.send(block)
            await publisher.end()
            async for event in publisher:
                print(event["type"], event.get("label"))

    Blocks are sent as they are captured: a daemon leaves unread what is far ahead of real time.
    Events may be iterated over at any time, in another task too; those that nobody takes are
    kept up to a limit. After a loss it connects again for as long as the daemon keeps the stream;
    audio that is sent meanwhile is lost, and the daemon says so with a ``gap``.

    Args:
        address: Where the daemon is, ``ws://host:port``.
        rate: Sampling rate, 8,000 to 96,000 Hz.
        format: ``s16le`` or ``f32le``, mono.
        stream: Name of the stream; the daemon chooses one if it is `None`.
        voice: Whose voice it is, of those that are enrolled where the daemon runs: it is heard
            beside its own baseline.
        token: What the daemon wants to be shown; from AFFECTD_TOKEN if `None`.
        reconnect: Whether to try to mend a loss.

    Raises:
        ValueError: the address, rate or format is none; raised at once.
        SubscriptionError: nothing answers there, or it refuses; an `OSError`. Raised when entered,
            and by `send` and by waiting for an event where a loss cannot be mended.
    """
    return Publisher(_publication(address, rate, format, stream, voice, token), reconnect=reconnect)


def publish_sync(
    address: str = DEFAULT_ADDRESS,
    *,
    rate: int,
    format: SampleFormat = "s16le",  # noqa: A002 - named as on the wire
    stream: str | None = None,
    voice: str | None = None,
    token: str | None = None,
    reconnect: bool = True,
) -> SyncPublisher:
    """Send audio to a daemon without asyncio; everything else is as in `publish`.

        with affectd.publish_sync(rate=16_000) as publisher:
            publisher.send(block)
            for event in publisher.end():
                print(event["type"], event.get("label"))

    Args:
        address: Where the daemon is, ``ws://host:port``.
        rate: Sampling rate, 8,000 to 96,000 Hz.
        format: ``s16le`` or ``f32le``, mono.
        stream: Name of the stream; the daemon chooses one if it is `None`.
        voice: Whose voice it is, of those that are enrolled where the daemon runs: it is heard
            beside its own baseline.
        token: What the daemon wants to be shown; from AFFECTD_TOKEN if `None`.
        reconnect: Whether to try to mend a loss.

    Raises:
        ValueError: the address, rate or format is none; raised at once.
        SubscriptionError: as with `publish`.
    """
    return SyncPublisher(
        _publication(address, rate, format, stream, voice, token), reconnect=reconnect
    )


class Publisher:
    """An asynchronous publisher, and iterator over its stream's events; `publish` makes one.

    Args:
        publication: What to say.
        reconnect: Whether to try to mend a loss.
    """

    def __init__(self, publication: Publication, *, reconnect: bool = True) -> None:
        self._publication = publication
        self._reconnect = reconnect
        self._connection: websockets.asyncio.client.ClientConnection | None = None
        self._events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(_WAITING_EVENTS)
        self._reader: asyncio.Task[None] | None = None
        self._failure: SubscriptionError | None = None
        self._ending = False

    @property
    def stream(self) -> str:
        """The stream's name."""
        return self._publication.name

    async def __aenter__(self) -> Self:
        try:
            self._connection = await self._connect()
        except (OSError, WebSocketException) as error:
            raise refusal_of(error, self._publication.address.shown) from None
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; the stream ends."""
        try:
            if self._reader:
                self._reader.cancel()
                # Not awaited itself: its cancellation could not be told from our caller's own.
                await asyncio.wait({self._reader})
        finally:
            if self._connection:
                await self._connection.close()

    async def send(self, audio: bytes | memoryview) -> bool:
        """Send samples; return whether they went out, and not into a connection that is lost.

        Args:
            audio: Whole samples, mono, in the publisher's format: bytes, or anything with a
                contiguous buffer, as a numpy array of int16 (s16le) or float32 (f32le).

        Raises:
            TypeError: the array is of another type than the format.
            ValueError: it holds no whole number of samples.
            SubscriptionError: the daemon has refused, or the stream is over for good.
        """
        frames = list(self._publication.frames(audio))
        if failure := self._failure or self._publication.ended_with:
            raise failure
        connection = self._connection
        if connection is None:
            return False
        try:
            for frame in frames:
                await connection.send(frame)
        except ConnectionClosed:
            return False
        return True

    async def end(self) -> None:
        """End the stream; the events that are still to come may be iterated over."""
        self._ending = True
        if self._connection:
            with contextlib.suppress(ConnectionClosed):
                await self._connection.send(self._publication.end())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        event = await self._events.get()
        if event is not None:
            return event
        self._put(None)  # for whoever asks again
        if self._failure:
            raise self._failure
        raise StopAsyncIteration

    async def _connect(self) -> websockets.asyncio.client.ClientConnection:
        publication = self._publication
        connection = await websockets.asyncio.client.connect(**publication.handshake)
        try:
            await connection.send(publication.hello())
            async with asyncio.timeout(_GREETING_SECONDS):
                while not publication.greeted(await connection.recv()):
                    pass
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _read(self) -> None:
        try:
            while True:
                assert self._connection
                try:
                    while True:
                        self._put(self._publication.receive(await self._connection.recv()))
                except ConnectionClosed as error:
                    if self._publication.ended_with:
                        return
                    await self._mend(error)
        except (OSError, WebSocketException) as error:
            self._failure = refusal_of(error, self._publication.address.shown)
        finally:
            self._put(None)

    async def _mend(self, lost: ConnectionClosed) -> None:
        """Connect again while the daemon keeps the stream, or raise why that is not possible."""
        self._connection = None
        if not self._reconnect or self._ending:
            raise lost
        error: Exception = lost
        try:
            async with asyncio.timeout(self._publication.grace_seconds):
                while self._connection is None:
                    await asyncio.sleep(_RETRY_SECONDS)
                    try:
                        self._connection = await self._connect()
                    except (OSError, WebSocketException) as again:
                        error = again
        except TimeoutError:
            raise error from None

    def _put(self, event: dict[str, Any] | None) -> None:
        if self._events.full():
            self._events.get_nowait()  # the oldest is worth least
        self._events.put_nowait(event)


class SyncPublisher:
    """A blocking publisher, whose connection lives in a thread; `publish_sync` makes one.

    Args:
        publication: What to say.
        reconnect: Whether to try to mend a loss.
    """

    def __init__(self, publication: Publication, *, reconnect: bool = True) -> None:
        self._publication = publication
        self._reconnect = reconnect

    @property
    def stream(self) -> str:
        """The stream's name."""
        return self._publication.name

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._publisher = self._await(self._make())
        try:
            self._await(self._publisher.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._await(self._publisher.aclose())
        self._stop()

    def send(self, audio: bytes | memoryview) -> bool:
        """Send samples, as `Publisher.send` does."""
        return self._await(self._publisher.send(audio))

    def end(self) -> Self:
        """End the stream; return an iterator over the events that are still to come."""
        self._await(self._publisher.end())
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> dict[str, Any]:
        try:
            return self._await(self._next())
        except StopAsyncIteration:
            raise StopIteration from None

    async def _next(self) -> dict[str, Any]:
        return await anext(self._publisher)

    async def _make(self) -> Publisher:
        return Publisher(self._publication, reconnect=self._reconnect)

    def _await(self, what: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _publication(
    address: str,
    rate: int,
    format: SampleFormat,  # noqa: A002 - named as on the wire
    stream: str | None,
    voice: str | None,
    token: str | None,
) -> Publication:
    if token is None:
        token = os.environ.get(_TOKEN_VARIABLE, "")
    return Publication(
        Address(address, token), rate=rate, format=format, stream=stream, voice=voice
    )
