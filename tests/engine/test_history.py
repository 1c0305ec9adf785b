"""Unit: what is kept of each stream, and what is known to be forgotten."""

from __future__ import annotations

import pytest
from tests.engine.parcels import event

from affectd.engine.history import History
from affectd.engine.hub import parcel_of
from affectd.engine.protocol import Device, Error, ErrorCode, Event


def history(events: int, *streams: str) -> History:
    kept = History()
    for seq in range(1, events + 1):
        for stream in streams:
            kept.keep(parcel_of(event(seq, stream=stream)), 0.0)
    return kept


def numbers(kept: History, stream: str, after: int = 0) -> list[int]:
    return [parcel.event.seq for parcel in kept.after(stream, after)]


def test_events_are_found_by_stream_and_number() -> None:
    kept = history(3, "mic", "other")
    assert numbers(kept, "mic") == [1, 2, 3]
    assert numbers(kept, "other", 2) == [3]
    assert numbers(kept, "mic", 3) == numbers(kept, "nobody") == []
    assert "mic" in kept
    assert "nobody" not in kept


def test_it_is_known_up_to_where_a_stream_is_forgotten() -> None:
    kept = history(1_000, "mic")
    left = numbers(kept, "mic")
    assert left == list(range(1_001 - len(left), 1_001))
    assert kept.forgotten("mic") == left[0] - 1
    assert kept.forgotten("nobody") == 0


def test_a_lively_stream_does_not_push_out_a_quiet_one() -> None:
    kept = history(3, "quiet")
    for seq in range(1, 10_001):
        kept.keep(parcel_of(event(seq, stream="lively")), 0.0)
    assert numbers(kept, "quiet") == [1, 2, 3]


def test_many_streams_share_what_is_kept_evenly() -> None:
    kept = history(600, *map(str, range(64)))
    assert len(kept) <= 8_192
    assert {len(numbers(kept, str(name))) for name in range(64)} == {128}
    assert kept.forgotten("0") == 600 - 128


def test_streams_that_come_and_go_hold_no_more_than_all_may() -> None:
    kept = History()
    for name in range(6_000):
        for seq in range(1, 40):
            kept.keep(parcel_of(event(seq, stream=str(name))), 0.0)
        assert len(kept) <= 8_192
    assert len(kept) == sum(len(kept.after(str(name), 0)) for name in range(6_000))
    assert "0" not in kept
    assert [len(numbers(kept, str(name))) for name in (5_000, 5_999)] == [2, 2]


@pytest.mark.parametrize(
    "last",
    [
        event(3, Device, state="ended"),
        event(3, Error, code=ErrorCode.BAD_AUDIO, message="", fatal=True),
    ],
)
def test_a_stream_that_ended_is_forgotten_ten_minutes_later(last: Event) -> None:
    kept = history(2, "mic", "other")
    kept.keep(parcel_of(last), 100.0)
    kept.keep(parcel_of(event(3, stream="other")), 699.0)
    assert numbers(kept, "mic") == [1, 2, 3]
    kept.keep(parcel_of(event(4, stream="other")), 701.0)
    assert "mic" not in kept
    assert len(kept) == len(numbers(kept, "other")) == 4


def test_a_name_that_is_taken_again_is_kept() -> None:
    kept = History()
    kept.keep(parcel_of(event(1, Device, state="ended")), 0.0)
    kept.keep(parcel_of(event(2)), 10.0)
    kept.keep(parcel_of(event(1, stream="other")), 10_000.0)
    assert numbers(kept, "mic") == [1, 2]
