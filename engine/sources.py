"""Where audio comes from: what every source promises, and those that read files and pipes."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import soundfile

from affectd.engine.device_clock import DeviceClock
from affectd.engine.recording import Recording, RecordingError
from affectd.kernels.ring import Block, Ring

__all__ = [
    "BLOCK_SECONDS",
    "OVERFLOW",
    "DemoSource",
    "Feed",
    "FileSource",
    "Notice",
    "Pace",
    "Source",
    "SourceError",
    "StdinSource",
]

Pace = Literal["real", "fast"]
Samples = npt.NDArray[np.float32]

BLOCK_SECONDS = 0.01
OVERFLOW = 1
"""Flag of a block before which the system lost audio."""

_RING_SECONDS = 10
_WAIT_SECONDS = 0.002
_SLEPT_SECONDS = 1.0
_STOP_SECONDS = 0.5


class SourceError(OSError):
    """A source cannot be opened or read; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a source says besides its audio, after the blocks it has written before."""

    state: Literal[
        "started",
        "lost",
        "restored",
        "stalled",
        "resumed",
        "rejoined",
        "missing",
        "ended",
        "failed",
    ]
    """Of a device: ``lost``, ``restored``. Of a publisher: ``started``; ``stalled``, it sends
    nothing for now; ``resumed``, it sends again; ``rejoined``, it is back after its connection was
    lost; ``missing``, audio came that cannot be heard. Of both: ``ended``, ``failed``."""
    detail: str = ""
    lost_seconds: float = 0.0
    rate: int = 0
    """Hz, from ``rejoined`` on."""
    position: int = 0
    """Samples that were written before; set by `Feed.notice`."""


class Feed(ABC):
    """Audio of one stream on its way to the worker, whoever brings it.

    Attributes:
        name: Name of the stream.
        rate: Sampling rate at its beginning, Hz.
        notices: What else happened, each after the samples that were written before it.
        device: Whether this is a sound device, whose level is worth watching.
        waits: Whether audio waits until it is taken. What cannot wait is lost where the engine
            is too slow; what can is never lost.
        live: Whether it is spoken now, so that it may wait for the engine but for no client.
        polled: Whether blocks come without a call of `wake`, from machine code that rings the bell:
            then the worker must look whenever it wakes. Set by `start`.
        wakes_at: Samples written before which a block need not wake the worker, for nothing can
            come of it; a notice always does. A source may wake it all the same.
        gap_reason: Where audio is missing by its clock: a reason of `affectd.engine.protocol.Gap`.
    """

    device = False
    waits = False
    live = True
    polled = False
    gap_reason = "overflow"

    def __init__(self, name: str, rate: int) -> None:
        self.name = name
        self.rate = rate
        self.notices: deque[Notice] = deque()
        self.wakes_at = 0
        self._wake: Callable[[], None] = lambda: None

    @property
    def manner(self) -> str:
        """How it captures, where there is more than one way; else empty."""
        return ""

    @property
    @abstractmethod
    def written(self) -> int:
        """Samples written since the beginning."""

    @abstractmethod
    def read(self) -> Block | None:
        """Return the oldest block not yet read, or `None`; called by the worker alone."""

    @abstractmethod
    def start(self, wake: Callable[[], None], *, bell: int | None = None) -> None:
        """Begin to deliver.

        Args:
            wake: Called after every notice, and every block that may not wait (`wakes_at`).
            bell: File descriptor that wakes the worker, too, when a byte is written to it: for
                what cannot call Python.
        """

    @abstractmethod
    def stop(self) -> None:
        """Cease to deliver."""

    def clock(self, rate: int) -> DeviceClock | None:
        """Return a new clock for its stamps, where it has one of its own.

        Args:
            rate: Sampling rate from now on, Hz.
        """
        return DeviceClock(rate) if self.device else None

    def notice(self, notice: Notice) -> None:
        """Tell the worker, after what was written so far."""
        self.notices.append(replace(notice, position=self.written))
        self._wake()


class Source(Feed):
    """Audio written into a ring by a thread of its own.

    Attributes:
        ring: Mono float32 blocks with their capture time.
    """

    def __init__(self, name: str, rate: int) -> None:
        super().__init__(name, rate)
        self.ring = Ring(capacity=max(1 << 16, rate * _RING_SECONDS))
        self._remark = ""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def written(self) -> int:
        """Samples written since the beginning."""
        return self.ring.written

    def read(self) -> Block | None:
        """Return the oldest block not yet read, or `None`; called by the worker alone."""
        return self.ring.read()

    def start(self, wake: Callable[[], None], *, bell: int | None = None) -> None:
        """Begin to deliver.

        Args:
            wake: Called after every block and notice.
            bell: Not used, but by microphones.
        """
        self._wake = wake
        self._thread = threading.Thread(target=self._deliver, name="affectd-source", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cease to deliver; returns when the thread has ended, or after half a second."""
        self._stopping.set()
        if self._thread:
            self._thread.join(timeout=_STOP_SECONDS)

    def _deliver(self) -> None:
        try:
            self._run()
        except Exception as error:  # libraries have their own; a source must not die in silence
            self.notice(Notice("failed", str(error) or type(error).__name__))
        else:
            if not self._stopping.is_set():
                self.notice(Notice("ended", self._remark))

    def _write(self, block: Samples, captured_at: float) -> None:
        if self.waits:
            while self.ring.room < block.size and not self._stopping.is_set():
                self._stopping.wait(_WAIT_SECONDS)
            if self._stopping.is_set():
                return
        self.ring.write(block, captured_at=captured_at)
        self._wake()

    @abstractmethod
    def _run(self) -> None:
        """Deliver until the audio ends or `stop` is called; runs in the source's own thread."""


class _PacedSource(Source):
    """Audio that is at hand, delivered as a microphone would or as fast as it is taken."""

    def __init__(self, name: str, rate: int, *, pace: Pace) -> None:
        super().__init__(name, rate)
        self.waits = pace == "fast"
        self.live = not self.waits

    def _run(self) -> None:
        began = time.monotonic()
        position = 0
        for block in self._blocks():
            position += block.size
            if self.waits:
                due = time.monotonic()
            else:
                due = began + position / self.rate
                late = time.monotonic() - due
                if late > _SLEPT_SECONDS:
                    # The machine was asleep: a microphone would not catch up either.
                    began += late
                    due += late
                elif self._stopping.wait(max(0.0, -late)):
                    return
            if self._stopping.is_set():
                return
            self._write(block, due - block.size / self.rate)

    @abstractmethod
    def _blocks(self) -> Iterator[Samples]:
        """Yield mono float32 blocks."""


class FileSource(_PacedSource):
    """A sound file, whatever a `Recording` can be; channels are averaged.

    Args:
        path: The file.
        pace: ``real`` plays it as it was spoken, ``fast`` as quickly as it is taken.

    Raises:
        SourceError: it is missing, empty, or not audio.
    """

    def __init__(self, path: Path, *, pace: Pace = "real") -> None:
        try:
            self._recording = Recording(path)
        except RecordingError as error:
            raise SourceError(str(error)) from None
        super().__init__(path.stem, self._recording.rate, pace=pace)

    def stop(self) -> None:
        """Cease to deliver; returns when the thread has ended, or after half a second."""
        super().stop()
        if not self._thread:
            self._recording.close()

    def _blocks(self) -> Iterator[Samples]:
        with self._recording as recording:
            # Where it lies on this machine is nothing for those who listen.
            whole, name = str(recording.path), recording.path.name
            try:
                yield from recording.blocks(BLOCK_SECONDS)
            except RecordingError as error:
                raise SourceError(str(error).replace(whole, name)) from None
            self._remark = recording.complaint.replace(whole, name)


class DemoSource(_PacedSource):
    """Real speech from inside the package, over and over: clips of EmoDB with pauses between.

    Attributes:
        labels: The corpus's label of each clip, in the order they are played.
    """

    rate_hz = 16_000
    pause_seconds = 1.2

    def __init__(self, *, pace: Pace = "real", repeat: bool = True) -> None:
        super().__init__("demo", self.rate_hz, pace=pace)
        self._repeat = repeat
        self._folder = resources.files("affectd.engine") / "demo"
        self._names = (self._folder / "playlist.txt").read_text("utf-8").split()
        self.labels = [_EMODB_LABELS[name[5]] for name in self._names]

    def clips(self) -> Iterator[Samples]:
        """Yield each clip once, mono float32 at `rate_hz`."""
        for name in self._names:
            with (self._folder / name).open("rb") as file:
                samples, _ = soundfile.read(file, dtype="float32")
            yield samples

    def _blocks(self) -> Iterator[Samples]:
        size = round(self.rate * BLOCK_SECONDS)
        pause = np.zeros(round(self.pause_seconds * self.rate), np.float32)
        while True:
            for clip in self.clips():
                spoken = np.concatenate((clip, pause))
                for start in range(0, spoken.size, size):
                    yield spoken[start : start + size]
            if not self._repeat:
                return


_EMODB_LABELS = {"W": "angry", "F": "happy", "N": "neutral", "T": "sad"}


class StdinSource(Source):
    """Raw signed 16-bit little-endian mono from a pipe, at the pace of whoever writes it.

    Args:
        rate: Sampling rate, Hz.
    """

    waits = True

    def __init__(self, rate: int) -> None:
        super().__init__("stdin", rate)

    def _run(self) -> None:
        fd = sys.stdin.fileno()
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        odd = b""
        heard = False
        while not self._stopping.is_set():
            if not poll.poll(100):
                continue
            data = os.read(fd, 2 * round(self.rate * BLOCK_SECONDS))
            if not data:
                break
            data = odd + data
            whole = len(data) - len(data) % 2
            data, odd = data[:whole], data[whole:]
            if data:
                heard = True
                block = np.frombuffer(data, "<i2").astype(np.float32) / 32768.0
                self._write(block, time.monotonic() - block.size / self.rate)
        if not heard and not self._stopping.is_set():
            raise SourceError("standard input holds no audio: it is read as raw s16le mono")
