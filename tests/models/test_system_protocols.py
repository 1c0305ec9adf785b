"""What a paper's system is trained and scored on, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.models.conftest import voice, write

from affectd.models.checkpoint import CheckpointError
from affectd.models.corpora import CorpusError
from affectd.models.evaluation import EvaluationError
from affectd.models.foreign_weights import WeightsError
from affectd.models.system_protocols import (
    Place,
    evaluate_system_folds,
    evaluate_system_paper,
    train_system,
)
from affectd.models.systems import System, system_named


@pytest.fixture
def place(corpora: Path, tmp_path: Path) -> Place:
    return Place(corpora=corpora, cache=tmp_path / "cache", runs=tmp_path / "runs")


def hurried(name: str = "cnn2-stft", **changes: object) -> System:
    values = system_named(name).to_dict()
    values["schedule"] |= {"epochs": 1, "batch": 2}
    values["split"] |= {"train": 0.7, "development": 0.0}
    values["schedule"]["forest_grid"] = {
        "trees": [5], "depth": [0], "split": [2], "leaf": [1], "criterion": ["gini"]
    }  # fmt: skip
    return System.from_dict(values | changes)


def test_weights_that_are_missing_are_asked_for_before_a_corpus_is_read(
    place: Place, tmp_path: Path
) -> None:
    nowhere = replace(place, corpora=tmp_path / "none")
    with pytest.raises(WeightsError, match="whisper-tiny-blocks-2 needs weights: "):
        train_system(system_named("whisper-tiny-blocks-2"), nowhere, tmp_path / "run")


@pytest.mark.parametrize("name", ["cnn2-stft", "random-forest"])
def test_a_finished_run_is_read_again_and_never_another_one(
    name: str, place: Place, tmp_path: Path
) -> None:
    system, folder = hurried(name), tmp_path / "run"
    first = train_system(system, place, folder)
    assert train_system(system, place, folder).averaged.keys() == first.averaged.keys()
    with pytest.raises(CheckpointError, match="another recipe"):
        train_system(hurried("dnn-stft"), place, folder)
    with pytest.raises(CheckpointError, match="another seed"):
        train_system(system, replace(place, seed=9), folder)


def test_the_folds_of_a_corpus_that_it_does_not_hear_are_refused(place: Place) -> None:
    with pytest.raises(EvaluationError, match=r"learns from ravdess, and not from tess"):
        evaluate_system_folds(hurried(), place, corpus="tess", command="")


def test_a_test_part_without_clips_is_refused(place: Place) -> None:
    system = hurried(split={"train": 1.0, "development": 0.0})
    with pytest.raises(EvaluationError, match=r"of \d+ clips none is left to test on"):
        evaluate_system_paper(system, place, command="")


def test_clips_that_are_left_out_are_named(tmp_path: Path) -> None:
    own = tmp_path / "corpora/own"
    for label in ("angry", "sad", "hapy"):
        for number in range(3):
            write(own / label / f"{number}.wav", voice(0.8, 100 + 40 * number))
    (own / "sad/broken.wav").write_bytes(b"no sound")
    (own / "sad/empty.wav").touch()
    told: list[str] = []
    place = Place(
        corpora=tmp_path / "corpora",
        cache=tmp_path / "cache",
        runs=tmp_path / "runs",
        say=told.append,
    )
    train_system(hurried(corpora={"own": 1.0}), place, tmp_path / "run")
    assert "own: clips left out whose label is not known: 'hapy' (3)" in told
    unreadable = next(line for line in told if "cannot be read" in line)
    assert "2 clips left out" in unreadable
    assert "broken.wav" in unreadable
    assert "empty.wav" in unreadable


def test_labels_that_nobody_knows_are_listed(tmp_path: Path) -> None:
    write(tmp_path / "corpora/own/hapy/1.wav", voice(0.8, 100))
    place = Place(corpora=tmp_path / "corpora", cache=tmp_path, runs=tmp_path)
    with pytest.raises(
        CorpusError, match=r"none of its labels is known: 'hapy' \(1\); known are angry"
    ):
        train_system(hurried(corpora={"own": 1.0}), place, tmp_path / "run")
