"""Everything between publishers' sockets and the model, and clients that send and hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from tests.engine.fake_classifier import FakeClassifier, fake_metadata
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from affectd.engine.access import AccessRules
from affectd.engine.batcher import Batcher, Job
from affectd.engine.desk import Stream
from affectd.engine.hub import Hub
from affectd.engine.load import LoadSettings
from affectd.engine.loop_worker import LoopWorker
from affectd.engine.metrics import Metrics
from affectd.engine.protocol import JSON, Event, decode, encode
from affectd.engine.publisher import PublisherSource
from affectd.engine.publisher_settings import PublisherSettings
from affectd.engine.publishing import Publishers
from affectd.engine.server import Greeting, Server, ServerSettings
from affectd.engine.session import Session

METADATA = fake_metadata()
DEADLINE = 60
RATE = 16_000


class Engine:
    """Everything between the sockets and the model."""

    def __init__(
        self,
        settings: PublisherSettings,
        capacity: int,
        classifier: FakeClassifier,
        load: LoadSettings,
    ) -> None:
        self.hub = Hub()
        self.batcher = Batcher(classifier, self._deliver, costs=classifier.costs)
        self._load = load
        self.worker = LoopWorker(submit=self.batcher.submit, publish=self._publish)
        self.publishers = Publishers(
            settings,
            begin=self._begin,
            reserved=("demo",),
            capacity=lambda: (capacity, 2.5),
        )
        self.server = Server(
            self.hub,
            Greeting(
                server="affectd 1",
                model="fake",
                labels=METADATA.labels,
                streams=("demo",),
                hop_seconds=0.25,
                window_seconds=3.0,
            ),
            access=AccessRules(),
            settings=ServerSettings(),
            metrics=Metrics(),
            publishers=self.publishers,
        )
        self.address = ""
        self.clients: list[Client] = []

    def _begin(self, source: PublisherSource, seq: int, voice: str) -> bool:
        session = Session(source.name, METADATA, rate=source.rate, seq=seq)
        self.worker.add(Stream.of(source, session, self._load))
        return False

    def _deliver(self, job: Job) -> None:
        self.worker.deliver(job)

    def _publish(self, events: list[Event]) -> None:
        self.hub.publish(events)
        for event in events:
            self.publishers.saw(event)

    async def client(self, subprotocol: str = JSON) -> Client:
        connection = await connect(self.address, subprotocols=[subprotocol], compression=None)  # type: ignore[list-item]
        client = Client(connection, subprotocol)
        self.clients.append(client)
        client.hello = await client.event()
        return client


class Client:
    """A connection that reads, sends messages, and sends audio."""

    def __init__(self, connection: ClientConnection, subprotocol: str) -> None:
        self.connection = connection
        self.subprotocol = subprotocol
        self.hello: dict[str, Any] = {}

    async def event(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            return decode(await self.connection.recv())

    async def until(self, kind: str, **values: Any) -> list[dict[str, Any]]:
        """Return all events up to the first of this kind and values."""
        events = []
        while True:
            events.append(await self.event())
            last = events[-1]
            if last["type"] == kind and all(last[key] == value for key, value in values.items()):
                return events

    async def rest(self) -> tuple[list[dict[str, Any]], int | None]:
        events = []
        try:
            while True:
                events.append(await self.event())
        except ConnectionClosed as closed:
            return events, closed.rcvd.code if closed.rcvd else None

    async def say(self, **message: Any) -> None:
        await self.connection.send(encode(message, self.subprotocol))

    async def publish(self, **changes: Any) -> dict[str, Any]:
        """Begin a stream and return the answer, be it what it may."""
        await self.say(**{"type": "hello", "rate": RATE, "format": "s16le", **changes})
        while True:
            answer = await self.event()
            # Until it is accepted it hears all streams.
            if answer["type"] == "accepted" or (answer["type"], answer["stream"]) == ("error", ""):
                return answer

    async def send(self, samples: np.ndarray, *, size: int = 1_600) -> None:
        pcm = np.clip(samples * 32768, -32768, 32767).astype("<i2")
        for start in range(0, pcm.size, size):
            await self.connection.send(pcm[start : start + size].tobytes())

    async def end(self) -> None:
        await self.connection.send('{"type":"end"}')

    def vanish(self) -> None:
        self.connection.transport.abort()


@asynccontextmanager
async def engine(
    *,
    capacity: int = 100,
    classifier: FakeClassifier | None = None,
    load: LoadSettings | None = None,
    **settings: Any,
) -> AsyncIterator[Engine]:
    # Tests send faster than anyone speaks, and a machine may be busy with others.
    defaults = {"ahead_seconds": 60, "stall_seconds": 60}
    found = Engine(
        PublisherSettings(**{**defaults, **settings}),
        capacity,
        classifier or FakeClassifier(),
        load or LoadSettings(),
    )
    found.batcher.start()
    found.address = f"ws://127.0.0.1:{await found.server.start('127.0.0.1', 0)}"
    try:
        yield found
    finally:
        await found.worker.stop()
        found.batcher.stop()
        await found.server.stop()
        for client in found.clients:
            client.connection.transport.abort()
            await client.connection.wait_closed()


def of(events: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]
