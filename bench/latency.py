"""From the sound to the client: the real daemon in a process of its own, at real-time pace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgpack
import numpy as np
import soundfile
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from affectd.bench.own_daemon import OwnDaemon, daemon
from affectd.bench.percentiles import Percentiles
from affectd.bench.virtual_microphone import virtual_microphone
from affectd.clients.address import Address
from affectd.clients.status import fetch_status
from affectd.engine.protocol import MSGPACK
from affectd.engine.sources import DemoSource

__all__ = ["LatencyRun", "measure_latency", "resident_mib", "write_speech"]

_WINDOWS_A_SECOND = 3.0  # a little less than the hop gives: words have pauses between them
_START_SECONDS = 60.0
_MEMORY_EVERY_SECONDS = 5.0
_SETTLED_SECONDS = 60.0


@dataclass(slots=True)
class LatencyRun:
    """Raw figures of one run."""

    ready_seconds: float = 0.0
    """From the daemon's start to its address."""
    first_event_seconds: float = 0.0
    """From the daemon's start to the first event about the audio."""
    ring_to_client_ms: list[float] = field(default_factory=list)
    """From when the block that closed a window was complete to the client's receive call."""
    capture_to_client_ms: list[float] = field(default_factory=list)
    """The same from the window's last sample: it waits for the rest of its block."""
    utterance_ms: list[float] = field(default_factory=list)
    """Final events, from the end of the hang-over."""
    stages_ms: dict[str, list[float]] = field(default_factory=dict)
    memory_mib: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start, and resident mebibytes of the daemon."""
    clock_offsets: list[float] = field(default_factory=list)
    """UTC less stream seconds of every window: constant, unless the source fell behind."""
    capture: str = ""
    """What runs when a microphone has samples; empty without one."""
    other_events: dict[str, int] = field(default_factory=dict)
    """Events that should not come: gaps, load, errors."""

    def summary(self) -> dict[str, Any]:
        """Return percentiles instead of raw samples."""
        settled = [mib for at, mib in self.memory_mib if at >= _SETTLED_SECONDS]
        return {
            "source": "virtual microphone" if self.capture else "file",
            "capture": self.capture,
            "windows": len(self.ring_to_client_ms),
            "ready_seconds": round(self.ready_seconds, 2),
            "first_event_seconds": round(self.first_event_seconds, 2),
            "ring_to_client_ms": Percentiles.of(self.ring_to_client_ms).to_dict(),
            "capture_to_client_ms": Percentiles.of(self.capture_to_client_ms).to_dict(),
            "utterance_ms": (
                Percentiles.of(self.utterance_ms).to_dict() if self.utterance_ms else None
            ),
            "stages_ms": {
                name: Percentiles.of(values).to_dict() for name, values in self.stages_ms.items()
            },
            "memory_mib": {
                "after_seconds": round(self.memory_mib[-1][0]) if self.memory_mib else 0,
                "first": settled[0] if settled else None,
                "last": settled[-1] if settled else None,
                "max": max((mib for _, mib in self.memory_mib), default=None),
            },
            "slip_ms": round(1000 * (max(self.clock_offsets) - min(self.clock_offsets)), 3),
            "other_events": self.other_events,
        }


def measure_latency(
    windows: int,
    *,
    model: str,
    microphone: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> LatencyRun:
    """Run the daemon on speech without pauses and time what a client receives.

    Without a microphone the audio is the demo's, its pauses left out, played as a file at
    real-time pace: every sample has a time at which it is due, and latency is counted from there,
    whether or not the daemon was ready for it. A stall is thus charged to every window that it
    delayed. Only where the machine slept for more than a second does the schedule move; the run
    reports that as a slip.

    With one it is played into a virtual microphone, and latency is counted from when PortAudio
    handed over the samples, as the daemon's clock of the device smooths it: what the sound server
    holds back before is not in it.

    Args:
        windows: Provisional windows to measure.
        model: The daemon's ``--model``.
        microphone: Whether the speech is heard through a virtual microphone.
        progress: Called with the number of windows so far.

    Raises:
        ArtefactError: there is no such model.
        OSError: the daemon or the microphone does not start.
    """
    with TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        path = folder / "speech.wav"
        write_speech(path, seconds=windows / _WINDOWS_A_SECOND + (60 if microphone else 10))
        source, environment, heard = [os.fspath(path)], None, None
        if microphone:
            (folder / "pulse").mkdir()
            heard = stack.enter_context(virtual_microphone(folder / "pulse"))
            source, environment = ["mic", "--device", "pulse"], heard.environment
        own = stack.enter_context(daemon("--source", *source, model=model, environment=environment))
        run = LatencyRun(ready_seconds=own.ready_seconds)
        if heard:
            run.capture = str(fetch_status(Address(own.address))["streams"][0]["capture"])
            stack.enter_context(heard.playing(path))
        asyncio.run(_listen(run, windows, own, progress))
    return run


def write_speech(path: Path, *, seconds: float) -> None:
    """Write the demo's speech without its pauses, over and over, for at least so long."""
    demo = DemoSource(pace="fast", repeat=False)
    samples = np.concatenate(list(demo.clips()))
    repeats = int(np.ceil(seconds * demo.rate / samples.size))
    soundfile.write(path, np.tile(samples, repeats), demo.rate, subtype="PCM_16")


async def _listen(
    run: LatencyRun, windows: int, own: OwnDaemon, progress: Callable[[int], None]
) -> None:
    memory_at = 0.0
    async with connect(
        own.address, subprotocols=[Subprotocol(MSGPACK)], compression=None
    ) as client:
        while len(run.ring_to_client_ms) < windows:
            async with asyncio.timeout(_START_SECONDS):
                frame = await client.recv()
            received_at = time.time()
            event = msgpack.unpackb(frame)
            kind = event["type"]
            if not run.first_event_seconds and event["stream"]:
                run.first_event_seconds = time.monotonic() - own.began
            if kind in ("emotion", "utterance"):
                capture_ms = 1000 * (received_at - event["captured_at"])
                ring_ms = capture_ms - event["stages_ms"]["wait"]
                if kind == "utterance":
                    run.utterance_ms.append(ring_ms)
                    continue
                run.capture_to_client_ms.append(capture_ms)
                run.clock_offsets.append(event["captured_at"] - event["end"])
                run.ring_to_client_ms.append(ring_ms)
                for name, value in event["stages_ms"].items():
                    run.stages_ms.setdefault(name, []).append(value)
                run.stages_ms.setdefault("network", []).append(capture_ms - event["age_ms"])
                progress(len(run.ring_to_client_ms))
            elif kind in ("gap", "load", "error", "bye"):
                run.other_events[kind] = run.other_events.get(kind, 0) + 1
                if kind == "bye":
                    raise OSError("the daemon ended before the measurement did")
            since = time.monotonic() - own.began
            if since >= memory_at:
                memory_at = since + _MEMORY_EVERY_SECONDS
                run.memory_mib.append((round(since, 1), resident_mib(own.pid)))


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    kib = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True
    ).stdout
    return round(int(kib) / 1024, 1)
