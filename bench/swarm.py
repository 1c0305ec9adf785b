"""Many clients in one process: talkers who send speech, and listeners who count what comes.

It runs as ``python -m affectd.bench.swarm ORDER`` with its orders as JSON, and prints what it
measured as JSON, so that the daemon under test shares no interpreter with it.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np

from affectd.bench.wire import Wire, frame, open_wire
from affectd.engine.sources import DemoSource

__all__ = ["run_swarm"]

_RATE = 16_000
_BLOCK_SECONDS = 0.04
_SETTLE_SECONDS = 3.0
_SPREAD_SECONDS = 1.0
_CONNECTING = 64


@dataclass
class Tally:
    """What all clients of a swarm saw."""

    latencies_ms: list[float] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    measuring: bool = False

    def count(self, kind: str) -> None:
        """Count an event."""
        self.events[kind] = self.events.get(kind, 0) + 1


class Talker:
    """A publisher that talks at real-time pace from a schedule.

    Latency is counted from when the block that closed a window was due to be sent, whether or not
    it could be: a stall is charged to every window that it delayed.
    """

    def __init__(self, tally: Tally, blocks: list[bytes], first: int) -> None:
        self._tally = tally
        self._blocks = blocks
        self._next = first
        self.began = 0.0
        self.sent = 0
        self.wire: Wire | None = None
        self.accepted = False

    def take(self, payload: bytes) -> None:
        """Time an event."""
        received_at = time.monotonic()
        event = msgpack.unpackb(payload)
        kind = event["type"]
        if kind == "accepted":
            self.accepted = True
        elif kind == "error" and event["code"] == "too_many_streams":
            self._tally.refused += 1
            # Who is refused may listen to all the others, which is not what is measured.
            assert self.wire
            self.wire.close()
        if not self._tally.measuring or not self.accepted:
            return
        self._tally.count(kind)
        if kind == "emotion":
            # The block that holds the window's last sample; ends are rounded to 0.1 ms.
            block = int(np.ceil(event["end"] / _BLOCK_SECONDS - 0.01))
            due = self.began + block * _BLOCK_SECONDS
            self._tally.latencies_ms.append(1000 * (received_at - due))

    @property
    def due(self) -> float:
        """When its next block has been spoken."""
        return self.began + (self.sent + 1) * _BLOCK_SECONDS

    def talk(self) -> None:
        """Send the next block."""
        assert self.wire
        self.wire.send(self._blocks[self._next])
        self._next = (self._next + 1) % len(self._blocks)
        self.sent += 1


async def _talk(order: dict[str, Any]) -> dict[str, Any]:
    tally = Tally()
    blocks = _speech(pauses=order["pauses"])
    count = order["clients"]
    talkers = [Talker(tally, blocks, place * 7 % len(blocks)) for place in range(count)]
    hello = {"type": "hello", "rate": _RATE, "format": "s16le"}
    for talker in talkers:
        talker.wire = await open_wire(order["address"], talker.take)
        talker.wire.send(frame(msgpack.packb(hello)))
    async with asyncio.timeout(30):
        while sum(talker.accepted for talker in talkers) + tally.refused < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    talkers = [talker for talker in talkers if talker.accepted]
    began = time.monotonic() + 0.05
    # People begin to talk when they like. All at once, their windows would go on to close together
    # in every hop; evenly spread, there would be no bursts at all.
    beginnings = np.random.default_rng(0).uniform(0, _SPREAD_SECONDS, len(talkers))
    for talker, beginning in zip(talkers, beginnings, strict=True):
        talker.began = began + float(beginning)
    # Whose turn it is, without a look at all the others: what the generator takes of the machine
    # is missing to what is measured.
    schedule = [(talker.due, place) for place, talker in enumerate(talkers)]
    heapq.heapify(schedule)
    until = began + _SETTLE_SECONDS + order["seconds"]
    while (now := time.monotonic()) < until:
        if not tally.measuring and now - began > _SETTLE_SECONDS:
            tally.measuring = True
            _say_measuring()
        while schedule and schedule[0][0] <= now:
            _, place = schedule[0]
            talkers[place].talk()
            heapq.heapreplace(schedule, (talkers[place].due, place))
        soonest = schedule[0][0] if schedule else until
        await asyncio.sleep(max(0.0, min(soonest, until) - time.monotonic()))
    for talker in talkers:
        assert talker.wire
        talker.wire.close()
    return {
        "clients": len(talkers),
        "refused": tally.refused,
        "seconds": order["seconds"],
        "latencies_ms": [round(value, 3) for value in tally.latencies_ms],
        "events": tally.events,
    }


async def _listen(order: dict[str, Any]) -> dict[str, Any]:
    tally = Tally()

    def take(payload: bytes) -> None:
        if not tally.measuring:
            return
        received_at = time.time()
        event = msgpack.unpackb(payload)
        tally.count(event["type"])
        if event["type"] == "emotion":
            closed_at = event["captured_at"] + event["stages_ms"]["wait"] / 1000
            tally.latencies_ms.append(1000 * (received_at - closed_at))

    wires: list[Wire] = []
    while len(wires) < order["clients"]:
        some = min(_CONNECTING, order["clients"] - len(wires))
        wires += await asyncio.gather(*(open_wire(order["address"], take) for _ in range(some)))
    if not order.get("hears", True):
        for wire in wires:
            wire.send(frame(msgpack.packb({"type": "subscribe", "streams": []})))
    await asyncio.sleep(_SETTLE_SECONDS)
    tally.measuring = True
    _say_measuring()
    await asyncio.sleep(order["seconds"])
    tally.measuring = False
    lost = sum(wire.closed for wire in wires)
    for wire in wires:
        wire.close()
    return {
        "clients": len(wires) - lost,
        "lost": lost,
        "seconds": order["seconds"],
        "latencies_ms": [round(value, 3) for value in tally.latencies_ms],
        "events": tally.events,
    }


def _say_measuring() -> None:
    print("measuring", file=sys.stderr, flush=True)


def _speech(*, pauses: bool) -> list[bytes]:
    """Return the demo's speech as frames, with the pauses between its clips or without."""
    demo = DemoSource(pace="fast", repeat=False)
    pause = np.zeros(round(demo.pause_seconds * demo.rate), np.float32)
    pieces = [piece for clip in demo.clips() for piece in ((clip, pause) if pauses else (clip,))]
    pcm = (np.concatenate(pieces) * 32767).astype("<i2")
    size = round(_RATE * _BLOCK_SECONDS)
    whole = pcm.size - pcm.size % size
    return [frame(pcm[at : at + size].tobytes()) for at in range(0, whole, size)]


def run_swarm(**order: Any) -> subprocess.Popen[str]:
    """Start a swarm in a process of its own.

    Args:
        order: ``does`` (``talk`` or ``listen``), ``address``, ``clients``, ``seconds``, and
            ``pauses`` for talkers, ``hears`` for listeners.

    Returns:
        The process; it writes a line to standard error when all are connected and it begins to
        measure, and its result as JSON when it has ended.
    """
    command = [sys.executable, "-m", "affectd.bench.swarm", json.dumps(order)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _main() -> None:
    import resource

    import uvloop

    order = json.loads(sys.argv[1])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    work = _talk(order) if order["does"] == "talk" else _listen(order)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(work)))


if __name__ == "__main__":
    _main()
