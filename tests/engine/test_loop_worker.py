"""Integration tests of sessions on the event loop: real publishers' sources and a real batcher."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from tests.engine.fake_classifier import FakeClassifier, fake_metadata

from affectd.engine.batcher import Batcher, Job
from affectd.engine.desk import Stream
from affectd.engine.loop_worker import LoopWorker
from affectd.engine.protocol import Event, Speech
from affectd.engine.publisher import PublisherSource
from affectd.engine.session import Session, Window
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
        await speak(source, clips[1][: 45 * BLOCK])
        assert not served.of("kitchen", "utterance")
        session = served.worker.streams[0].session
        assert session.seconds < source.written / RATE
        await served.worker.stop()
        assert session.seconds == source.written / RATE
        assert len(served.of("kitchen", "utterance")) == 1


async def test_most_blocks_wait_and_nothing_is_later_or_other_for_it(
    clips: list[np.ndarray],
) -> None:
    spoken = np.concatenate([*clips[:2], np.zeros(RATE, np.float32)])
    alone = Session("kitchen", METADATA, rate=RATE)
    expected: list[tuple[int, object]] = []
    for place, block in enumerate(blocks(spoken)):
        samples = np.frombuffer(block, "<i2").astype(np.float32) / 32_768
        heard = alone.feed(samples, place * BLOCK / RATE)
        expected += [(place, told_by(each)) for each in heard]
    async with engine() as served:
        source = served.publisher("kitchen")
        told: list[tuple[int, object]] = []

        def submitted(job: Job) -> None:
            # Without a model, which would be overloaded by speech as fast as it can be read.
            told.append((place, told_by(job.window)))
            served.worker.streams[0].in_flight -= 1

        def published(events: list[Event]) -> None:
            told.extend((place, told_by(each)) for each in events if isinstance(each, Speech))

        served.worker._submit, served.worker._publish = submitted, published
        waited = 0
        for place, block in enumerate(blocks(spoken)):
            before = served.worker.streams[0].session.seconds
            await send(source, block, place)
            waited += served.worker.streams[0].session.seconds == before
    # Within a block, windows go to the model before events are published.
    assert len(told) == len(expected) > 10
    assert set(told) == set(expected)
    assert waited > spoken.size / BLOCK / 2


def told_by(each: Event | Window) -> object:
    """Return what can be compared of a window, or of what is said of speech."""
    if isinstance(each, Window):
        cut = each.cut
        return (cut.end, cut.final, round(each.completed_at, 6), each.logmel.tobytes())
    assert isinstance(each, Speech)
    return (each.state, each.start, round(each.captured_at, 6))


async def test_who_falls_silent_in_a_sentence_gets_it_and_goes_on_with_another(
    clips: list[np.ndarray],
) -> None:
    silent = 3.0
    async with engine() as served:
        source = served.publisher("kitchen")
        first = clips[1][: 45 * BLOCK]
        await speak(source, first)
        assert not served.of("kitchen", "utterance")
        source.notice(Notice("stalled", "the publisher sends nothing"))
        await served.until(lambda: served.of("kitchen", "utterance"))
        stopped = first.size / RATE
        source.notice(Notice("resumed"))
        for place, block in enumerate(blocks(clips[1])):
            await send(source, block, place + round((stopped + silent) * RATE / BLOCK))
        source.notice(Notice("ended"))
        await ended(served, "kitchen")
        [gap] = served.of("kitchen", "gap")
        # That audio is lost shows when some more has come.
        assert stopped <= gap.start <= stopped + 0.4
        assert gap.end - gap.start == pytest.approx(silent, abs=0.01)
        heard = served.of("kitchen", "utterance", "emotion")
        assert len(heard) >= 2
        for each in heard:
            # Nothing reaches across.
            assert each.end <= stopped or stopped <= each.start
            assert each.end <= gap.start or gap.end <= each.start
        states = [getattr(each, "state", "") for each in served.of("kitchen", "device")]
        assert states == ["lost", "restored", "ended"]


async def test_what_comes_late_but_whole_has_no_gap(clips: list[np.ndarray]) -> None:
    async with engine() as served:
        source = served.publisher("kitchen")
        await speak(source, clips[0][: 45 * BLOCK])
        source.notice(Notice("stalled", "the publisher sends nothing"))
        source.notice(Notice("resumed"))
        come_at = 45 * BLOCK / RATE + 2.0
        for place, block in enumerate(blocks(clips[1])):
            # A network that held up two seconds of it.
            due = (45 + place) * BLOCK / RATE
            source.hear(block, max(due, come_at + place * 0.0001))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        source.notice(Notice("ended"))
        await ended(served, "kitchen")
        assert not served.of("kitchen", "gap")


@pytest.mark.parametrize("late", [0.0, 2.0])
async def test_a_loss_is_found_among_frames_that_are_heard_together(
    clips: list[np.ndarray], late: float
) -> None:
    spoken = np.tile(clips[1], 3)
    async with engine() as served:
        source = served.publisher("kitchen")
        for place, block in enumerate(blocks(spoken)):
            source.hear(block, place * BLOCK / RATE + (late if place >= 50 else 0.0))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        gaps: list[Any] = served.of("kitchen", "gap")
        assert [gap.lost_seconds for gap in gaps] == ([late] if late else [])
        for gap in gaps:
            # Half a second is watched, and half a second may be put by.
            assert 2.0 <= gap.start <= 3.0


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
