"""What PortAudio calls when a device has samples: in machine code, or in Python where need be."""

from __future__ import annotations

import functools
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from affectd.engine.sources import OVERFLOW
from affectd.kernels.jit import c_callback
from affectd.kernels.ring import STAMP, Ring, write_block

__all__ = ["Capture", "CaptureKind", "InterpreterCapture", "MachineCapture", "capture_into"]

CaptureKind = Literal["machine code", "interpreter"]

# <portaudio.h>: paContinue, and the flag of samples discarded before this block.
_CONTINUE = 0
_INPUT_OVERFLOW = 2


class Capture(ABC):
    """Writes a device's blocks into a ring, with the time and the flags of each.

    Attributes:
        kind: What runs when PortAudio calls.
        delivering: Whether blocks are written; else they are dropped.
    """

    kind: CaptureKind

    def __init__(self, ring: Ring, *, rate: int, channels: int) -> None:
        self._ring = ring
        self._rate = rate
        self._channels = channels

    @property
    @abstractmethod
    def heard_at(self) -> float:
        """When PortAudio called last, or `open` did, in seconds of the engine's clock."""

    @property
    @abstractmethod
    def delivering(self) -> bool:
        """Whether blocks are written; else they are dropped."""

    @delivering.setter
    @abstractmethod
    def delivering(self, value: bool) -> None: ...

    @property
    @abstractmethod
    def overflows(self) -> int:
        """Blocks before which PortAudio said that samples were lost."""

    @abstractmethod
    def open(self, sounddevice: Any, *, device: int | str | None, blocksize: int) -> Any:
        """Return a stream of the device, not yet started; this object must outlive it.

        Raises:
            ValueError: there is no such device.
            sounddevice.PortAudioError: it cannot be opened.
        """


class InterpreterCapture(Capture):
    """A callback in Python: while other threads keep the interpreter busy it is called late.

    Args:
        ring: Where the samples go.
        rate: Sampling rate, Hz.
        channels: Channels captured; their mean is written.
        wake: Called after every block.
    """

    kind = "interpreter"

    def __init__(self, ring: Ring, *, rate: int, channels: int, wake: Callable[[], None]) -> None:
        super().__init__(ring, rate=rate, channels=channels)
        self._wake = wake
        self._heard_at = 0.0
        self._delivering = True
        self._overflows = 0

    @property
    def heard_at(self) -> float:
        """When PortAudio called last, or `open` did, in seconds of the engine's clock."""
        return self._heard_at

    @property
    def delivering(self) -> bool:
        """Whether blocks are written; else they are dropped."""
        return self._delivering

    @delivering.setter
    def delivering(self, value: bool) -> None:
        self._delivering = value

    @property
    def overflows(self) -> int:
        """Blocks before which PortAudio said that samples were lost."""
        return self._overflows

    def open(self, sounddevice: Any, *, device: int | str | None, blocksize: int) -> Any:
        """Return a stream of the device, not yet started; this object must outlive it."""
        self._heard_at = time.monotonic()
        return sounddevice.InputStream(
            device=device,
            samplerate=self._rate,
            channels=self._channels,
            dtype="float32",
            blocksize=blocksize,
            latency="low",
            callback=self._call,
        )

    def _call(self, block: npt.NDArray[np.float32], frames: int, clock: Any, status: Any) -> None:
        """Copy, note the clock and the flags, return: PortAudio calls this in its own thread."""
        now = time.monotonic()
        self._heard_at = now
        self._overflows += bool(status.input_overflow)
        if not self._delivering:
            return
        # PortAudio also gives the converter's time of the first sample, but through PulseAudio that
        # was seen to lie 0.46 s back for the first second and to jump then; the worker's
        # `DeviceClock` smooths the moment of this call instead.
        mono = block[:, 0] if self._channels == 1 else block.mean(axis=1)
        flags = OVERFLOW if status.input_overflow else 0
        captured_at = now - frames / self._rate
        self._ring.write(np.ascontiguousarray(mono), captured_at=captured_at, flags=flags)
        self._wake()


_STATE = np.dtype(
    [
        # Where the ring lies.
        ("control", np.int64),
        ("control_words", np.int64),
        ("samples", np.int64),
        ("capacity", np.int64),
        ("stamps", np.int64),
        ("blocks", np.int64),
        # Where the mean of several channels is put together.
        ("mono", np.int64),
        ("largest_block", np.int64),
        ("channels", np.int64),
        ("rate", np.float64),
        # What rings, and which clock is read, into the two words of a `struct timespec`.
        ("bell", np.int64),
        ("bell_byte", np.int64),
        ("clock", np.int64),
        ("seconds", np.int64),
        ("nanoseconds", np.int64),
        # Written by one side, read by the other.
        ("delivering", np.int64),
        ("heard_at", np.float64),
        ("overflows", np.int64),
    ]
)
_LONGEST_BLOCK_SECONDS = 0.5
_PLACE = {name: field[1] for name, field in (_STATE.fields or {}).items()}
_BELL_BYTE, _TIMESPEC = _PLACE["bell_byte"], _PLACE["seconds"]

_array: Any = numba.carray  # type: ignore[attr-defined]
_write: Any = types.ExternalFunction("write", types.intp(types.int32, types.voidptr, types.uintp))
_clock_gettime: Any = types.ExternalFunction(
    "clock_gettime", types.int32(types.int32, types.voidptr)
)


@intrinsic
def _pointer_intrinsic(typing_context: Any, address: Any) -> Any:
    """Take a number for an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


@intrinsic
def _address_intrinsic(typing_context: Any, pointer: Any) -> Any:
    """Take an address for a number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], context.get_value_type(types.int64))

    return types.int64(types.voidptr), generate


# Numba supplies the typing context when it compiles a call.
_pointer: Any = _pointer_intrinsic
_address: Any = _address_intrinsic

# <portaudio.h>: PaStreamCallback.
_SIGNATURE = types.int32(
    types.voidptr, types.voidptr, types.uint64, types.voidptr, types.uint64, types.voidptr
)


def _call_in_machine_code(
    block: Any, output: Any, frame_count: int, clocks: Any, status: int, state_pointer: Any
) -> int:
    """Do what `InterpreterCapture` does, without a lock, an allocation, or the interpreter."""
    state = _array(state_pointer, 1, _STATE)[0]
    state_at = _address(state_pointer)
    frames = np.int64(frame_count)
    _clock_gettime(np.int32(state.clock), _pointer(state_at + _TIMESPEC))
    now = state.seconds + 1e-9 * state.nanoseconds
    state.heard_at = now
    overflow = (np.int64(status) & _INPUT_OVERFLOW) != 0
    if overflow:
        state.overflows += 1
    if state.delivering == 0 or _address(block) == 0 or frames > state.largest_block:
        return _CONTINUE
    if state.channels == 1:
        mono = _array(block, frames, np.float32)
    else:
        # A block by itself would be averaged in place, but what PortAudio hands over is its own.
        interleaved = _array(block, frames * state.channels, np.float32)
        mono = _array(_pointer(state.mono), frames, np.float32)
        for frame in range(frames):
            total = np.float32(0.0)
            for channel in range(state.channels):
                total += interleaved[frame * state.channels + channel]
            mono[frame] = total / np.float32(state.channels)
    write_block(
        _array(_pointer(state.control), state.control_words, np.int64),
        _array(_pointer(state.samples), state.capacity, np.float32),
        _array(_pointer(state.stamps), state.blocks, STAMP),
        mono,
        now - frames / state.rate,
        OVERFLOW if overflow else 0,
    )
    # A full pipe rings already, and nobody could be told of another error here.
    _write(np.int32(state.bell), _pointer(state_at + _BELL_BYTE), np.uint64(1))
    return _CONTINUE


@functools.cache
def _compiled() -> Any:
    return c_callback(_SIGNATURE, _call_in_machine_code)


def _monotonic_clock() -> int:
    """Return the number of the clock that `time.monotonic` reads.

    Raises:
        OSError: machine code cannot read it.
    """
    name = time.get_clock_info("monotonic").implementation
    clocks = {
        "clock_gettime(CLOCK_MONOTONIC)": "CLOCK_MONOTONIC",
        "mach_absolute_time()": "CLOCK_UPTIME_RAW",
    }
    clock = getattr(time, clocks.get(name, ""), None)
    if not isinstance(clock, int):
        raise OSError(f"the clock {name} cannot be read from machine code")
    return clock


class MachineCapture(Capture):
    """A callback compiled to machine code: a busy interpreter costs it no sample.

    PortAudio's thread writes the ring, reads the clock, and writes one byte to the bell, all
    through libc; it never takes the interpreter's lock.

    Args:
        ring: Where the samples go.
        rate: Sampling rate, Hz.
        channels: Channels captured; their mean is written.
        bell: File descriptor, not blocking, to which one byte is written after every block.

    Raises:
        Exception: it cannot be compiled here; Numba and LLVM have many errors of their own.
    """

    kind = "machine code"

    def __init__(self, ring: Ring, *, rate: int, channels: int, bell: int) -> None:
        super().__init__(ring, rate=rate, channels=channels)
        if sys.maxsize < 2**32:
            raise OSError("only 64-bit systems have PortAudio's types as they are compiled here")
        settings: Any = numba.config
        if settings.DISABLE_JIT:
            raise OSError("Numba is told to compile nothing (NUMBA_DISABLE_JIT)")
        control, samples, stamps = ring.memory
        self._mono = np.zeros(round(_LONGEST_BLOCK_SECONDS * rate), np.float32)
        self._state = np.zeros(1, _STATE)
        state = self._state[0]
        state["control"], state["control_words"] = control.ctypes.data, control.size
        state["samples"], state["capacity"] = samples.ctypes.data, samples.size
        state["stamps"], state["blocks"] = stamps.ctypes.data, stamps.size
        state["mono"], state["largest_block"] = self._mono.ctypes.data, self._mono.size
        state["channels"], state["rate"], state["bell"] = channels, rate, bell
        state["clock"] = _monotonic_clock()
        state["delivering"] = 1
        self._compiled = _compiled()

    @property
    def heard_at(self) -> float:
        """When PortAudio called last, or `open` did, in seconds of the engine's clock."""
        return float(self._state[0]["heard_at"])

    @property
    def delivering(self) -> bool:
        """Whether blocks are written; else they are dropped."""
        return bool(self._state[0]["delivering"])

    @delivering.setter
    def delivering(self, value: bool) -> None:
        self._state[0]["delivering"] = value

    @property
    def overflows(self) -> int:
        """Blocks before which PortAudio said that samples were lost."""
        return int(self._state[0]["overflows"])

    @property
    def address(self) -> int:
        """Of the C function, a ``PaStreamCallback``."""
        return int(self._compiled.address)

    @property
    def user_data(self) -> int:
        """What the C function must be given as its last argument."""
        return int(self._state.ctypes.data)

    def open(self, sounddevice: Any, *, device: int | str | None, blocksize: int) -> Any:
        """Return a stream of the device, not yet started; this object must outlive it."""
        self._state[0]["heard_at"] = time.monotonic()
        ffi = sounddevice._ffi
        # For libraries with a callback in C; what ``InputStream`` itself is made of.
        return sounddevice._StreamBase(
            kind="input",
            device=device,
            samplerate=self._rate,
            channels=self._channels,
            dtype="float32",
            blocksize=blocksize,
            latency="low",
            callback=ffi.cast("PaStreamCallback*", self.address),
            wrap_callback=None,
            userdata=ffi.cast("void*", self.user_data),
        )


def capture_into(
    ring: Ring,
    *,
    rate: int,
    channels: int,
    wake: Callable[[], None],
    bell: int | None,
) -> tuple[Capture, str]:
    """Return the capture in machine code, or the one in Python and why.

    Args:
        ring: Where the samples go.
        rate: Sampling rate, Hz.
        channels: Channels captured; their mean is written.
        wake: Called after every block by the capture in Python.
        bell: Rung after every block by the one in machine code; with `None` there is none.
    """
    reason = "nobody waits at a bell"
    if bell is not None:
        try:
            return MachineCapture(ring, rate=rate, channels=channels, bell=bell), ""
        except Exception as error:  # of Numba, of LLVM: whatever it is, Python can still do it
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return InterpreterCapture(ring, rate=rate, channels=channels, wake=wake), reason
