"""Unit tests of the audio that clients send, up to the worker."""

from __future__ import annotations

import numpy as np
import pytest

from affectd.engine.protocol import SAMPLE_BYTES
from affectd.engine.publisher import BlockQueue, FrameFormat, PublisherSource
from affectd.engine.sources import Notice
from affectd.kernels.ring import Block


def test_both_formats_give_the_same_samples() -> None:
    whole = np.array([0, 1, -1, 32767, -32768], np.int16)
    source = PublisherSource("mic", 16_000, "s16le")
    source.hear(whole.astype("<i2").tobytes(), 1.5)
    integers = source.read()
    other = PublisherSource("mic", 16_000, "f32le")
    other.hear((whole.astype(np.float64) / 32768).astype("<f4").tobytes(), 1.5)
    floats = other.read()
    assert integers is not None
    assert floats is not None
    assert integers.samples.dtype == np.float32
    np.testing.assert_array_equal(integers.samples, floats.samples)
    assert (integers.captured_at, integers.position, integers.overrun) == (1.5, 0, 0)
    assert source.read() is None


def test_a_queue_that_nobody_reads_stays_bounded_and_says_what_went() -> None:
    queue = BlockQueue(1_000)
    for number in range(100):
        queue.write(
            np.full(100, number, "<i2").tobytes(), "s16le", rate=16_000, captured_at=float(number)
        )
    blocks = []
    while (block := queue.read()) is not None:
        blocks.append(block)
    assert sum(block.samples.size for block in blocks) <= 1_000
    assert blocks[0].overrun == blocks[0].position
    assert sum(block.samples.size + block.overrun for block in blocks) == queue.written == 10_000
    assert all(block.overrun == 0 for block in blocks[1:])


def test_a_queue_holds_no_more_frames_than_it_may_however_short_they_are() -> None:
    queue = BlockQueue(160_000, frames=50)
    for number in range(1_000):
        queue.write(b"\0\0", "s16le", rate=16_000, captured_at=float(number))
    blocks = []
    while (block := queue.read()) is not None:
        blocks.append(block)
    assert [block.position for block in blocks] == list(range(950, 1_000))
    assert [block.overrun for block in blocks] == [950] + [0] * 49


def test_writes_and_notices_wake_until_it_is_stopped() -> None:
    woken = []
    source = PublisherSource("mic", 16_000, "s16le")
    source.start(lambda: woken.append(1))
    source.hear(b"\0\0", 0.0)
    source.rejoin(8_000, "f32le", lost_seconds=1.0)
    assert len(woken) == 2
    source.stop()
    source.hear(b"\0\0", 0.0)
    assert source.written == 1


def read_all(source: PublisherSource) -> list[Block]:
    return list(iter(source.read, None))


def test_frames_that_wait_and_follow_each_other_are_one_block_with_all_their_times() -> None:
    source = PublisherSource("mic", 1_000, "s16le")
    times = [5.03, 5.1, 5.2, 5.35, 5.4, 5.5, 5.6]
    for number, captured_at in enumerate(times):
        source.hear(np.full(100, number, "<i2").tobytes(), captured_at)
    blocks = read_all(source)
    # Half a second at most: what has piled up must not keep others waiting.
    assert [block.samples.size for block in blocks] == [500, 200]
    assert [block.captured_at for block in blocks] == [5.03, 5.5]
    assert [part for block in blocks for part in block.parts] == [(100, each) for each in times]
    whole = np.concatenate([block.samples for block in blocks])
    np.testing.assert_array_equal(whole * 32_768, np.repeat(np.arange(7), 100))


def test_frames_of_two_rates_or_formats_are_two_blocks() -> None:
    queue = BlockQueue(10_000)
    frame = np.zeros(100, "<i2").tobytes()
    queue.write(frame, "s16le", rate=1_000, captured_at=5.0)
    queue.write(frame, "s16le", rate=2_000, captured_at=5.1)
    queue.write(frame, "f32le", rate=2_000, captured_at=5.15)
    assert [block.samples.size for block in iter(queue.read, None)] == [100, 100, 50]


def test_a_notice_ends_a_block_also_behind_frames_that_were_lost() -> None:
    source = PublisherSource("mic", 1_000, "s16le")
    frame = np.zeros(100, "<i2").tobytes()
    for number in range(5):
        if number == 2:
            source.notice(Notice("missing"))
        source.hear(frame, 5.0 + number * 0.1)
    source.notice(Notice("missing"))
    for number in range(5, 104):  # the queue holds ten seconds
        source.hear(frame, 5.0 + number * 0.1)
    blocks = read_all(source)
    assert blocks[0].overrun == blocks[0].position == 400
    assert blocks[0].samples.size == 100  # the second notice stands behind it
    assert blocks[1].position == 500


def test_a_loss_and_a_notice_end_a_block() -> None:
    source = PublisherSource("mic", 1_000, "s16le")
    frame = np.zeros(100, "<i2").tobytes()
    for captured_at in (5.0, 5.1, 5.4, 5.5):  # between, more was lost than networks are late by
        source.hear(frame, captured_at)
    source.notice(Notice("missing", lost_seconds=0.1))
    source.hear(frame, 5.6)
    source.rejoin(1_000, "f32le", lost_seconds=0.1)
    for captured_at in (5.8, 5.85):
        source.hear(frame, captured_at)
    blocks = read_all(source)
    # Floats may be no audio: what came before them must still be heard.
    assert [block.position for block in blocks] == [0, 200, 400, 500, 550]
    assert [block.captured_at for block in blocks] == pytest.approx([5.0, 5.4, 5.6, 5.8, 5.85])


@pytest.mark.parametrize(("sample_format", "woken"), [("s16le", 2), ("f32le", 4)])
def test_integers_wait_for_what_may_come_of_them_and_nothing_else_does(
    sample_format: FrameFormat, woken: int
) -> None:
    calls = []
    source = PublisherSource("mic", 16_000, sample_format)
    source.start(lambda: calls.append(1))
    source.wakes_at = 300
    frame = bytes(100 * SAMPLE_BYTES[sample_format])
    for _ in range(3):
        source.hear(frame, 0.0)
    source.notice(Notice("stalled"))
    assert len(calls) == woken


@pytest.mark.parametrize(("behind", "missing"), [(0.3, 0.0), (2.0, 2.0)])
def test_its_clock_calls_only_long_losses_missing(behind: float, missing: float) -> None:
    clock = PublisherSource("mic", 16_000, "s16le").clock(16_000)
    found = 0.0
    for number in range(200):
        late = behind if number >= 100 else 0.0
        found += clock.push(320, number * 0.02 + late)[1]
    assert found == pytest.approx(missing, abs=0.01)
