"""What a busy interpreter costs the capture: every sample is numbered, and those lost are counted.

The capture itself runs as ``python -m affectd.bench.capture ORDER``, in a process of its own that
finds the virtual microphone in its environment, and prints what it counted as JSON.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from affectd.bench.percentiles import Percentiles
from affectd.bench.virtual_microphone import virtual_microphone
from affectd.engine.device_clock import DeviceClock
from affectd.engine.doorbell import Doorbell
from affectd.engine.microphone import MicrophoneSource
from affectd.engine.sources import OVERFLOW

__all__ = ["Continuity", "measure_capture", "numbered", "numbers"]

_RATE = 16_000
# Every value of 16 bits but silence, which is what a sound server plays where it has nothing, and
# the lowest, so that both signs have as many.
_PERIOD = 65_534
_HALF = _PERIOD // 2
_SETTLE_SECONDS = 1.0
_SPARE_SECONDS = 4.0
_WAIT_SECONDS = 0.05
_START_SECONDS = 120.0
_HELD_MS = 40.0
"""What a sound card's buffer holds, roughly, where low latency is asked for."""


def numbered(samples: int) -> npt.NDArray[np.int16]:
    """Return samples that tell their place: -32767 and on, without 0, over and over."""
    place = np.arange(samples) % _PERIOD
    return (place - _HALF + (place >= _HALF)).astype(np.int16)


def numbers(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the places that samples tell, 0 to 65,533; -1 for silence."""
    values = np.rint(samples * 32_768).astype(np.int64)
    return np.where(values == 0, -1, values + _HALF - (values > 0))


@dataclass(slots=True)
class Continuity:
    """Counts the samples that one capture lost."""

    samples: int = 0
    """Heard, from the first numbered one on."""
    gaps: int = 0
    """Places where a number does not follow the last."""
    lost_samples: int = 0
    """Numbers that never came. Of a loss of 4.1 s or longer, whole turns of the numbers are not
    seen."""
    silent_samples: int = 0
    """Nothing was played meanwhile; that is no fault of the capture."""
    overflow_flags: int = 0
    """Blocks before which PortAudio said that samples were lost."""
    announced_gaps: int = 0
    """Gaps that the engine would announce, from its clock and these flags."""
    overrun_samples: int = 0
    """Overwritten in the ring before they were read."""
    offsets: list[float] = field(default_factory=list)
    """When each block came, less its place in the sound, in seconds."""
    _next: int = -1
    _heard: int = 0

    def take(
        self, samples: npt.NDArray[np.float32], captured_at: float, clock: DeviceClock
    ) -> None:
        """Take the next block.

        Args:
            samples: float32 ``(n,)``.
            captured_at: When the first of them was captured, seconds.
            clock: The capture's own.
        """
        _, missing = clock.push(samples.size, captured_at)
        places = numbers(samples)
        heard = places[places >= 0]
        if self._next >= 0:
            self.announced_gaps += missing > 0
            self.silent_samples += int(places.size - heard.size)
            self._heard += samples.size
            self.offsets.append(captured_at - self._heard / _RATE)
        if not heard.size:
            return
        expected = np.concatenate(([self._next if self._next >= 0 else heard[0]], heard[:-1] + 1))
        jumps = (heard - expected) % _PERIOD
        self.gaps += int(np.count_nonzero(jumps))
        self.lost_samples += int(jumps.sum())
        self.samples += heard.size
        self._next = int(heard[-1] + 1) % _PERIOD

    def summary(self) -> dict[str, Any]:
        """Return the counts, and how late the blocks came, against the one that came soonest.

        Raises:
            ValueError: nothing was heard.
        """
        late_ms = 1000 * (np.array(self.offsets) - min(self.offsets, default=0.0))
        return {
            "samples": self.samples,
            "gaps": self.gaps,
            "lost_samples": self.lost_samples,
            "lost_percent": round(100 * self.lost_samples / max(1, self.samples), 3),
            "overflow_flags": self.overflow_flags,
            "announced_gaps": self.announced_gaps,
            "overrun_samples": self.overrun_samples,
            "silent_samples": self.silent_samples,
            "blocks": len(self.offsets),
            "blocks_over_40_ms_late": int(np.count_nonzero(late_ms > _HELD_MS)),
            "late_ms": Percentiles.of(late_ms.tolist()).to_dict(),
        }


def measure_capture(
    seconds: float, *, threads: int = 1, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Capture numbered samples beside threads that keep the interpreter busy.

    Both ways run at once, on the same microphone and in the same interpreter: the callback in
    machine code that the engine uses, and the ordinary one in Python.

    Args:
        seconds: For how long.
        threads: Threads that compute in pure Python meanwhile.
        say: Told how it goes.

    Returns:
        `Continuity.summary` by the kind of capture, under ``captures``.

    Raises:
        OSError: there is no PulseAudio or PortAudio, or the capture fails.
    """
    say(f"capture beside {threads} busy threads, {seconds:g} s")
    with TemporaryDirectory() as name:
        folder = Path(name)
        ramp = folder / "numbers.wav"
        played = seconds + _SETTLE_SECONDS + _SPARE_SECONDS
        soundfile.write(ramp, numbered(round(played * _RATE)), _RATE, subtype="PCM_16")
        (folder / "pulse").mkdir()
        with virtual_microphone(folder / "pulse", rate=_RATE) as microphone:
            order = json.dumps({"seconds": seconds, "threads": threads})
            probe = subprocess.Popen(
                [sys.executable, "-m", "affectd.bench.capture", order],
                env=microphone.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                assert probe.stdout
                ready = probe.stdout.readline()
                with microphone.playing(ramp) if ready else contextlib.nullcontext():
                    out, errors = probe.communicate(timeout=seconds + _START_SECONDS)
            finally:
                probe.kill()
                probe.wait()
    if probe.returncode or not ready:
        raise OSError(f"the capture failed: {errors.strip().splitlines()[-1:]}")
    result: dict[str, Any] = json.loads(out)
    return result


@contextlib.contextmanager
def _busy(threads: int) -> Iterator[None]:
    """Keep the interpreter busy, as a program that computes does."""
    stopping = False

    def compute() -> None:
        total = 0
        while not stopping:
            total = (total * 31 + 7) % 65_521

    running = [threading.Thread(target=compute) for _ in range(threads)]
    for each in running:
        each.start()
    try:
        yield
    finally:
        stopping = True
        for each in running:
            each.join()


def _listen(
    sources: Sequence[MicrophoneSource], bell: Doorbell, *, seconds: float
) -> dict[str, Continuity]:
    """Read both rings for so long from the first numbered sample on."""
    heard = [Continuity() for _ in sources]
    clocks = [DeviceClock(source.rate) for source in sources]
    until = None
    gives_up_at = time.monotonic() + _START_SECONDS
    while (now := time.monotonic()) < (until or gives_up_at):
        bell.wait(_WAIT_SECONDS)
        for source, continuity, clock in zip(sources, heard, clocks, strict=True):
            while block := source.read():
                if block.overrun:
                    clock.skip(block.overrun)
                continuity.overrun_samples += block.overrun
                continuity.overflow_flags += bool(block.flags & OVERFLOW)
                continuity.take(block.samples, block.captured_at, clock)
        if until is None and all(continuity.samples for continuity in heard):
            until = now + seconds
    if until is None:
        raise OSError("nothing that was played was heard")
    return {source.manner.partition(" (")[0]: c for source, c in zip(sources, heard, strict=True)}


def _main() -> None:
    order = json.loads(sys.argv[1])
    bell = Doorbell()
    machine, interpreter = MicrophoneSource("pulse"), MicrophoneSource("pulse")
    machine.start(bell.ring, bell=bell.write_fd)
    interpreter.start(bell.ring)
    if not machine.polled:
        raise OSError(f"there is no capture in machine code here: {machine.manner}")
    time.sleep(_SETTLE_SECONDS)
    print("ready", flush=True)
    with _busy(order["threads"]):
        heard = _listen([machine, interpreter], bell, seconds=order["seconds"])
    for source in (machine, interpreter):
        source.stop()
    print(
        json.dumps(
            {
                "seconds": order["seconds"],
                "busy_threads": order["threads"],
                "switch_interval_ms": 1000 * sys.getswitchinterval(),
                "captures": {name: each.summary() for name, each in heard.items()},
            }
        )
    )


if __name__ == "__main__":
    _main()
