"""Unit tests of the fan-out."""

from __future__ import annotations

import time

import pytest
from tests.engine.parcels import event

from affectd.engine.hub import Hub, parcel_of
from affectd.engine.outbox import Outbox
from affectd.engine.protocol import Emotion, Speech, Utterance


async def emptied(outbox: Outbox) -> list[int]:
    return [each.event.seq for _ in range(len(outbox)) if (each := await outbox.get())]


async def test_every_client_gets_every_event_encoded_once() -> None:
    hub = Hub()
    first, second = hub.join(), hub.join()
    hub.publish([event(1), event(2, Emotion)])
    one, other = await first.get(), await second.get()
    assert one is other
    assert await emptied(first) == await emptied(second) == [2]
    assert len(hub) == 2
    assert hub.published == 2


async def test_who_left_gets_nothing_more() -> None:
    hub = Hub()
    outbox = hub.join()
    hub.leave(outbox)
    hub.leave(outbox)
    hub.publish([event(1)])
    assert len(outbox) == len(hub) == 0


async def test_a_client_that_reads_nothing_takes_nothing_from_others() -> None:
    hub = Hub(queue_events=8)
    slow, fast = hub.join(), hub.join()
    got: list[int] = []
    for seq in range(1, 101):
        hub.publish([event(seq)])
        got += await emptied(fast)
    assert got == list(range(1, 101))
    assert fast.lost == 0
    assert slow.lost == 92
    assert await emptied(slow) == list(range(93, 101))


async def test_congested_tells_whether_any_client_is_far_behind() -> None:
    hub = Hub(queue_events=8)
    assert not hub.congested
    hub.join()
    hub.publish(event(seq) for seq in range(1, 4))
    assert not hub.congested
    hub.publish([event(4)])
    assert hub.congested


async def test_close_lets_clients_have_what_is_left() -> None:
    hub = Hub()
    outbox = hub.join()
    hub.publish([event(1)])
    hub.close()
    assert (await outbox.get()).event.seq == 1
    assert await outbox.get() is None


def test_only_final_events_are_kept() -> None:
    hub = Hub()
    kinds = [Speech, Emotion, Utterance, Emotion, Speech]
    hub.publish(event(seq, kind) for seq, kind in enumerate(kinds, 1))
    assert [each.event.seq for each in hub.history.after("mic", 0)] == [1, 3, 5]


def test_a_result_is_given_its_age_and_its_last_stage() -> None:
    captured_at = time.monotonic() - 0.5
    stages = {"ring": 100.0, "inference": 50.0}
    result = event(1, Utterance, captured_at=captured_at, stages_ms=stages)
    before = time.time()
    parcel = parcel_of(result)
    after = time.time()
    age_ms = parcel.message["age_ms"]
    assert age_ms >= 500
    assert parcel.message["stages_ms"] == {**stages, "publish": pytest.approx(age_ms - 150)}
    assert before - 0.01 <= parcel.message["captured_at"] + age_ms / 1_000 <= after + 0.01
    assert stages == {"ring": 100.0, "inference": 50.0}, "the event itself stays as it was"


def test_the_time_of_capture_is_told_in_utc() -> None:
    now = time.monotonic()
    parcel = parcel_of(event(1, captured_at=now))
    assert parcel.message["captured_at"] == pytest.approx(time.time(), abs=5)


def test_a_stream_is_shown_while_somebody_who_hears_it_wants_to_see() -> None:
    hub = Hub()
    everything, one, blind = hub.join(), hub.join(), hub.join()
    hub.subscribe(one, {"kitchen"})
    hub.subscribe(blind, {"hall"})

    def shown() -> list[str]:
        return [name for name in ("kitchen", "hall") if hub.shows_mel(name)]

    assert shown() == []
    hub.show_mel(one, True)
    assert shown() == ["kitchen"]
    hub.show_mel(everything, True)
    assert shown() == ["kitchen", "hall"]
    hub.subscribe(everything, {"attic"})
    assert shown() == ["kitchen"]
    hub.subscribe(one, {"hall"})
    assert shown() == ["hall"]
    hub.show_mel(one, False)
    assert shown() == []
    hub.show_mel(one, True)
    hub.leave(one)
    assert shown() == []
