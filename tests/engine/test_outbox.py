"""Unit and property tests of a client's queue."""

from __future__ import annotations

import asyncio
import itertools
import json

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.parcels import parcel

from affectd.engine.outbox import Outbox, Parcel
from affectd.engine.protocol import JSON, MSGPACK, Emotion, Speech


def seqs(outbox: Outbox) -> list[int]:
    """Empty a queue that is not waited on."""
    outbox.close()

    async def empty() -> list[int]:
        found = []
        while (each := await outbox.get()) is not None:
            found.append(each.event.seq)
        return found

    return asyncio.run(empty())


@pytest.mark.parametrize(
    ("subprotocol", "decode"), [(MSGPACK, msgpack.unpackb), (JSON, json.loads)]
)
def test_a_parcel_is_encoded_once_for_each_encoding(subprotocol: str, decode: object) -> None:
    one = parcel(1)
    frame = one.frame(subprotocol)
    assert one.frame(subprotocol) is frame
    assert decode(frame)["seq"] == 1


def test_events_come_out_in_their_order() -> None:
    outbox = Outbox(4)
    for seq in (1, 2, 3):
        outbox.put(parcel(seq, Emotion if seq == 2 else Speech))
    assert len(outbox) == 3
    assert seqs(outbox) == [1, 2, 3]
    assert outbox.lost == 0


def test_the_oldest_provisional_event_goes_first() -> None:
    outbox = Outbox(3)
    for seq, kind in enumerate([Speech, Emotion, Emotion, Emotion, Speech], 1):
        outbox.put(parcel(seq, kind))
    assert seqs(outbox) == [1, 4, 5]
    assert outbox.lost == 2


def test_final_events_go_only_where_nothing_provisional_is_left() -> None:
    outbox = Outbox(2)
    for seq, kind in enumerate([Speech, Speech, Emotion, Speech], 1):
        outbox.put(parcel(seq, kind))
    assert seqs(outbox) == [2, 4]
    assert outbox.lost == 2


def test_half_full_says_when_whoever_can_wait_should() -> None:
    outbox = Outbox(4)
    assert not outbox.half_full
    outbox.put(parcel(1))
    assert not outbox.half_full
    outbox.put(parcel(2))
    assert outbox.half_full


async def test_get_waits_for_the_next_event() -> None:
    outbox = Outbox(4)
    waiting = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put(parcel(7))
    async with asyncio.timeout(30):
        got = await waiting
    assert got is not None
    assert got.event.seq == 7


async def test_close_ends_the_wait() -> None:
    outbox = Outbox(4)
    waiting = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.close()
    async with asyncio.timeout(30):
        assert await waiting is None


@given(
    capacity=st.integers(1, 8),
    steps=st.lists(st.sampled_from(["final", "provisional", "get"]), max_size=60),
)
def test_every_event_is_delivered_in_order_or_counted_as_lost(
    capacity: int, steps: list[str]
) -> None:
    async def play() -> None:
        outbox = Outbox(capacity)
        numbers = itertools.count(1)
        put = 0
        got: list[Parcel] = []
        for step in steps:
            if step != "get":
                kind = Speech if step == "final" else Emotion
                outbox.put(parcel(next(numbers), kind))
                put += 1
            elif len(outbox):
                each = await outbox.get()
                assert each is not None
                got.append(each)
            assert len(outbox) <= capacity
        outbox.close()
        while (each := await outbox.get()) is not None:
            got.append(each)
        assert len(got) + outbox.lost == put
        order = [each.event.seq for each in got]
        assert order == sorted(order)

    asyncio.run(play())
