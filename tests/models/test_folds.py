from __future__ import annotations

import pytest

from affectd.models.folds import HELD_OUT, Split, folds, shared_folds

RAVDESS = [f"{actor:02d}" for actor in range(1, 25)]
CREMA_D = [str(actor) for actor in range(1001, 1092)]


@pytest.mark.parametrize(("corpus", "speakers"), [("ravdess", RAVDESS), ("crema-d", CREMA_D)])
def test_named_folds_part_the_speakers(corpus: str, speakers: list[str]) -> None:
    tests = [set(fold.test) for fold in folds(corpus, speakers)]
    assert sum(map(len, tests)) == len(speakers)
    assert set.union(*tests) == set(speakers)


def test_the_other_corpora_leave_one_speaker_out() -> None:
    assert [fold.test for fold in folds("tess", ["YAF", "OAF", "YAF"])] == [("OAF",), ("YAF",)]
    assert len(folds("emodb", RAVDESS[:10])) == 10


def test_crema_d_fold_five_is_the_held_out_one() -> None:
    assert folds("crema-d", CREMA_D)[4].test == HELD_OUT.test["crema-d"]


def test_missing_speakers_and_unknown_corpora_are_named() -> None:
    with pytest.raises(ValueError, match="no clip of the speakers 04, 10, 12, 14; found are 01"):
        folds("ravdess", ["01"])
    with pytest.raises(ValueError, match="no folds for 'nowhere'; published are those of crema-d"):
        folds("nowhere", ["1"])


def test_no_speaker_is_tuned_on_and_tested_on() -> None:
    for corpus, speakers in HELD_OUT.test.items():
        assert not set(speakers) & set(HELD_OUT.development[corpus])
    with pytest.raises(ValueError, match="emodb speaker 03 is both"):
        Split({"emodb": ("03",)}, {"emodb": ("03",)})
    assert HELD_OUT.part("ravdess", "21") == "test"
    assert HELD_OUT.part("ravdess", "19") == "development"
    assert HELD_OUT.part("tess", "OAF") == "train"
    assert HELD_OUT.part("ravdess-song", "21") == "test"
    assert HELD_OUT.part("tess", "21") == "train"


def test_iemocap_leaves_a_session_out_and_songs_go_by_the_folds_of_speech() -> None:
    sessions = folds("iemocap", ["Ses01F", "Ses01M", "Ses02F", "Ses02M"])
    assert [fold.test for fold in sessions] == [("Ses01F", "Ses01M"), ("Ses02F", "Ses02M")]
    actors = [f"{actor:02d}" for actor in range(1, 25)]
    assert [fold.test for fold in folds("ravdess-song", actors)] == [
        fold.test for fold in folds("ravdess", actors)
    ]


def test_a_shared_fold_leaves_out_one_fold_of_every_corpus() -> None:
    speakers = {"emodb": ("03", "08", "09"), "tess": ("OAF", "YAF")}
    assert shared_folds(speakers, models=2) == [
        {"emodb": ("03",), "tess": ("OAF",)},
        {"emodb": ("08", "09"), "tess": ("YAF",)},
    ]
    assert shared_folds(speakers, models=3)[1:] == [
        {"emodb": ("08",), "tess": ("YAF",)},
        {"emodb": ("09",)},
    ]


def test_without_all_of_the_published_folds_speakers_each_is_left_out_alone() -> None:
    some = {"ravdess": ("01", "02")}
    assert shared_folds(some) == [{"ravdess": ("01",)}, {"ravdess": ("02",)}]
    with pytest.raises(ValueError, match="no clip of the speakers"):
        shared_folds(some, published=True)
