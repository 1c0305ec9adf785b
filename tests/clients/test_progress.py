"""Property: whatever is sent again and in whatever order, everything is taken once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from affectd.clients.progress import Progress


@given(st.lists(st.integers(1, 60), min_size=1, max_size=200))
def test_every_number_is_taken_once(seqs: list[int]) -> None:
    progress = Progress(seqs[0])
    taken = [seq for seq in seqs if progress.take(seq)]
    assert taken == [seq for seq in dict.fromkeys(seqs) if seq >= seqs[0]]


@given(st.sets(st.integers(1, 60), min_size=1))
def test_nothing_up_to_the_mark_is_missing(seqs: set[int]) -> None:
    ordered = sorted(seqs)
    progress = Progress(ordered[0])
    for seq in ordered:
        progress.take(seq)
    assert set(range(ordered[0], progress.mark + 1)) <= seqs
    assert progress.mark + 1 not in seqs


def test_the_memory_is_bounded() -> None:
    progress = Progress(1)
    progress.take(1)
    for seq in range(3, 10_000, 2):
        progress.take(seq)
    assert len(progress._beyond) <= 1024
    assert progress.mark > 7_000
    assert not progress.take(9_999)
    assert not progress.take(3)


def test_a_hole_holds_the_mark_until_it_is_filled() -> None:
    progress = Progress(5)
    assert [progress.take(seq) for seq in (5, 6, 9, 10)] == [True] * 4
    assert progress.mark == 6
    assert [progress.take(seq) for seq in (7, 8, 9, 10, 11)] == [True, True, False, False, True]
    assert progress.mark == 11
