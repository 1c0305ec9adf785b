"""Unit tests of the capture in machine code, called from C as PortAudio does; no sound device."""

from __future__ import annotations

import ctypes
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectd.engine import capture
from affectd.engine.capture import InterpreterCapture, MachineCapture, capture_into
from affectd.engine.doorbell import Doorbell
from affectd.engine.sources import OVERFLOW
from affectd.kernels.ring import Ring

RATE = 16_000
INPUT_UNDERFLOW, INPUT_OVERFLOW = 1, 2
CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
)


class PortAudio:
    """Calls a capture as PortAudio does."""

    def __init__(self, channels: int, *, capacity: int = 4_096) -> None:
        self.bell = Doorbell()
        self.ring = Ring(capacity=capacity)
        self.capture = MachineCapture(
            self.ring, rate=RATE, channels=channels, bell=self.bell.write_fd
        )
        self._function = CALLBACK(self.capture.address)

    def call(self, block: np.ndarray | None, frames: int, flags: int = 0) -> int:
        at = None if block is None else block.ctypes.data
        return self._function(at, None, frames, None, flags, self.capture.user_data)


BLOCKS = st.lists(st.tuples(st.integers(0, 200), st.booleans()), min_size=1, max_size=20)


@given(channels=st.integers(1, 4), blocks=BLOCKS, seed=st.integers(0, 99))
def test_machine_code_writes_what_the_interpreter_writes(
    channels: int, blocks: list[tuple[int, bool]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    audio = PortAudio(channels)
    plain = InterpreterCapture(
        Ring(capacity=4_096), rate=RATE, channels=channels, wake=lambda: None
    )
    for frames, overflow in blocks:
        block = rng.uniform(-1, 1, (frames, channels)).astype(np.float32)
        before = time.monotonic()
        assert audio.call(block, frames, INPUT_OVERFLOW if overflow else INPUT_UNDERFLOW) == 0
        after = time.monotonic()
        plain._call(block, frames, None, SimpleNamespace(input_overflow=overflow))
        one, other = audio.ring.read(), plain._ring.read()
        assert one
        assert other
        np.testing.assert_allclose(one.samples, other.samples, rtol=1e-6, atol=1e-7)
        assert (one.position, one.flags) == (other.position, other.flags)
        assert one.flags == (OVERFLOW if overflow else 0)
        assert before <= one.captured_at + frames / RATE + 1e-6
        assert one.captured_at + frames / RATE - 1e-6 <= after
        assert before - 1e-6 <= audio.capture.heard_at <= after + 1e-6
    assert audio.capture.overflows == plain.overflows == sum(flag for _, flag in blocks)
    audio.bell.close()


def test_what_the_ring_has_no_place_for_is_counted_as_it_is_read() -> None:
    audio = PortAudio(1, capacity=400)
    for number in range(10):
        audio.call(np.full(160, number, np.float32), 160)
    block = audio.ring.read()
    assert block
    assert (block.overrun, block.samples[0]) == (8 * 160, 8)


def test_every_block_rings() -> None:
    audio = PortAudio(1)
    rang = threading.Event()
    waiter = threading.Thread(target=lambda: (audio.bell.wait(60), rang.set()))
    waiter.start()
    assert not rang.wait(0.02)
    audio.call(np.zeros(160, np.float32), 160)
    waiter.join(30)
    assert rang.is_set()


def test_a_bell_that_nobody_hears_holds_nothing_up() -> None:
    audio = PortAudio(1)
    block = np.zeros(1, np.float32)
    for _ in range(70_000):  # more than a pipe holds
        audio.call(block, 1)
    assert audio.ring.written == 70_000


def test_what_must_not_be_written_is_dropped() -> None:
    audio = PortAudio(1, capacity=20_000)
    audio.capture.delivering = False
    assert not audio.capture.delivering
    audio.call(np.zeros(160, np.float32), 160)
    assert audio.ring.written == 0
    assert audio.capture.heard_at > 0, "the device is there all the same"
    audio.capture.delivering = True
    audio.call(None, 160)
    audio.call(np.zeros(9_000, np.float32), 9_000)
    assert audio.ring.written == 0
    audio.call(np.zeros(160, np.float32), 160)
    assert audio.ring.written == 160


def chosen(bell: int | None) -> tuple[capture.Capture, str]:
    return capture_into(Ring(capacity=100), rate=RATE, channels=1, wake=lambda: None, bell=bell)


def test_machine_code_is_the_first_choice() -> None:
    bell = Doorbell()
    found, reason = chosen(bell.write_fd)
    assert (found.kind, reason) == ("machine code", "")
    bell.close()


def test_where_it_cannot_be_compiled_python_captures_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails() -> Any:
        raise RuntimeError("LLVM has no target\nfor this")

    monkeypatch.setattr(capture, "_compiled", fails)
    found, reason = chosen(1)
    assert (found.kind, reason) == ("interpreter", "LLVM has no target")
    assert chosen(None)[0].kind == "interpreter"


def test_a_clock_that_machine_code_cannot_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        time, "get_clock_info", lambda name: SimpleNamespace(implementation="sundial")
    )
    assert chosen(1)[1] == "the clock sundial cannot be read from machine code"
