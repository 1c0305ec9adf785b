"""How many streams this machine carries, from what the model and the interpreter take for one."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from affectd.engine.artefact import Metadata
from affectd.engine.batcher import Job
from affectd.engine.desk import Desk, Stream
from affectd.engine.hub import parcel_of
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
_USABLE_SHARE_OF_ALL = 0.6
_BLOCK_SECONDS = 0.02
_REPEATS = 2


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

    A publisher's blocks are read from a socket, heard, cut into windows; results are judged,
    encoded, and written to a socket. What a turn of the event loop costs is not in it.
    """
    speech = next(iter(DemoSource(pace="fast", repeat=False).clips()))
    pcm = (speech * 32_767).astype("<i2")
    size = round(DemoSource.rate_hz * _BLOCK_SECONDS)
    blocks = [pcm[start : start + size].tobytes() for start in range(0, pcm.size, size)]
    rehearsals = [_Rehearsal(artefact, settings).run(blocks) for _ in range(_REPEATS)]
    return StreamCost(
        second_seconds=min(each.second_seconds for each in rehearsals),
        result_seconds=min(each.result_seconds for each in rehearsals),
    )


class _Rehearsal(Desk):
    """A desk with one stream, whose model answers at once and whose events one client gets."""

    def __init__(self, artefact: Metadata, settings: SessionSettings) -> None:
        super().__init__([], submit=self._answer, publish=self._send)
        self._jobs: list[Job] = []
        self._logits = np.zeros(len(artefact.labels), np.float32)
        self._source = PublisherSource("rehearsal", DemoSource.rate_hz, "s16le")
        session = Session("rehearsal", artefact, rate=DemoSource.rate_hz, settings=settings)
        self._stream = Stream.of(self._source, session)
        self._ours, self._theirs = socket.socketpair()

    def run(self, blocks: Sequence[bytes]) -> StreamCost:
        """Let a client send these blocks of s16le."""
        self._streams["rehearsal"] = self._stream
        self._source.start(lambda: None)
        heard = answered = 0.0
        windows = 0
        with self._ours, self._theirs:
            for block in blocks:
                self._theirs.send(block)
                began = time.perf_counter()
                now = time.monotonic()
                self._source.hear(self._ours.recv(len(block)), now)
                self._read(self._stream)
                heard += time.perf_counter() - began
                windows += len(self._jobs)
                began = time.perf_counter()
                self._results.extend(self._jobs)
                self._resolve()
                answered += time.perf_counter() - began
                self._jobs.clear()
                self._drain()
        seconds = sum(map(len, blocks)) / 2 / DemoSource.rate_hz
        return StreamCost(heard / seconds, answered / max(1, windows))

    def _drain(self) -> None:
        """Take what was written, so that the next write finds room."""
        with contextlib.suppress(BlockingIOError):
            while self._theirs.recv(1 << 16, socket.MSG_DONTWAIT):
                pass

    def _wake(self) -> None:
        """Nobody waits."""

    def _answer(self, job: Job) -> None:
        job.logits = self._logits
        self._jobs.append(job)

    def _send(self, events: list[Event]) -> None:
        for event in events:
            self._ours.send(parcel_of(event).wire(MSGPACK))
