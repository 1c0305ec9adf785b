"""A pupil learns from its teacher, who knows nobody whom the pupil is judged on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from affectd.models.checkpoint import Heard
from affectd.models.corpora import corpus_named
from affectd.models.features import FeatureSet
from affectd.models.folds import HELD_OUT
from affectd.models.labels import label_index
from affectd.models.noise import NoiseBank
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.protocols import evaluate_folds
from affectd.models.recipes import Recipe, RecipeError, load_recipe
from affectd.models.scoring import confusion, score_utterances, torch_scorer
from affectd.models.subject import shipped_models, subject_named
from affectd.models.systems import System, system_named
from affectd.models.teacher import Teacher, teacher_of
from affectd.models.training import Trainer, train

torch.set_num_threads(1)

HEARD = (Heard(corpus="emodb", licence="CC0 1.0", clips=90, speakers=("0", "1")),)


def fresh(recipe: Recipe, features: FeatureSet, noise: NoiseBank, seed: int = 3) -> Trainer:
    return Trainer(recipe, features=features, noise=noise, seed=seed, heard=HEARD)


def taught_by(recipe: Recipe, model: Path | str, **changes: object) -> Recipe:
    values = recipe.to_dict() | {"teacher": {"model": str(model), "share": 1.0}}
    return Recipe.from_dict(values | changes)


def test_a_pupil_learns_what_its_teacher_says_and_not_the_labels(
    tiny_recipe: Recipe, separable_clips: FeatureSet, white_and_pink: NoiseBank, tmp_path: Path
) -> None:
    teacher = fresh(tiny_recipe, separable_clips, white_and_pink, seed=5)
    spoken = sorted({str(clip.label) for clip in separable_clips.clips})
    with torch.no_grad():
        # Whatever it hears, it is sure of one and the same label.
        teacher.averaged["classify.1.weight"].zero_()
        teacher.averaged["classify.1.bias"].zero_()[label_index(spoken[0], teacher.labels)] = 9.0
    file = tmp_path / "teacher.pt"
    teacher.checkpoint().save(file)
    pupil = fresh(taught_by(tiny_recipe, file), separable_clips, white_and_pink)
    train(pupil, folder=tmp_path / "pupil")
    scorer = torch_scorer(pupil.averaged_model())
    logits = score_utterances(scorer, separable_clips, tiny_recipe.windowing)
    recalls = confusion(logits, separable_clips, pupil.labels).recalls
    assert recalls[spoken[0]] == 1
    assert not any(recalls[label] for label in spoken[1:])


def test_the_teacher_speaks_with_its_own_calibration_and_counts_its_share(
    tiny_recipe: Recipe, separable_clips: FeatureSet, white_and_pink: NoiseBank, tmp_path: Path
) -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 4.0]])
    teacher = Teacher(lambda logmel, frames: logits.numpy(), temperature=2.0, share=0.25)
    said = teacher.posterior(torch.zeros(2, 5, 8), torch.tensor([5, 4]))
    assert torch.allclose(said, torch.softmax(logits / 2, dim=1))
    # A batch's loss lies between that of the labels and that of the teacher.
    values = taught_by(tiny_recipe, tmp_path / "teacher.pt").to_dict()
    values["teacher"]["share"] = 0.25
    values["optimiser"] |= {"mixup": 0.0, "label_smoothing": 0.0}
    values["options"] |= {"dropout": 0.0, "convolution_dropout": 0.0}
    fresh(tiny_recipe, separable_clips, white_and_pink, seed=5).checkpoint().save(
        tmp_path / "teacher.pt"
    )
    pupil = fresh(Recipe.from_dict(values), separable_clips, white_and_pink)
    assert pupil.teacher is not None
    from affectd.models.windows import training_batches

    rng = np.random.default_rng(0)
    batch = next(
        training_batches(
            separable_clips,
            recipe=pupil.recipe,
            labels=pupil.labels,
            noise=white_and_pink,
            rng=rng,
        )
    )
    logmel, frames = torch.from_numpy(batch.logmel), torch.from_numpy(batch.frames)
    pupil.model.train()
    with torch.no_grad():
        state = {name: value.clone() for name, value in pupil.model.state_dict().items()}
        own = pupil.model(logmel, frames)[0]
        pupil.model.load_state_dict(state)
        told = one_hot(torch.from_numpy(batch.targets), len(pupil.labels)).float()
        labels = float(cross_entropy(own, told))
        taught = float(cross_entropy(own, pupil.teacher.posterior(logmel, frames)))
    assert pupil._learn(batch, rng) == pytest.approx(0.75 * labels + 0.25 * taught, abs=1e-4)


def test_a_teacher_who_knows_others_or_hears_otherwise_is_refused(
    tiny_recipe: Recipe, separable_clips: FeatureSet, white_and_pink: NoiseBank, tmp_path: Path
) -> None:
    file = tmp_path / "teacher.pt"
    known = fresh(tiny_recipe, separable_clips, white_and_pink).checkpoint()
    recipe = taught_by(tiny_recipe, file)
    replace(known, heard=(replace(HEARD[0], speakers=("0", "1", "2")),)).save(file)
    with pytest.raises(RecipeError, match="has heard 2 of emodb, whom this run does not hear"):
        teacher_of(recipe, HEARD)
    replace(known, heard=()).save(file)
    with pytest.raises(RecipeError, match="does not say whom it has heard"):
        teacher_of(recipe, HEARD)
    known.save(file)
    assert teacher_of(recipe, HEARD) is not None
    assert teacher_of(taught_by(tiny_recipe, file, hop_seconds=0.5), HEARD) is not None
    with pytest.raises(RecipeError, match="takes other windows than"):
        teacher_of(taught_by(tiny_recipe, file, window_seconds=1.5), HEARD)
    with pytest.raises(RecipeError, match=r"tells angry, disgust.* apart"):
        teacher_of(taught_by(tiny_recipe, file, absent=["sad"]), HEARD)
    with pytest.raises(RecipeError, match=r"recipe key 'teacher.model': no model"):
        teacher_of(taught_by(tiny_recipe, "nobody"), HEARD)


def test_the_light_recipes_teacher_is_shipped_and_knows_no_test_speaker() -> None:
    recipe = load_recipe("light")
    assert recipe.teacher is not None
    assert recipe.teacher.model in shipped_models()
    subject = subject_named(recipe.teacher.model)
    heard = tuple(
        Heard(
            corpus=name, licence=corpus_named(name).licence, clips=1, speakers=tuple(sorted(voices))
        )
        for name, voices in subject.heard.items()
    )
    for name, voices in subject.heard.items():
        assert not voices & set(HELD_OUT.test.get(name, ()))
    assert teacher_of(recipe, heard) is not None


def test_folds_are_refused_before_anything_is_extracted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="light has a teacher"):
        evaluate_folds(
            load_recipe("light"),
            corpus="ravdess",
            corpora=tmp_path / "nowhere",
            cache=tmp_path,
            runs=tmp_path,
            seed=1,
            command="",
        )


def test_what_would_not_listen_to_a_teacher_has_none() -> None:
    for recipe in (load_recipe("fast"), system_named("cnn-3")):
        assert isinstance(recipe, ProbeRecipe | System)
        with pytest.raises(RecipeError, match="recipe key 'teacher'"):
            type(recipe).from_dict(recipe.to_dict() | {"teacher": {"model": "crnn"}})


def test_a_recipe_without_a_teacher_says_nothing_of_one(tiny_recipe: Recipe) -> None:
    # Runs are named by a hash of what a recipe says.
    assert "teacher" not in tiny_recipe.to_dict()
    taught = taught_by(tiny_recipe, "crnn")
    assert Recipe.from_dict(taught.to_dict()) == taught
    assert taught.changed(epochs=2).teacher == taught.teacher
