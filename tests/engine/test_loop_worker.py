"""Integration tests of sessions on the event loop: real publishers' sources and a real batcher."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from tests.engine.fake_classifier import FakeClassifier, fake_metadata

from affectd.engine.batcher import Batcher
from affectd.engine.desk import Stream
from affectd.engine.loop_worker import LoopWorker
from affectd.engine.protocol import Event, Speech
from affectd.engine.publisher import PublisherSource
from affectd.engine.session import Session
from affectd.engine.sources import Notice

METADATA = fake_metadata()
RATE, BLOCK = 16_000, 640


class Engine:
    """Everything between publishers and subscribers but the network."""

    def __init__(self) -> None:
        self.classifier = FakeClassifier()
        self.events: list[Event] = []
        self.failed = asyncio.Event()
        self.changed = asyncio.Event()
        self.worker = LoopWorker(
            submit=lambda job: self.batcher.submit(job),
            publish=self._publish,
            ended=self.failed.set,
        )
        self.batcher = Batcher(
            self.classifier, lambda job: self.worker.deliver(job), costs=self.classifier.costs
        )

    def _publish(self, events: list[Event]) -> None:
        self.events += events
        self.changed.set()

    async def until(self, done: Callable[[], object]) -> None:
        while not done():
            self.changed.clear()
            await self.changed.wait()

    def publisher(self, name: str) -> PublisherSource:
        source = PublisherSource(name, RATE, "s16le")
        self.worker.add(Stream.of(source, Session(name, METADATA, rate=RATE)))
        return source

    def of(self, stream: str, *kinds: str) -> list[Event]:
        return [each for each in self.events if each.stream == stream and each.type in kinds]


@asynccontextmanager
async def engine() -> AsyncIterator[Engine]:
    made = Engine()
    made.batcher.start()
    try:
        async with asyncio.timeout(60):
            yield made
    finally:
        made.classifier.go.set()
        await made.worker.stop()
        made.batcher.stop()


def blocks(samples: np.ndarray) -> Iterator[bytes]:
    pcm = (samples * 32_767).astype("<i2")
    for start in range(0, pcm.size, BLOCK):
        yield pcm[start : start + BLOCK].tobytes()


def samples_of(block: bytes) -> np.ndarray:
    return np.frombuffer(block, "<i2").astype(np.float32) / 32_768


async def send(source: PublisherSource, block: bytes, place: int) -> None:
    source.hear(block, place * BLOCK / RATE)
    # The loop's turn, in which the block is heard.
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def speak(source: PublisherSource, samples: np.ndarray) -> None:
    for place, block in enumerate(blocks(samples)):
        await send(source, block, place)


async def ended(served: Engine, stream: str) -> None:
    while stream in served.worker:  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def test_a_stream_is_heard_to_its_last_result_and_forgotten(clips: list[np.ndarray]) -> None:
    async with engine() as served:
        source = served.publisher("kitchen")
        await speak(source, np.concatenate((clips[0], np.zeros(RATE, np.float32))))
        source.notice(Notice("ended"))
        await ended(served, "kitchen")
        last = served.events[-1]
        assert (last.type, getattr(last, "state", "")) == ("device", "ended")
        assert len(served.of("kitchen", "utterance")) == 1
        assert [each.seq for each in served.events] == list(range(1, len(served.events) + 1))


async def test_all_that_came_in_one_turn_is_heard_and_each_stream_apart(
    clips: list[np.ndarray],
) -> None:
    async with engine() as served:
        sources = [served.publisher(f"s{number}") for number in range(5)]
        for place, block in enumerate(blocks(clips[1])):
            for source in sources:
                source.hear(block, place * BLOCK / RATE)
        for source in sources:
            source.notice(Notice("ended"))
        for source in sources:
            await ended(served, source.name)

        # Provisional results may replace each other, so that numbers and means differ.
        def told(stream: str) -> list[tuple[str, float, float]]:
            found = served.of(stream, "utterance", "speech")
            return [(each.type, each.start, each.end) for each in found]

        assert told("s0")
        assert all(told(source.name) == told("s0") for source in sources)


async def test_stop_says_what_is_still_to_be_said(clips: list[np.ndarray]) -> None:
    async with engine() as served:
        source = served.publisher("kitchen")
        await speak(source, clips[1])
        assert not served.of("kitchen", "utterance")
        await served.worker.stop()
        assert len(served.of("kitchen", "utterance")) == 1


async def test_most_blocks_wait_and_nothing_is_told_later_for_it(clips: list[np.ndarray]) -> None:
    spoken = np.concatenate([*clips[:2], np.zeros(RATE, np.float32)])
    alone = Session("kitchen", METADATA, rate=RATE)
    expected: list[tuple[int, str]] = []
    for place, block in enumerate(blocks(spoken)):
        heard = alone.feed(samples_of(block), place * BLOCK / RATE)
        expected += [(place, each.state) for each in heard if isinstance(each, Speech)]
    async with engine() as served:
        source = served.publisher("kitchen")
        told: list[tuple[int, str]] = []
        waited = 0
        for place, block in enumerate(blocks(spoken)):
            seen, before = len(served.events), served.worker.streams[0].session.seconds
            await send(source, block, place)
            waited += served.worker.streams[0].session.seconds == before
            new = served.events[seen:]
            told += [(place, each.state) for each in new if isinstance(each, Speech)]
    assert told == expected
    assert len(expected) >= 2
    assert waited > spoken.size / BLOCK / 2


async def test_a_stream_that_cannot_be_heard_ends_alone(clips: list[np.ndarray]) -> None:
    async with engine() as served:
        kitchen, hall = served.publisher("kitchen"), served.publisher("hall")

        def broken(*_: object) -> None:
            raise RuntimeError("no such thing")

        stream = served.worker._streams["kitchen"]
        stream.session.feed = broken  # type: ignore[method-assign, assignment]
        await speak(kitchen, clips[1])
        await speak(hall, clips[1])
        hall.notice(Notice("ended"))
        await served.until(lambda: served.of("hall", "device"))
        assert len(served.of("hall", "utterance")) == 1
        (error,) = served.of("kitchen", "error")
        assert (error.code, error.message) == (  # type: ignore[attr-defined]
            "internal",
            "the engine failed: RuntimeError: no such thing",
        )
        assert not served.worker.failures
        assert "kitchen" not in served.worker


async def test_one_stream_does_not_keep_the_others_waiting(clips: list[np.ndarray]) -> None:
    async with engine() as served:
        greedy, modest = served.publisher("greedy"), served.publisher("modest")
        order: list[tuple[str, int]] = []
        for name in ("greedy", "modest"):
            session = served.worker._streams[name].session
            feed = session.feed

            def noted(heard: np.ndarray, at: float, name: str = name, feed: Any = feed) -> Any:
                order.append((name, heard.size))
                served.changed.set()
                time.sleep(0.001)
                return feed(heard, at)

            session.feed = noted  # type: ignore[method-assign]
        for block in itertools.islice(blocks(clips[1]), 40):
            greedy.hear(block, 0.0)
        modest.hear(next(blocks(clips[1])), 0.0)
        await served.until(lambda: sum(size for _, size in order) == 41 * BLOCK)
        assert [name for name, _ in order].index("modest") < len(order) / 2


async def test_an_engine_that_fails_says_so_once_and_hears_nothing_more(
    clips: list[np.ndarray],
) -> None:
    async with engine() as served:
        source = served.publisher("kitchen")

        def broken(*_: object) -> None:
            raise RuntimeError("no such thing")

        served.worker._submit = served.worker._break = broken  # type: ignore[method-assign]
        await speak(source, clips[1])
        await served.failed.wait()
        assert served.worker.failures == ["the engine failed: RuntimeError: no such thing"]
        assert [getattr(each, "code", "") for each in served.events[-1:]] == ["internal"]
        told = len(served.events)
        source.hear(next(blocks(clips[1])), 0.0)
        await asyncio.sleep(0.01)
        assert len(served.events) == told
