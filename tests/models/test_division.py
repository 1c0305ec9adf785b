"""Who is learnt from and who is tested on."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectd.models.clips import Clip
from affectd.models.division import Division, divide, divide_by_speakers
from affectd.models.systems import SplitPlan


def clip(number: int, label: str, speaker: str, corpus: str = "ravdess") -> Clip:
    return Clip(
        corpus=corpus,
        name=str(number),
        path=Path("nowhere"),
        speaker=speaker,
        sex=None,
        label=label,
        native=label,
        licence="",
    )


CLIPS = tuple(
    clip(number, ("angry", "happy", "sad")[number % 3], f"{number % 8:02d}")
    for number in range(240)
)


def parts(division: Division) -> list[list[int]]:
    return [part.tolist() for part in (division.train, division.development, division.test)]


@given(
    train=st.floats(0.3, 0.8),
    development=st.floats(0, 0.2),
    stratified=st.booleans(),
    test_clips=st.integers(0, 100),
    seed=st.integers(0, 5),
)
def test_every_clip_is_in_one_part_and_the_shares_hold(
    train: float, development: float, stratified: bool, test_clips: int, seed: int
) -> None:
    plan = SplitPlan(
        train=train,
        development=development,
        stratified=stratified,
        test_clips=test_clips,
        seed=seed,
    )
    division = divide(CLIPS, plan)
    assert sorted(chain(*parts(division))) == list(range(240))
    assert parts(divide(CLIPS, plan)) == parts(division)
    if not test_clips:
        assert len(division.train) == pytest.approx(240 * train, abs=3)
    else:
        assert len(division.test) == pytest.approx(test_clips, abs=2)
        left = 240 - len(division.test)
        assert len(division.development) == pytest.approx(left * development, abs=3)


def test_a_stratified_division_has_each_class_alike() -> None:
    division = divide(CLIPS, SplitPlan(train=0.7, development=0.15))
    counts = Counter(CLIPS[place].label for place in division.test)
    assert set(counts.values()) == {12}


def test_speakers_left_out_are_in_no_part() -> None:
    division = divide(CLIPS, SplitPlan(left_out=("03",), train=0.8, development=0.0))
    speakers = {CLIPS[place].speaker for place in chain(*parts(division))}
    assert "03" not in speakers
    assert len(speakers) == 7


def test_test_speakers_are_in_no_other_part() -> None:
    others = tuple(clip(1_000 + n, "sad", "03", corpus="tess") for n in range(10))
    division = divide_by_speakers(
        (*CLIPS, *others), corpus="ravdess", test=("03", "05"), development=0.2, seed=1
    )
    everyone = (*CLIPS, *others)
    assert {everyone[place].speaker for place in division.test} == {"03", "05"}
    learnt = [everyone[place] for place in (*division.train, *division.development)]
    assert not [c for c in learnt if c.corpus == "ravdess" and c.speaker in ("03", "05")]
    assert [c for c in learnt if c.corpus == "tess"], "another corpus's 03 is somebody else"
    assert np.intersect1d(division.train, division.development).size == 0


def test_who_is_tested_on_is_not_heard_singing_either() -> None:
    sung = tuple(clip(1_000 + n, "sad", f"{n % 8:02d}", corpus="ravdess-song") for n in range(40))
    everyone = (*CLIPS, *sung)
    division = divide_by_speakers(everyone, corpus="ravdess", test=("03",), development=0.1, seed=1)
    learnt = [everyone[place] for place in (*division.train, *division.development)]
    assert {c.speaker for c in learnt if c.corpus == "ravdess-song"} == {
        f"{speaker:02d}" for speaker in range(8) if speaker != 3
    }
    assert {everyone[place].corpus for place in division.test} == {"ravdess"}


def test_a_division_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="240 clips are to be tested on, and 240 are at hand"):
        divide(CLIPS, SplitPlan(test_clips=240))
    with pytest.raises(
        ValueError, match=r"train \(0\.9\) and development \(0\.2\) are more than 1"
    ):
        SplitPlan(train=0.9, development=0.2)
