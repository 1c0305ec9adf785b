"""The WebSocket shell around the hub: handshakes, limits, and one reader and writer a client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, ClassVar

from annotated_types import Interval
from prometheus_client import exposition
from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from affectd.engine.access import AccessRules
from affectd.engine.audio_connection import LONGEST_FRAME_BYTES, AudioConnection, Hear
from affectd.engine.hub import Hub, parcel_of
from affectd.engine.metrics import Metrics
from affectd.engine.offline_connection import OFFLINE_PATH, OfflineHearing
from affectd.engine.outbox import Outbox, Parcel
from affectd.engine.page import Page
from affectd.engine.protocol import (
    JSON,
    MAX_CLIENT_FRAME_BYTES,
    SUBPROTOCOLS,
    Bye,
    Error,
    ErrorCode,
    Event,
    Hello,
    about_connection,
)
from affectd.engine.publication import Publication
from affectd.engine.publishing import Publishers
from affectd.engine.requests import RequestError, Requests

__all__ = ["Greeting", "Server", "ServerSettings"]

_WRITE_BUFFER_BYTES = 32_768
_CLOSE_SECONDS = 0.5
_MALFORMED_MESSAGES = 16
# By its side, with a code or without; a browser's page that goes away sends 1001.
_PURPOSELY_CLOSED = (1000, 1005)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Limits of the server."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    largest_clients: Annotated[int, Interval(ge=1, le=100_000)] = 2_000
    """Connections at once."""
    queue_events: Annotated[int, Interval(ge=8, le=65_536)] = 256
    """Events that may wait for one client."""
    slow_seconds: Annotated[float, Interval(ge=0.1, le=600)] = 10.0
    """A client that loses events for this long without catching up is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What the server says of itself to every client."""

    server: str
    model: str
    labels: tuple[str, ...]
    streams: tuple[str, ...]
    hop_seconds: float
    window_seconds: float
    voice_baseline: bool = False


class Server:
    """Serves the hub to WebSocket clients.

    Args:
        hub: Where the events come from.
        greeting: What every client is told first.
        access: Who may connect.
        settings: Limits.
        metrics: What is counted, and shown at ``/metrics``.
        publishers: Those who send audio; without them nobody may.
        offline: Hears recordings at ``/analyze``; `None` for none.
        status: Says how the engine fares, for ``/status``, as JSON takes it.
        joined: Called whenever a client has come.
    """

    def __init__(
        self,
        hub: Hub,
        greeting: Greeting,
        *,
        access: AccessRules,
        settings: ServerSettings,
        metrics: Metrics,
        publishers: Publishers | None = None,
        offline: OfflineHearing | None = None,
        status: Callable[[], dict[str, Any]] = dict,
        joined: Callable[[], None] = lambda: None,
    ) -> None:
        self._hub = hub
        self._greeting = greeting
        self._access = access
        self._settings = settings
        self._metrics = metrics
        self._publishers = Publishers.none() if publishers is None else publishers
        self._offline = offline
        self._page = Page()
        self._status = status
        self._joined = joined
        self.epoch = secrets.token_hex(8)
        self._server: WebSocketServer | None = None
        self._closing = False
        self._reason = ""
        self._dismissals: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port, which the system chooses where it was 0.

        Raises:
            OSError: the address cannot be listened on.
        """
        self._server = await serve(
            self._handle,
            host,
            port,
            subprotocols=[Subprotocol(name) for name in SUBPROTOCOLS],
            select_subprotocol=_select_subprotocol,
            process_request=self._request,
            compression=None,
            max_size=LONGEST_FRAME_BYTES,
            create_connection=AudioConnection,
            max_queue=1,
            write_limit=_WRITE_BUFFER_BYTES,
            close_timeout=_CLOSE_SECONDS,
            server_header=None,
        )
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def stop(self, reason: str = "shutdown") -> None:
        """Give every client what is left and a goodbye, and close; within a second.

        Args:
            reason: As in `Bye.reason`.
        """
        self._closing, self._reason = True, reason
        self._hub.close()
        if self._server:
            # The writers empty their queues, say goodbye and return; then the rest is cut off.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._empty.wait()
            for connection in self._server.connections:
                # A client that does not read would hold its connection's close up for ever.
                if connection.transport.get_write_buffer_size():
                    connection.transport.abort()
            self._server.close()
            # Whoever connected and has not said a word yet is not waited for.
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._server.wait_closed()
            except TimeoutError:
                for connection in list(self._server.all_connections):
                    connection.transport.abort()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await self._server.wait_closed()

    def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse who may not connect, and answer plain HTTP."""
        path = request.path.partition("?")[0]
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        refusal = self._access.refusal(
            request.path,
            origin=request.headers.get("Origin"),
            authorization=request.headers.get("Authorization"),
            host=request.headers.get("Host"),
            # The page is no secret, and cannot show its token before it is there.
            public=not upgrade and request.path in self._page,
        )
        if refusal:
            return connection.respond(HTTPStatus.FORBIDDEN, refusal + "\n")
        if upgrade:
            return None
        if path == "/healthz":
            return connection.respond(HTTPStatus.OK, "ok\n")
        if path == "/metrics":
            response = connection.respond(HTTPStatus.OK, self._metrics.text())
            del response.headers["Content-Type"]
            response.headers["Content-Type"] = exposition.CONTENT_TYPE_PLAIN_0_0_4
            return response
        if path == "/status":
            response = connection.respond(HTTPStatus.OK, json.dumps(self._status()) + "\n")
            del response.headers["Content-Type"]
            response.headers["Content-Type"] = "application/json"
            return response
        known = request.headers.get("If-None-Match")
        return self._page.answer(request.path, method=request.method, known=known)

    async def _handle(self, connection: ServerConnection) -> None:
        subprotocol = str(connection.subprotocol or JSON)
        offered = (
            connection.request.headers.get("Sec-WebSocket-Protocol")
            if (connection.request)
            else None
        )
        if offered and connection.subprotocol is None:
            allowed = " and ".join(SUBPROTOCOLS)
            message = f"sub-protocol {offered[:80]!r} is unknown; {allowed} are spoken here"
            await self._refuse(connection, ErrorCode.UNKNOWN_SUBPROTOCOL, message, 1002)
            return
        if len(self._hub) >= self._settings.largest_clients:
            message = f"{self._settings.largest_clients} clients are connected, and no more may be"
            await self._refuse(connection, ErrorCode.TOO_MANY_CLIENTS, message, 1013)
            return
        path = connection.request.path.partition("?")[0] if connection.request else ""
        if self._offline and path == OFFLINE_PATH:
            await connection.send(parcel_of(self._hello()).frame(subprotocol))
            await self._offline.serve(connection, subprotocol)
            return
        outbox = self._hub.join()
        self._empty.clear()
        self._metrics.clients.inc()
        requests = Requests(
            self._hub,
            outbox,
            self._publishers,
            epoch=self.epoch,
            streams=lambda: self._streams,
            subprotocol=subprotocol,
        )
        reader = asyncio.create_task(self._read(connection, subprotocol, requests, outbox))
        # When the client goes, the writer must not wait for the next event to notice.
        reader.add_done_callback(lambda _: outbox.close())
        try:
            await connection.send(parcel_of(self._hello()).frame(subprotocol))
            outbox.send_now = self._writer(connection, subprotocol)
            self._joined()
            await self._write(connection, outbox, subprotocol)
            if requests.publication and requests.publication.finished_with is not None:
                await connection.close(*requests.publication.finished_with)
        except ConnectionClosed:
            pass
        finally:
            reader.cancel()
            if requests.publication:
                purposely = connection.close_code in _PURPOSELY_CLOSED
                requests.publication.leave(purposely=purposely)
            self._hub.leave(outbox)
            if not len(self._hub):
                self._empty.set()
            self._metrics.clients.dec()

    def _writer(self, connection: ServerConnection, subprotocol: str) -> Callable[[Parcel], bool]:
        """Return what writes a parcel past the library to a client that keeps up.

        With thousands of clients waking a task for each, and framing the same bytes for each, is
        most of what an event costs.
        """
        transport = connection.transport
        sent = self._metrics.sent

        def write(parcel: Parcel) -> bool:
            behind = transport.get_write_buffer_size() > _WRITE_BUFFER_BYTES // 2
            if behind or connection.state is not State.OPEN:
                return False
            transport.write(parcel.wire(subprotocol))
            sent.inc()
            return True

        return write

    async def _write(self, connection: ServerConnection, outbox: Outbox, subprotocol: str) -> None:
        """Send what waits until the daemon goes, the client does, or it stays too slow."""
        behind_since: float | None = None
        while (parcel := await outbox.get()) is not None:
            now = time.monotonic()
            if outbox.lost:
                behind_since = behind_since or now
            slow = behind_since is not None and now - behind_since > self._settings.slow_seconds
            try:
                async with asyncio.timeout(self._settings.slow_seconds):
                    if outbox.lost:
                        await self._confess(connection, outbox, subprotocol, fatal=slow)
                        if slow:
                            await connection.close(1013, "too slow")
                            return
                    await connection.send(parcel.frame(subprotocol))
            except TimeoutError:
                # It reads nothing at all, so it cannot be told either.
                self._metrics.lost.inc(outbox.lost)
                connection.transport.abort()
                return
            self._metrics.sent.inc()
            if not outbox:
                behind_since = None
        if self._closing:
            bye = parcel_of(Bye(**about_connection(), reason=self._reason))
            await connection.send(bye.frame(subprotocol))
            await connection.close(1001, self._reason)

    async def _confess(
        self, connection: ServerConnection, outbox: Outbox, subprotocol: str, *, fatal: bool
    ) -> None:
        """Tell a slow client how many events it did not get."""
        lost, outbox.lost = outbox.lost, 0
        self._metrics.lost.inc(lost)
        message = f"{lost} events were dropped: this client reads too slowly"
        error = self._error(ErrorCode.SLOW_CLIENT, message, fatal=fatal, lost=lost)
        await connection.send(parcel_of(error).frame(subprotocol))

    async def _read(
        self, connection: ServerConnection, subprotocol: str, requests: Requests, outbox: Outbox
    ) -> None:
        """Answer what the client says; each fault has its code, and concerns nobody else."""
        # How a connection ended is the writer's business.
        with contextlib.suppress(ConnectionClosed):
            await self._answer(connection, subprotocol, requests, outbox)

    async def _answer(
        self, connection: ServerConnection, subprotocol: str, requests: Requests, outbox: Outbox
    ) -> None:
        faults = 0
        publication: Publication | None = None
        async for frame in connection:
            size = len(frame.encode() if isinstance(frame, str) else frame)
            if size > MAX_CLIENT_FRAME_BYTES:
                message = f"a frame of {size} bytes; {MAX_CLIENT_FRAME_BYTES} are allowed"
                await self._refuse(connection, ErrorCode.FRAME_TOO_LARGE, message, 1009)
                return
            try:
                if publication and isinstance(frame, bytes):
                    ahead_seconds = publication.hear(frame, time.monotonic())
                    if ahead_seconds:
                        # Not read meanwhile: the socket fills up, and sending blocks.
                        await asyncio.sleep(ahead_seconds)
                else:
                    # Past the queue: what was missed is for this client alone, and waits for it.
                    for parcel in requests.take(frame):
                        await connection.send(parcel.frame(subprotocol))
            except RequestError as fault:
                faults += 1
                if fault.fatal:
                    await self._refuse(connection, fault.code, str(fault), 1008)
                    return
                if faults > _MALFORMED_MESSAGES:
                    await self._refuse(connection, fault.code, "too many faults", 1008)
                    return
                error = self._error(
                    fault.code, str(fault), fatal=False, retry_after=fault.retry_after
                )
                await connection.send(parcel_of(error).frame(subprotocol))
            if publication is None and requests.publication is not None:
                publication = requests.publication
                publication.over = outbox.close
                if isinstance(connection, AudioConnection):
                    connection.hear = self._hearing(connection, publication)
            if isinstance(connection, AudioConnection):
                connection.settle()

    def _hearing(self, connection: ServerConnection, publication: Publication) -> Hear:
        """Return what takes a publisher's audio straight from its connection.

        What is wrong with a frame is told by whoever reads the others, in their order.
        """

        def hear(frame: bytes) -> float | None:
            if len(frame) > MAX_CLIENT_FRAME_BYTES or not publication.takes(frame):
                return None
            try:
                return publication.hear(frame, time.monotonic())
            except RequestError as fault:
                task = asyncio.create_task(self._dismiss(connection, fault))
                self._dismissals.add(task)
                task.add_done_callback(self._dismissals.discard)
                return 0.0

        return hear

    async def _dismiss(self, connection: ServerConnection, fault: RequestError) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._refuse(connection, fault.code, str(fault), 1008)

    async def _refuse(
        self, connection: ServerConnection, code: ErrorCode, message: str, close_code: int
    ) -> None:
        subprotocol = str(connection.subprotocol or JSON)
        error = self._error(code, message, fatal=True)
        await connection.send(parcel_of(error).frame(subprotocol))
        await connection.close(close_code, code)

    def _error(
        self,
        code: ErrorCode,
        message: str,
        *,
        fatal: bool,
        lost: int = 0,
        retry_after: float = 0.0,
    ) -> Event:
        return Error(
            **about_connection(),
            code=code,
            message=message,
            fatal=fatal,
            lost=lost,
            retry_after=retry_after,
        )

    @property
    def _streams(self) -> tuple[str, ...]:
        return self._greeting.streams + self._publishers.names

    def _hello(self) -> Event:
        greeting = self._greeting
        return Hello(
            **about_connection(),
            server=greeting.server,
            epoch=self.epoch,
            model=greeting.model,
            labels=greeting.labels,
            streams=self._streams,
            hop_seconds=greeting.hop_seconds,
            window_seconds=greeting.window_seconds,
            voice_baseline=greeting.voice_baseline,
        )


def _select_subprotocol(connection: ServerConnection, offered: Any) -> Subprotocol | None:
    """Choose ours before theirs; with none in common the handler says so on the wire."""
    return next((Subprotocol(name) for name in SUBPROTOCOLS if name in offered), None)
