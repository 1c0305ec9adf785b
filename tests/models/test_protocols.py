"""From corpora on disk to figures: real files, a tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

from affectd.models.checkpoint import Checkpoint
from affectd.models.corpora import CorpusError
from affectd.models.evaluation import EvaluationError
from affectd.models.folds import HELD_OUT
from affectd.models.material import gather
from affectd.models.protocols import evaluate_folds, evaluate_held_out
from affectd.models.recipes import Recipe
from affectd.models.subject import Subject, recipe_of, subject_named
from affectd.models.training import BEST, Trainer, train


@pytest.fixture
def quick(tiny_recipe: Recipe) -> Recipe:
    values = tiny_recipe.to_dict()
    values["optimiser"] |= {"epochs": 1, "windows_per_epoch": 8, "batch": 8}
    values["corpora"] = {"ravdess": 1.0, "tess": 1.0, "nemo": 1.0}
    return Recipe.from_dict(values)


def test_material_keeps_test_speakers_out(quick: Recipe, corpora: Path, tmp_path: Path) -> None:
    material = gather(quick, part=HELD_OUT.part, corpora=corpora, cache=tmp_path)
    heard = {one.corpus: one.speakers for one in material.heard}
    assert heard == {"ravdess": ("01", "02"), "tess": ("OAF", "YAF"), "nemo": ("KS0",)}
    assert material.development is None
    assert len(material.noise.kinds) == 21
    assert any(note.startswith("ravdess: 12 clips of the 1440") for note in material.notes)
    with pytest.raises(CorpusError, match="every speaker is held out"):
        gather(quick, part=lambda corpus, speaker: "test", corpora=corpora, cache=tmp_path)


def test_held_out_scores_only_speakers_that_were_not_heard(
    quick: Recipe, corpora: Path, tmp_path: Path
) -> None:
    material = gather(quick, part=HELD_OUT.part, corpora=corpora, cache=tmp_path)
    trainer = Trainer(
        quick, features=material.train, noise=material.noise, seed=0, heard=material.heard
    )
    train(trainer, folder=tmp_path / "run")
    subject = subject_named(str(tmp_path / "run" / BEST))

    def score(corpus: str) -> tuple[tuple[str, ...], bool]:
        result = evaluate_held_out(
            subject, corpus=corpus, corpora=corpora, cache=tmp_path, command=""
        )
        assert result.checkpoint_sha256 == subject.checkpoint_sha256
        return result.speakers, result.heard_corpus

    assert score("ravdess") == (("21",), True)
    assert score("nemo") == (("EB0", "WR0"), True)
    assert score("emodb") == (("03", "08"), False)
    with pytest.raises(EvaluationError, match=r"heard every speaker of tess \(OAF, YAF\)"):
        score("tess")


def test_clips_of_an_emotion_that_the_model_does_not_know_are_left_out(
    quick: Recipe, corpora: Path, tmp_path: Path
) -> None:
    recipe = Recipe.from_dict(quick.to_dict() | {"absent": ["surprised", "sad"]})
    material = gather(recipe, part=HELD_OUT.part, corpora=corpora, cache=tmp_path)
    assert {clip.label for clip in material.train.clips} <= set(recipe.labels)
    trainer = Trainer(
        recipe, features=material.train, noise=material.noise, seed=0, heard=material.heard
    )
    train(trainer, folder=tmp_path / "run")
    result = evaluate_held_out(
        subject_named(str(tmp_path / "run" / BEST)),
        corpus="nemo",
        corpora=corpora,
        cache=tmp_path,
        command="",
    )
    assert not {"surprised", "sad"} & set(result.labels)
    assert result.clips > 0


def test_folds_train_one_model_each_and_find_it_again(
    quick: Recipe, corpora: Path, tmp_path: Path
) -> None:
    def run() -> tuple[float, int]:
        result = evaluate_folds(
            quick,
            corpus="tess",
            corpora=corpora,
            cache=tmp_path / "cache",
            runs=tmp_path / "runs",
            seed=0,
            command="",
        )
        return result.uar, len(result.folds)

    first = run()
    assert first[1] == 2
    checkpoints = sorted((tmp_path / "runs").glob(f"*/{BEST}"))
    assert len(checkpoints) == 2
    heard = [
        {one.corpus: one.speakers for one in Checkpoint.load(path).heard} for path in checkpoints
    ]
    assert [one["tess"] for one in heard] == [("YAF",), ("OAF",)]
    written = [path.stat().st_mtime_ns for path in checkpoints]
    assert run() == first
    assert [path.stat().st_mtime_ns for path in checkpoints] == written


def test_a_corpus_that_is_not_heard_needs_one_model(
    quick: Recipe, corpora: Path, tmp_path: Path
) -> None:
    result = evaluate_folds(
        quick.changed(corpora=["ravdess"]),
        corpus="tess",
        corpora=corpora,
        cache=tmp_path / "cache",
        runs=tmp_path / "runs",
        seed=0,
        command="",
    )
    assert not result.heard_corpus
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_unknown_models_are_guessed_and_recipes_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no model 'crn'"):
        subject_named("crn")
    with pytest.raises(EvaluationError, match="is a recipe; held-out scores a trained model"):
        subject_named("mine.toml")
    with pytest.raises(EvaluationError, match="cannot be read: No such file"):
        subject_named(str(tmp_path / "gone.onnx"))
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(EvaluationError, match="no ONNX file that runs"):
        Subject.of_artefact(tmp_path / "text.onnx")
    assert recipe_of("crnn").name == "crnn"
