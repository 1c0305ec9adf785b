"""A real server without a model, a line to it that can be cut, and someone to say things."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from affectd.engine.access import AccessRules
from affectd.engine.hub import Hub
from affectd.engine.metrics import Metrics
from affectd.engine.protocol import Abstention, Emotion, Event, Speech, Utterance
from affectd.engine.publisher_settings import PublisherSettings
from affectd.engine.publishing import Publishers
from affectd.engine.server import Greeting, Server, ServerSettings

LABELS = ("angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised")
GREETING = Greeting(
    server="affectd 0.0",
    model="none",
    labels=LABELS,
    streams=("demo",),
    hop_seconds=0.25,
    window_seconds=3.0,
)


@dataclass
class Speaker:
    """Makes the events of one stream, numbered without a hole."""

    stream: str = "demo"
    seq: int = 0

    def common(self) -> dict[str, object]:
        self.seq += 1
        return {
            "stream": self.stream,
            "seq": self.seq,
            "start": self.seq - 1.5,
            "end": float(self.seq),
            "captured_at": time.monotonic(),
        }

    def result(self, label: str, sure: float, abstained: Abstention | None) -> dict[str, object]:
        rest = (1 - sure) / (len(LABELS) - 1)
        return {
            **self.common(),
            "label": None if abstained else label,
            "abstained": abstained,
            "confidence": sure,
            "scores": {each: sure if each == label else rest for each in LABELS},
            "valence": 0.25,
            "arousal": -0.5,
            "snr_db": 20.0,
        }

    def sounds(
        self, label: str, sure: float = 0.76, abstained: Abstention | None = None
    ) -> Emotion:
        return Emotion(**self.result(label, sure, abstained))  # type: ignore[arg-type]

    def said(
        self, label: str, sure: float = 0.76, abstained: Abstention | None = None
    ) -> Utterance:
        return Utterance(**self.result(label, sure, abstained))  # type: ignore[arg-type]

    def speech(self, state: str) -> Speech:
        return Speech(**self.common(), state=state)  # type: ignore[arg-type]


@dataclass
class Station:
    """A hub and a server in this loop; all that is missing of a daemon is the engine."""

    hub: Hub
    server: Server
    port: int
    joined: asyncio.Event

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def publish(self, *events: Event) -> None:
        self.hub.publish(events)

    async def listener(self) -> None:
        """Wait until a client was greeted, and forget that it was."""
        await self.joined.wait()
        self.joined.clear()


@dataclass
class Line:
    """A TCP relay in front of a port. Cut, it drops who is connected and lets nobody through.

    Half open, it has dropped the clients, and the server does not know yet; new ones are let in.
    """

    target: int
    port: int = 0
    whole: bool = True
    connections: int = 0
    _near: set[asyncio.StreamWriter] = field(default_factory=set)
    _far: set[asyncio.StreamWriter] = field(default_factory=set)
    _half_open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def cut(self) -> None:
        self.whole = False
        for writer in self._near | self._far | self._half_open:
            writer.transport.abort()

    def mend(self) -> None:
        self.whole = True

    def drop_clients(self) -> None:
        """Let the clients lose their connections, and the server learn nothing of it."""
        self._half_open |= self._far
        for writer in self._near:
            writer.transport.abort()

    def tell_server(self) -> None:
        """Let the server find out what it has lost."""
        for writer in self._half_open:
            writer.transport.abort()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if not self.whole:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._near.add(writer)
        self._far.add(far_writer)
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self._near.discard(writer)
        self._far.discard(far_writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        if writer not in self._half_open:
            writer.close()


StartStation = Callable[..., Awaitable[Station]]
LineTo = Callable[[Station], Awaitable[Line]]


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def new_speaker() -> Callable[[str], Speaker]:
    return Speaker


@pytest.fixture
async def start_station() -> AsyncIterator[StartStation]:
    stations: list[Station] = []

    async def start(
        port: int = 0,
        token: str = "",
        publishers: PublisherSettings | None = None,
        **settings: int,
    ) -> Station:
        hub, joined = Hub(), asyncio.Event()
        server = Server(
            hub,
            GREETING,
            access=AccessRules(token=token),
            settings=ServerSettings(**settings),
            metrics=Metrics(),
            # Whatever they send is taken, and nobody hears it.
            publishers=publishers
            and Publishers(publishers, begin=lambda source, seq, voice: False),
            joined=joined.set,
        )
        station = Station(hub, server, await server.start("127.0.0.1", port), joined)
        stations.append(station)
        return station

    yield start
    for station in stations:
        await station.server.stop()


@pytest.fixture
async def station(start_station: StartStation) -> Station:
    return await start_station()


@pytest.fixture
async def line_to() -> AsyncIterator[LineTo]:
    async with contextlib.AsyncExitStack() as stack:

        async def lay(station: Station) -> Line:
            line = Line(station.port)
            relay = await asyncio.start_server(line.relay, "127.0.0.1", 0)
            line.port = relay.sockets[0].getsockname()[1]
            await stack.enter_async_context(relay)
            stack.callback(line.cut)
            return line

        yield lay
    await asyncio.sleep(0)


@pytest.fixture
async def line(station: Station, line_to: LineTo) -> Line:
    return await line_to(station)
