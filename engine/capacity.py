"""How many streams this machine carries, from what the model and the interpreter take for one."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from statistics import median

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.sync.client import connect

from affectd.engine.artefact import Metadata
from affectd.engine.audio_connection import AudioConnection
from affectd.engine.batcher import Job
from affectd.engine.desk import Stream
from affectd.engine.hub import parcel_of
from affectd.engine.loop_worker import LoopWorker
from affectd.engine.protocol import MSGPACK, Event
from affectd.engine.publisher import PublisherSource
from affectd.engine.scheduling import Costs
from affectd.engine.session import Session, SessionSettings
from affectd.engine.sources import DemoSource

__all__ = ["Capacity", "StreamCost", "stream_cost"]

# A queue grows without bound as its server nears full use, so some of it is left free.
_USABLE_SHARE = 0.8
# And of all processors together more, for the system and for clients on the same machine have
# their part of them: a publisher takes about as much to send a stream as the network to read it.
_USABLE_SHARE_OF_ALL = 0.45
_BLOCK_SECONDS = 0.02
_REPEATS = 7
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class StreamCost:
    """What a stream that talks takes of the interpreter, whose lock lets one thread run at a time.

    Args:
        second_seconds: One second of audio, from the socket to the windows cut from it.
        result_seconds: One window, from the model's answer to the socket.
    """

    second_seconds: float
    result_seconds: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many streams are carried that talk without pause.

    Args:
        window_seconds: One window in the model.
        cost: What a stream takes of the interpreter.
        hop_seconds: Distance between windows.
        talking_share: How much of the time a stream is expected to talk, 0 to 1.
        cores: Processors that may be used.
    """

    window_seconds: float
    cost: StreamCost
    hop_seconds: float
    talking_share: float = 1.0
    cores: int = 1

    @classmethod
    def measured(cls, costs: Costs, cost: StreamCost, **settings: float) -> Capacity:
        """Return the capacity of this machine."""
        return cls(
            window_seconds=costs.window_seconds(),
            cost=cost,
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
            **settings,
        )

    @property
    def streams(self) -> int:
        """How many streams are carried, at least one.

        One thread runs the model. All else is Python, of which one thread runs at a time, however
        many processors there are; and both share them with the system and with who else is there.
        """
        windows = self.talking_share / self.hop_seconds
        model = windows * self.window_seconds
        interpreter = self.cost.second_seconds + windows * self.cost.result_seconds
        together = (model + interpreter) / self.cores
        largest = min(
            _USABLE_SHARE / max(model, interpreter),
            _USABLE_SHARE_OF_ALL / together,
        )
        return max(1, int(largest))


def stream_cost(artefact: Metadata, settings: SessionSettings) -> StreamCost:
    """Measure what a stream takes of the interpreter: real speech through all but the model.

    A client in this process sends a publisher's blocks over loopback; an event loop reads them,
    hears them, cuts windows, and judges, encodes and writes what a model would say, as the daemon's
    does. What counts is the processor time of the loop's thread alone.

    Raises:
        OSError: the machine has no loopback, or the rehearsal on it does not go on.
    """
    speech = next(iter(DemoSource(pace="fast", repeat=False).clips()))
    pcm = (speech * 32_767).astype("<i2")
    size = round(DemoSource.rate_hz * _BLOCK_SECONDS)
    blocks = [pcm[start : start + size].tobytes() for start in range(0, pcm.size, size)]
    rehearsals = [_Rehearsal(artefact, settings).run(blocks) for _ in range(_REPEATS)]
    return StreamCost(
        second_seconds=median(each.second_seconds for each in rehearsals),
        result_seconds=median(each.result_seconds for each in rehearsals),
    )


class _Rehearsal(LoopWorker):
    """A loop worker with one stream, whose model answers at once and whose client gets all events.

    The client sends a block when the one before has been dealt with, so that each has a turn of the
    loop to itself, as where the blocks of many clients come one by one.
    """

    def __init__(self, artefact: Metadata, settings: SessionSettings) -> None:
        super().__init__(submit=self._solve, publish=self._send)
        self._logits = np.zeros(len(artefact.labels), np.float32)
        self._source = PublisherSource("rehearsal", DemoSource.rate_hz, "s16le")
        session = Session("rehearsal", artefact, rate=DemoSource.rate_hz, settings=settings)
        self._rehearsed = Stream.of(self._source, session)
        self._client: ServerConnection | None = None
        self._port: Future[int] = Future()
        self._dealt_with = threading.Event()
        self._gone = asyncio.Event()
        self._taken = self._answering = 0.0
        """Processor time of the loop, of it that of answers, seconds."""
        self._windows = 0

    def run(self, blocks: Sequence[bytes]) -> StreamCost:
        """Let a client send these blocks of s16le."""
        thread = threading.Thread(target=self._run_loop, name="rehearsal", daemon=True)
        thread.start()
        uri = f"ws://127.0.0.1:{self._port.result(_PATIENCE_SECONDS)}"
        with connect(uri, compression=None, proxy=None, max_queue=None) as client:
            client.recv(_PATIENCE_SECONDS)
            for block in blocks:
                self._dealt_with.clear()
                client.send(block)
                if not self._dealt_with.wait(_PATIENCE_SECONDS):
                    raise TimeoutError("the rehearsal of a stream does not go on")
        thread.join(_PATIENCE_SECONDS)
        seconds = sum(map(len, blocks)) / 2 / DemoSource.rate_hz
        heard = self._taken - self._answering
        return StreamCost(heard / seconds, self._answering / max(1, self._windows))

    def _run_loop(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # whoever waits for the port must hear of it
            if self._port.done():
                raise
            self._port.set_exception(error)

    async def _serve(self) -> None:
        async with serve(
            self._handle, "127.0.0.1", 0, compression=None, create_connection=AudioConnection
        ) as server:
            self._port.set_result(next(iter(server.sockets)).getsockname()[1])
            await self._gone.wait()

    async def _handle(self, connection: ServerConnection) -> None:
        assert isinstance(connection, AudioConnection)
        self._client = connection
        try:
            self.add(self._rehearsed)
            connection.hear = self._receive
            await connection.send("begin")
            began = time.thread_time()
            await connection.wait_closed()
            self._taken = time.thread_time() - began
        finally:
            self._gone.set()

    def _receive(self, frame: bytes) -> float:
        self._source.hear(frame, time.monotonic())
        if not self._called:
            self._dealt_with.set()  # it is heard later, with others
        return 0.0

    def _work(self) -> None:
        super()._work()
        self._dealt_with.set()

    def _solve(self, job: Job) -> None:
        job.logits = self._logits
        self._windows += 1
        # Not at once: the model's answer comes in a later turn of the loop.
        asyncio.get_running_loop().call_soon(self.deliver, job)

    def _answer(self) -> None:
        began = time.thread_time()
        super()._answer()
        self._answering += time.thread_time() - began

    def _send(self, events: list[Event]) -> None:
        assert self._client
        for event in events:
            self._client.transport.write(parcel_of(event).wire(MSGPACK))
