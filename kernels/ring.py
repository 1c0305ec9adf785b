"""The ring between a capture thread and the worker: bounded, lock-free, and honest about losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import from_dtype, types
from numba.extending import intrinsic

from affectd.kernels.jit import kernel

__all__ = ["STAMP", "Block", "Ring", "write_block"]

# Places in the control words. Producer and consumer words lie on separate cache lines.
_SAMPLES_RESERVED = 0
_SAMPLES_WRITTEN = 1
_STAMPS_RESERVED = 2
_STAMPS_WRITTEN = 3
_SAMPLES_READ = 16
_STAMPS_READ = 17
_CONTROL_WORDS = 32

STAMP = np.dtype(
    [
        ("position", np.int64),
        ("samples", np.int64),
        ("captured_at", np.float64),
        ("flags", np.int64),
    ]
)
"""What is noted of a block."""


@dataclass(frozen=True, slots=True)
class Block:
    """What one call of the producer wrote."""

    samples: npt.NDArray[np.float32]
    """float32 ``(n,)``, a copy."""
    position: int
    """Absolute number of the first sample since the ring began."""
    captured_at: float
    """When the first sample was captured, in seconds of the producer's clock."""
    flags: int
    """What the producer noted."""
    overrun: int
    """Samples lost just before this block, because they were overwritten before they were read."""
    parts: tuple[tuple[int, float], ...] = ()
    """Of what is joined from several: the samples of each, and when its first was captured."""


class Ring:
    """A single-producer, single-consumer ring of mono samples.

    The producer never waits and never allocates: where the consumer is too slow, the oldest
    blocks are overwritten, and the next block that is read says how many samples went. Counters
    are absolute and 64 bits wide, so that ``read + lost == written`` holds exactly, for longer
    than any machine runs.

    Every block keeps the capture time and the flags that came with it, and is read as a whole.

    Args:
        capacity: Samples held, at least 2.
        blocks: Blocks held, at least 2.
    """

    def __init__(self, *, capacity: int, blocks: int = 4096) -> None:
        if capacity < 2 or blocks < 2:
            raise ValueError(f"capacity is {capacity} and blocks {blocks}; each must be at least 2")
        self.capacity = capacity
        self._control = np.zeros(_CONTROL_WORDS, np.int64)
        self._samples = np.zeros(capacity, np.float32)
        self._stamps = np.zeros(blocks, STAMP)
        self._scratch = np.empty(capacity, np.float32)
        self._found = np.zeros(1, STAMP)

    @property
    def memory(
        self,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[Any]]:
        """What a producer in machine code hands to `write_block`: counters, samples, stamps."""
        return self._control, self._samples, self._stamps

    @property
    def written(self) -> int:
        """Samples written since the ring began."""
        return int(self._control[_SAMPLES_WRITTEN])

    @property
    def read_position(self) -> int:
        """Position that follows the last sample read or lost."""
        return int(self._control[_SAMPLES_READ])

    @property
    def room(self) -> int:
        """Samples that can be written without overwriting what has not been read."""
        stamps = int(self._control[_STAMPS_WRITTEN] - self._control[_STAMPS_READ])
        return (
            0 if stamps >= self._stamps.size else self.capacity - self.written + self.read_position
        )

    def write(
        self, samples: npt.NDArray[np.float32], *, captured_at: float, flags: int = 0
    ) -> None:
        """Append a block; called by the producer alone.

        Args:
            samples: Contiguous float32 ``(n,)``, no longer than `capacity`.
            captured_at: When the first of them was captured, seconds.
            flags: Handed to the reader as it is.

        Raises:
            ValueError: the block is longer than the ring.
        """
        if samples.size > self.capacity:
            raise ValueError(f"a block of {samples.size} samples; the ring holds {self.capacity}")
        write_block(self._control, self._samples, self._stamps, samples, captured_at, flags)

    def read(self) -> Block | None:
        """Return the oldest block not yet read, or `None`; called by the consumer alone."""
        overrun = _read(self._control, self._samples, self._stamps, self._scratch, self._found)
        if overrun < 0:
            return None
        stamp = self._found[0]
        return Block(
            samples=self._scratch[: stamp["samples"]].copy(),
            position=int(stamp["position"]),
            captured_at=float(stamp["captured_at"]),
            flags=int(stamp["flags"]),
            overrun=overrun,
        )


@intrinsic
def _fence_intrinsic(typing_context: Any) -> Any:
    """Order the stores and loads on its two sides, for the compiler and for the processor."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


# Numba supplies the typing context when it compiles a call, so a call has no arguments.
_fence: Any = _fence_intrinsic

_STAMPS = from_dtype(STAMP)[::1]
_WRITE = types.void(
    types.int64[::1], types.float32[::1], _STAMPS, types.float32[::1], types.float64, types.int64
)
_READ = types.int64(types.int64[::1], types.float32[::1], _STAMPS, types.float32[::1], _STAMPS)


@kernel(_WRITE)
def write_block(
    control: npt.NDArray[np.int64],
    ring: npt.NDArray[np.float32],
    stamps: npt.NDArray[Any],
    samples: npt.NDArray[np.float32],
    captured_at: float,
    flags: int,
) -> None:
    """Append a block to a ring's `memory`; for producers in machine code, as `Ring.write` is.

    A block longer than the ring is not looked for.
    """
    position = control[_SAMPLES_WRITTEN]
    stamp_number = control[_STAMPS_WRITTEN]
    # Whoever reads now must know, before anything changes, which samples are about to go.
    control[_SAMPLES_RESERVED] = position + samples.size
    control[_STAMPS_RESERVED] = stamp_number + 1
    _fence()
    place = position % ring.size
    first = min(samples.size, ring.size - place)
    ring[place : place + first] = samples[:first]
    ring[: samples.size - first] = samples[first:]
    stamp = stamps[stamp_number % stamps.size]
    stamp.position = position
    stamp.samples = samples.size
    stamp.captured_at = captured_at
    stamp.flags = flags
    _fence()
    control[_SAMPLES_WRITTEN] = position + samples.size
    control[_STAMPS_WRITTEN] = stamp_number + 1


@kernel(_READ)
def _read(
    control: npt.NDArray[np.int64],
    ring: npt.NDArray[np.float32],
    stamps: npt.NDArray[Any],
    out: npt.NDArray[np.float32],
    found: npt.NDArray[Any],
) -> int:
    """Copy the oldest whole block; return the samples lost before it, or -1 if there is none."""
    number = control[_STAMPS_READ]
    while True:
        written = control[_STAMPS_WRITTEN]
        _fence()
        number = max(number, control[_STAMPS_RESERVED] - stamps.size)
        if number >= written:
            # Every block up to here was overwritten while we looked; the next read counts them.
            control[_STAMPS_READ] = number
            return -1
        stamp = stamps[number % stamps.size]
        position = stamp.position
        samples = stamp.samples
        found[0].captured_at = stamp.captured_at
        found[0].flags = stamp.flags
        _fence()
        torn = control[_STAMPS_RESERVED] > number + stamps.size
        if torn or position < control[_SAMPLES_RESERVED] - ring.size:
            number += 1
            continue
        place = position % ring.size
        first = min(samples, ring.size - place)
        out[:first] = ring[place : place + first]
        out[first:samples] = ring[: samples - first]
        _fence()
        if position < control[_SAMPLES_RESERVED] - ring.size:
            number += 1
            continue
        overrun = position - control[_SAMPLES_READ]
        found[0].position = position
        found[0].samples = samples
        control[_SAMPLES_READ] = position + samples
        control[_STAMPS_READ] = number + 1
        return int(overrun)
