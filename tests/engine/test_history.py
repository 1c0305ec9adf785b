"""Unit: what is kept of each stream, and what is known to be forgotten."""

from __future__ import annotations

from tests.engine.parcels import event

from affectd.engine.history import History
from affectd.engine.hub import parcel_of


def history(events: int, *streams: str) -> History:
    kept = History()
    for seq in range(1, events + 1):
        for stream in streams:
            kept.keep(parcel_of(event(seq, stream=stream)))
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
        kept.keep(parcel_of(event(seq, stream="lively")))
    assert numbers(kept, "quiet") == [1, 2, 3]


def test_many_streams_have_less_each_and_there_is_an_end_to_their_number() -> None:
    kept = history(40, *map(str, range(200)))
    assert len(numbers(kept, "199")) == 32
    for number in range(5_000):
        kept.keep(parcel_of(event(1, stream=f"later {number}")))
    assert "0" not in kept
    assert "later 4999" in kept
