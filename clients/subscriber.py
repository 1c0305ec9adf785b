"""Listening to a daemon from Python: an asynchronous iterator of events, and its blocking twin."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any, Self

import websockets.asyncio.client
import websockets.sync.client
from websockets.exceptions import WebSocketException

from affectd.clients.address import DEFAULT_ADDRESS, Address
from affectd.clients.subscription import Format, Loss, Subscription

__all__ = ["Subscriber", "SyncSubscriber", "subscribe", "subscribe_sync"]

_TOKEN_VARIABLE = "AFFECTD_TOKEN"  # noqa: S105 - its name, not its value


def subscribe(
    address: str = DEFAULT_ADDRESS,
    *,
    token: str | None = None,
    format: Format = "msgpack",  # noqa: A002 - named as people know it
    reconnect: bool = True,
    on_loss: Callable[[Loss], None] = lambda _: None,
) -> Subscriber:
    """Listen to a daemon.

    The events are plain dicts, as docs/protocol.md describes them; the first of every connection
    is ``hello``. It may be iterated over as it is; as a context manager it closes the connection
    at once when it is left:

        async with affectd.subscribe("ws://127.0.0.1:8765") as events:
            async for event in events:
                print(event["type"], event.get("label"))

    It ends when the daemon's source has ended. After a loss it connects again, waiting longer
    after each attempt, at most 5 s. Every final event that the daemon still has is delivered once;
    those that were missed may follow newer ones. After a restart of the daemon (a new ``epoch``)
    it starts anew.

    Args:
        address: Where the daemon is, ``ws://host:port``.
        token: What the daemon wants to be shown; from AFFECTD_TOKEN if `None`.
        format: Encoding on the wire; the events are the same.
        reconnect: With `False` it ends with the daemon's ``bye``, and raises after a loss.
        on_loss: Called after every loss that it tries to mend.

    Raises:
        AddressError: the address is none; a `ValueError`, raised at once.
        SubscriptionError: while iterating: nothing answers there at first, it is no affectd, the
            token is wrong, the daemon refuses; an `OSError`.
    """
    return Subscriber(_subscription(address, token, format, reconnect, on_loss))


def subscribe_sync(
    address: str = DEFAULT_ADDRESS,
    *,
    token: str | None = None,
    format: Format = "msgpack",  # noqa: A002 - named as people know it
    reconnect: bool = True,
    on_loss: Callable[[Loss], None] = lambda _: None,
) -> SyncSubscriber:
    """Listen to a daemon without asyncio; everything else is as in `subscribe`.

        with affectd.subscribe_sync("ws://127.0.0.1:8765") as events:
            for event in events:
                print(event["type"], event.get("label"))

    Args:
        address: Where the daemon is, ``ws://host:port``.
        token: What the daemon wants to be shown; from AFFECTD_TOKEN if `None`.
        format: Encoding on the wire; the events are the same.
        reconnect: With `False` it ends with the daemon's ``bye``, and raises after a loss.
        on_loss: Called after every loss that it tries to mend.

    Raises:
        AddressError: the address is none; a `ValueError`, raised at once.
        SubscriptionError: while iterating, as with `subscribe`.
    """
    return SyncSubscriber(_subscription(address, token, format, reconnect, on_loss))


class Subscriber:
    """An asynchronous iterator over a daemon's events; `subscribe` makes one.

    Args:
        subscription: What to do.
    """

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._events = self._run()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; there are no more events."""
        await self._events.aclose()

    async def _run(self) -> AsyncGenerator[dict[str, Any], None]:
        subscription = self._subscription
        while True:
            try:
                async with websockets.asyncio.client.connect(
                    **subscription.handshake
                ) as connection:
                    subscription.connected()
                    while True:
                        # Not `wait_for`: in Python 3.11 it drops a cancellation that meets a frame.
                        async with asyncio.timeout(subscription.patience):
                            frame = await connection.recv()
                        turn = subscription.receive(frame)
                        for reply in turn.replies:
                            await connection.send(reply)
                        if turn.event is not None:
                            yield turn.event
                        if turn.last:
                            return
            except (OSError, WebSocketException) as error:
                pause = subscription.interrupted(error)
            await asyncio.sleep(pause)


class SyncSubscriber:
    """A blocking iterator over a daemon's events; `subscribe_sync` makes one.

    Args:
        subscription: What to do.
    """

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._closed = threading.Event()
        self._connection: websockets.sync.client.ClientConnection | None = None
        self._events = self._run()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> dict[str, Any]:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; there are no more events. Any thread may call it."""
        self._closed.set()
        if connection := self._connection:
            connection.close()
        with contextlib.suppress(ValueError):  # it runs in another thread, and ends there
            self._events.close()

    def _run(self) -> Generator[dict[str, Any], None, None]:
        subscription = self._subscription
        while not self._closed.is_set():
            try:
                with websockets.sync.client.connect(**subscription.handshake) as connection:
                    self._connection = connection
                    subscription.connected()
                    while True:
                        if self._closed.is_set():
                            return
                        turn = subscription.receive(connection.recv(subscription.patience))
                        for reply in turn.replies:
                            connection.send(reply)
                        if turn.event is not None:
                            yield turn.event
                        if turn.last:
                            return
            except (OSError, WebSocketException) as error:
                if self._closed.is_set():
                    return
                pause = subscription.interrupted(error)
            self._closed.wait(pause)


def _subscription(
    address: str,
    token: str | None,
    format: Format,  # noqa: A002 - named as people know it
    reconnect: bool,
    on_loss: Callable[[Loss], None],
) -> Subscription:
    if token is None:
        token = os.environ.get(_TOKEN_VARIABLE, "")
    return Subscription(
        Address(address, token), format=format, reconnect=reconnect, on_loss=on_loss
    )
