"""Unit and property tests of the ring: a model for one thread, and two real threads."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectd.kernels.ring import (
    _SAMPLES_RESERVED,
    _SAMPLES_WRITTEN,
    _STAMPS_RESERVED,
    Block,
    Ring,
    _read,
    write_block,
)

# A prime, so that no power of two in the ring can hide a shift.
_PERIOD = 65_521
_CONTENT = (np.arange(2 * _PERIOD) % _PERIOD).astype(np.float32)


def content(position: int, samples: int) -> np.ndarray:
    """Return samples that tell their own position, exact in float32."""
    return _CONTENT[position % _PERIOD :][:samples]


class Model:
    """What a ring must do, in plain Python."""

    def __init__(self, capacity: int, blocks: int) -> None:
        self.capacity, self.blocks = capacity, blocks
        self.kept: deque[tuple[int, int]] = deque()
        self.written = 0
        self.read_position = 0

    def write(self, samples: int) -> None:
        self.kept.append((self.written, samples))
        self.written += samples
        while len(self.kept) > self.blocks or self.written - self.kept[0][0] > self.capacity:
            self.kept.popleft()

    def read(self) -> tuple[int, int, int] | None:
        if not self.kept:
            return None
        position, samples = self.kept.popleft()
        lost = position - self.read_position
        self.read_position = position + samples
        return position, samples, lost


@settings(max_examples=200)
@given(
    capacity=st.integers(2, 40),
    blocks=st.integers(2, 6),
    steps=st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=60),
)
def test_one_thread_sees_what_a_model_says(
    capacity: int, blocks: int, steps: list[float | None]
) -> None:
    ring, model = Ring(capacity=capacity, blocks=blocks), Model(capacity, blocks)
    for number, step in enumerate(steps):
        if step is None:
            block, expected = ring.read(), model.read()
            if expected is None:
                assert block is None
            else:
                assert block is not None
                assert (block.position, block.samples.size, block.overrun) == expected
                assert np.array_equal(block.samples, content(block.position, block.samples.size))
        else:
            samples = round(step * capacity)
            ring.write(content(ring.written, samples), captured_at=number / 7, flags=number)
            model.write(samples)
        assert ring.written == model.written
        assert ring.read_position == model.read_position
        if ring.room >= 1:
            kept = sum(samples for _, samples in model.kept)
            assert ring.room <= capacity - kept


@settings(max_examples=8)
@given(
    capacity=st.sampled_from([100, 3_000, 60_000]),
    blocks=st.integers(2, 40),
    shares=st.lists(st.floats(0.01, 1), min_size=1, max_size=20),
    rests=st.lists(st.integers(0, 3), min_size=1, max_size=9),
)
def test_two_threads_account_for_every_sample(
    capacity: int, blocks: int, shares: list[float], rests: list[int]
) -> None:
    """The producer never waits; the consumer checks each block that it gets to the last bit.

    Long blocks take long to copy, so that the one thread comes in the middle of the other.
    """
    sizes = [max(1, round(share * capacity)) for share in shares]
    ring = Ring(capacity=capacity, blocks=blocks)
    written_blocks = 5_000
    done = threading.Event()

    def produce() -> None:
        for number in range(written_blocks):
            position = ring.written
            samples = content(position, sizes[number % len(sizes)])
            ring.write(samples, captured_at=position / 16_000, flags=number)
        done.set()

    received: list[Block] = []
    producer = threading.Thread(target=produce)
    interval = sys.getswitchinterval()
    # Kernels run without the interpreter's lock; what is Python around them shall interleave too.
    sys.setswitchinterval(1e-5)
    try:
        producer.start()
        turn = 0
        while True:
            over = done.is_set()
            block = ring.read()
            if block is not None:
                received.append(block)
                for _ in range(rests[turn % len(rests)]):
                    done.wait(1e-4)
                turn += 1
            elif over:
                break
    finally:
        sys.setswitchinterval(interval)
        producer.join()

    position = read = lost = 0
    last_number = -1
    for block in received:
        assert block.position == position + block.overrun
        assert block.overrun >= 0
        assert block.flags > last_number
        assert block.samples.size == sizes[block.flags % len(sizes)]
        assert block.captured_at == block.position / 16_000
        assert np.array_equal(block.samples, content(block.position, block.samples.size))
        position = block.position + block.samples.size
        read += block.samples.size
        lost += block.overrun
        last_number = block.flags
    assert last_number == written_blocks - 1, "the newest block is never lost"
    assert read + lost == ring.written == ring.read_position


@numba.njit(nogil=True)
def _produce(control, ring, stamps, table, period, sizes, blocks):  # type: ignore[no-untyped-def]  # inferred
    for number in range(blocks):
        position = control[_SAMPLES_WRITTEN]
        start = position % period
        samples = table[start : start + sizes[number % sizes.size]]
        write_block(control, ring, stamps, samples, position / 16_000, number)


@numba.njit(nogil=True)
def _consume(control, ring, stamps, table, period, sizes, blocks):  # type: ignore[no-untyped-def]  # inferred
    """Return how many blocks and samples were read, how many were lost, and how many were wrong."""
    scratch = np.empty(ring.size, np.float32)
    found = stamps[:1].copy()
    read_blocks = read = lost = wrong = 0
    expected = 0
    number = -1
    while number < blocks - 1:
        overrun = _read(control, ring, stamps, scratch, found)
        if overrun < 0:
            continue
        stamp = found[0]
        wrong += stamp.position != expected + overrun or stamp.flags <= number
        wrong += stamp.captured_at != stamp.position / 16_000
        number = stamp.flags
        wrong += stamp.samples != sizes[number % sizes.size]
        start = stamp.position % period
        for index in range(stamp.samples):
            if scratch[index] != table[start + index]:
                wrong += 1
                break
        expected = stamp.position + stamp.samples
        read_blocks += 1
        read += stamp.samples
        lost += overrun
    return read_blocks, read, lost, wrong


@settings(max_examples=12)
@given(
    capacity=st.sampled_from([100, 3_000, 60_000]),
    blocks=st.integers(2, 40),
    shares=st.lists(st.floats(0.01, 1), min_size=1, max_size=20),
)
def test_two_threads_of_machine_code_never_see_a_torn_block(
    capacity: int, blocks: int, shares: list[float]
) -> None:
    """As above, but both threads run free of the interpreter, as fast as they can."""
    sizes = np.array([max(1, round(share * capacity)) for share in shares], np.int64)
    ring = Ring(capacity=capacity, blocks=blocks)
    parts = (ring._control, ring._samples, ring._stamps, _CONTENT, _PERIOD, sizes)
    written_blocks = max(2_000, 10_000_000 // int(sizes.mean()) // 4)
    producer = threading.Thread(target=_produce, args=(*parts, written_blocks))
    producer.start()
    read_blocks, read, lost, wrong = _consume(*parts, written_blocks)
    producer.join()
    assert wrong == 0
    assert read_blocks >= 1
    assert read + lost == ring.written == ring.read_position


@settings(max_examples=5)
@given(sizes=st.lists(st.integers(0, 200), min_size=1, max_size=20).filter(any))
def test_a_producer_that_minds_the_room_loses_nothing(sizes: list[int]) -> None:
    ring = Ring(capacity=256, blocks=4)
    blocks = 2_000

    def produce() -> None:
        for number in range(blocks):
            size = sizes[number % len(sizes)]
            while ring.room < max(size, 1):
                time.sleep(1e-5)
            ring.write(content(ring.written, size), captured_at=0.0)

    producer = threading.Thread(target=produce)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        producer.start()
        seen = 0
        while seen < blocks:
            block = ring.read()
            if block is not None:
                assert block.overrun == 0
                assert np.array_equal(block.samples, content(block.position, block.samples.size))
                seen += 1
            else:
                time.sleep(1e-5)
    finally:
        sys.setswitchinterval(interval)
        producer.join()
    assert ring.read_position == ring.written


def test_what_the_producer_is_about_to_overwrite_is_not_read_any_more() -> None:
    """The producer stopped, as it were, just after it had said what it will write."""
    ring = Ring(capacity=10, blocks=8)
    ring.write(content(0, 5), captured_at=0.0)
    ring.write(content(5, 5), captured_at=1.0)
    ring._control[_SAMPLES_RESERVED] += 3
    ring._control[_STAMPS_RESERVED] += 1
    ring._samples[:3] = -1
    block = ring.read()
    assert block is not None
    assert (block.position, block.overrun, block.captured_at) == (5, 5, 1.0)
    assert np.array_equal(block.samples, content(5, 5))
    assert ring.read() is None


def test_a_stamp_that_the_producer_is_about_to_overwrite_is_not_read_any_more() -> None:
    ring = Ring(capacity=100, blocks=2)
    ring.write(content(0, 5), captured_at=0.0)
    ring.write(content(5, 5), captured_at=1.0)
    ring._control[_SAMPLES_RESERVED] += 1
    ring._control[_STAMPS_RESERVED] += 1
    ring._stamps[0]["samples"] = -1
    block = ring.read()
    assert block is not None
    assert (block.position, block.overrun) == (5, 5)


def test_a_block_may_fill_the_whole_ring() -> None:
    ring = Ring(capacity=10, blocks=2)
    ring.write(content(0, 3), captured_at=0.0)
    ring.write(content(3, 10), captured_at=1.0)
    block = ring.read()
    assert block is not None
    assert (block.position, block.overrun, block.captured_at) == (3, 3, 1.0)
    assert np.array_equal(block.samples, content(3, 10))
    assert ring.read() is None


def test_a_block_that_was_read_is_a_copy() -> None:
    ring = Ring(capacity=4, blocks=2)
    ring.write(content(0, 4), captured_at=0.0)
    block = ring.read()
    ring.write(content(4, 4), captured_at=0.0)
    ring.read()
    assert block is not None
    assert np.array_equal(block.samples, content(0, 4))


def test_there_is_no_room_while_every_stamp_is_taken() -> None:
    ring = Ring(capacity=100, blocks=2)
    for _ in range(2):
        ring.write(content(0, 1), captured_at=0.0)
    assert ring.room == 0
    ring.read()
    assert ring.room == 99


def test_a_block_longer_than_the_ring_is_refused() -> None:
    ring = Ring(capacity=4)
    with pytest.raises(ValueError, match="a block of 5 samples; the ring holds 4"):
        ring.write(content(0, 5), captured_at=0.0)
    assert ring.written == 0


@pytest.mark.parametrize(("capacity", "blocks"), [(1, 8), (8, 1), (0, 0)])
def test_a_ring_too_small_is_refused(capacity: int, blocks: int) -> None:
    with pytest.raises(ValueError, match="each must be at least 2"):
        Ring(capacity=capacity, blocks=blocks)
