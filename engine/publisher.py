"""Audio that a client sends: from its frames to blocks that a session hears."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from affectd.engine.device_clock import DeviceClock
from affectd.engine.opus import OpusDecoder, packet_samples
from affectd.engine.protocol import SAMPLE_BYTES, SampleFormat
from affectd.engine.sources import Feed, Notice
from affectd.kernels.ring import Block

__all__ = ["FORMATS", "BlockQueue", "FrameFormat", "PublisherSource", "frame_samples"]

FrameFormat = SampleFormat | Literal["opus"]

FORMATS: tuple[FrameFormat, ...] = ("s16le", "f32le", "opus")
"""What a frame may hold: samples, or one Opus packet."""

_QUEUE_SECONDS = 10
_QUEUE_FRAMES = 4_096
_JOINED_SECONDS = 0.5
# What comes this much later, or sooner, than the samples before it say begins another block.
_JOINED_DEVIATION_SECONDS = 0.1
_GAP_SECONDS = 0.5
# Crystals differ by less; and who sends a second ahead and then rests has lost nothing.
_LARGEST_CORRECTION_SECONDS = 0.0005
_FULL_SCALE = np.float32(1 / 32768)


def frame_samples(frame: bytes, sample_format: FrameFormat) -> tuple[int, bool]:
    """Return how many samples a frame holds, and whether it holds nothing else."""
    if sample_format == "opus":
        samples = packet_samples(frame)
        return samples, samples > 0
    samples, rest = divmod(len(frame), SAMPLE_BYTES[sample_format])
    return samples, not rest


class _Frame(NamedTuple):
    data: bytes
    sample_format: FrameFormat
    rate: int
    samples: int
    position: int
    captured_at: float

    def continues(self, first: _Frame, samples: int) -> bool:
        """Return whether it can join a block that begins with this frame and holds so many."""
        apart = self.captured_at - first.captured_at - samples / self.rate
        alike = self.sample_format == first.sample_format and self.rate == first.rate
        return alike and abs(apart) <= _JOINED_DEVIATION_SECONDS


class BlockQueue:
    """Frames between a client and its session, as they came; all on the event loop.

    It reads as `affectd.kernels.ring.Ring` does, but keeps references instead of samples: what a
    client sends lies in memory of its own already, and a stream that is read in time costs
    nothing. Frames of integers that wait and follow on each other in time are read as one block:
    to hear it costs little more than to hear the first of them. When the queue is full the oldest
    frames go, and the next block that is read says how many samples went.

    Args:
        capacity: Samples held.
        frames: Frames held; of short ones each takes far more memory than its samples.
    """

    def __init__(self, capacity: int, *, frames: int = _QUEUE_FRAMES) -> None:
        self.capacity = capacity
        self._largest_frames = frames
        self.written = 0
        """Samples written since the queue began."""
        self.read_position = 0
        """Position that follows the last sample read or lost."""
        self._decoder: OpusDecoder | None = None
        self._frames: deque[_Frame] = deque()

    def write(
        self, frame: bytes, sample_format: FrameFormat, *, rate: int, captured_at: float
    ) -> None:
        """Append a frame.

        Args:
            frame: Whole samples.
            sample_format: How they are written.
            rate: Their sampling rate, Hz.
            captured_at: When the first of them was captured, seconds.
        """
        samples, _ = frame_samples(frame, sample_format)
        self._frames.append(_Frame(frame, sample_format, rate, samples, self.written, captured_at))
        self.written += samples
        frames = self._frames
        while len(frames) > self._largest_frames or (
            frames and self.written - frames[0].position > self.capacity
        ):
            frames.popleft()

    def read(self, ends: Iterable[int] = ()) -> Block | None:
        """Return the oldest block not yet read, or `None`.

        Args:
            ends: Positions, ascending, across which no frames are joined.

        Raises:
            BadPacketError: an Opus packet cannot be decoded.
        """
        frames = self._frames
        if not frames:
            return None
        first = frames.popleft()
        joined, count = [first], first.samples
        if first.sample_format == "s16le":
            end = next((each for each in ends if each > first.position), math.inf)
            longest = _JOINED_SECONDS * first.rate
            while (
                frames
                and frames[0].position < end
                and count + frames[0].samples <= longest
                and frames[0].continues(first, count)
            ):
                count += frames[0].samples
                joined.append(frames.popleft())
        overrun = first.position - self.read_position
        self.read_position = first.position + count
        return Block(
            samples=self._samples(b"".join(frame.data for frame in joined), first.sample_format),
            position=first.position,
            captured_at=first.captured_at,
            flags=0,
            overrun=overrun,
            parts=tuple((frame.samples, frame.captured_at) for frame in joined),
        )

    def _samples(self, data: bytes, sample_format: FrameFormat) -> npt.NDArray[np.float32]:
        if sample_format == "opus":
            self._decoder = self._decoder or OpusDecoder()
            return self._decoder.decode(data)
        if sample_format == "f32le":
            return np.frombuffer(data, "<f4").astype(np.float32)  # a copy: kernels take no other
        return np.frombuffer(data, "<i2").astype(np.float32) * _FULL_SCALE


class PublisherSource(Feed):
    """One client's audio. The event loop writes it, so that it needs no thread of its own.

    Args:
        name: Name of the stream.
        rate: Sampling rate, Hz.
        sample_format: How the samples are written.
    """

    gap_reason = "publisher"

    def __init__(self, name: str, rate: int, sample_format: FrameFormat) -> None:
        super().__init__(name, rate)
        self._format: FrameFormat = sample_format
        self._rate = rate
        self._queue = BlockQueue(rate * _QUEUE_SECONDS)
        self._open = True

    @property
    def written(self) -> int:
        """Samples written since the beginning."""
        return self._queue.written

    def read(self) -> Block | None:
        """Return the oldest block not yet read, or `None`.

        Raises:
            BadPacketError: an Opus packet cannot be decoded.
        """
        return self._queue.read(notice.position for notice in self.notices)

    def clock(self, rate: int) -> DeviceClock:
        """Return a new clock: networks deliver less evenly than sound devices.

        Args:
            rate: Sampling rate from now on, Hz.
        """
        return DeviceClock(
            rate, gap_seconds=_GAP_SECONDS, largest_correction_seconds=_LARGEST_CORRECTION_SECONDS
        )

    def start(self, wake: Callable[[], None], *, bell: int | None = None) -> None:
        """Begin to deliver what is written."""
        self._wake = wake

    def stop(self) -> None:
        """Cease to deliver; what has come can still be read."""
        self._open = False

    def hear(self, frame: bytes, captured_at: float) -> None:
        """Take a frame of whole samples, whose first was captured at this time."""
        if self._open:
            self._queue.write(frame, self._format, rate=self._rate, captured_at=captured_at)
            # Integers are always audio; of others it must be said at once that they are not.
            if self._format != "s16le" or self._queue.written >= self.wakes_at:
                self._wake()

    def rejoin(self, rate: int, sample_format: FrameFormat, *, lost_seconds: float) -> None:
        """Go on after the client was away, with audio that may be of another kind."""
        self._format, self._rate = sample_format, rate
        self.notice(Notice("rejoined", lost_seconds=lost_seconds, rate=rate))
