from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from affectd.models.checkpoint import Checkpoint, CheckpointError, Heard
from affectd.models.features import FeatureSet
from affectd.models.noise import NoiseBank
from affectd.models.recipes import Recipe
from affectd.models.training import BEST, LATEST, Trainer, best_of, train

HEARD = (Heard(corpus="emodb", licence="CC0 1.0", clips=90, speakers=("0", "1"), resynthesised=3),)


@pytest.fixture
def trainer(tiny_recipe: Recipe, separable_clips: FeatureSet, white_and_pink: NoiseBank) -> Trainer:
    return fresh(tiny_recipe, separable_clips, white_and_pink)


def fresh(recipe: Recipe, features: FeatureSet, noise: NoiseBank, seed: int = 3) -> Trainer:
    return Trainer(recipe, features=features, noise=noise, seed=seed, heard=HEARD)


class Observer:
    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.losses: list[float] = []
        self.figures: list[Mapping[str, float]] = []

    def run_started(self, name: str) -> None: ...

    def epoch_started(self, epoch: int, *, epochs: int, steps: int) -> None:
        assert (epochs, steps) == (4, 12)
        self.epochs.append(epoch)

    def batch_done(self, loss: float) -> None:
        self.losses.append(loss)

    def epoch_done(self, figures: Mapping[str, float]) -> None:
        self.figures.append(figures)


def test_separable_clips_are_learnt(
    tiny_recipe: Recipe, separable_clips: FeatureSet, white_and_pink: NoiseBank, tmp_path: Path
) -> None:
    values = tiny_recipe.to_dict()
    values["options"] |= {"hidden": 16, "dropout": 0.0, "convolution_dropout": 0.0}
    values["augmentation"] |= {"mask_bands": 4, "tilt": 0.0}
    values["optimiser"] |= {"mixup": 0.0}
    trainer = fresh(Recipe.from_dict(values), separable_clips, white_and_pink)
    observer = Observer()
    best = train(trainer, folder=tmp_path, development=separable_clips, observer=observer)
    assert observer.epochs == [1, 2, 3, 4]
    assert len(observer.losses) == 48
    assert np.mean(observer.losses[-6:]) < 0.5 * np.mean(observer.losses[:3])
    assert best.history[-1]["mean"] > 90
    assert best.temperature == observer.figures[best.epoch - 1]["temperature"]
    assert not list(tmp_path.glob(".*"))


def test_an_interrupted_run_ends_with_the_same_weights(
    tiny_recipe: Recipe, separable_clips: FeatureSet, white_and_pink: NoiseBank, tmp_path: Path
) -> None:
    parts = tiny_recipe, separable_clips, white_and_pink
    train(fresh(*parts), folder=tmp_path / "whole")
    train(fresh(*parts), folder=tmp_path / "cut", stop_after=2)
    assert Checkpoint.load(tmp_path / "cut" / LATEST).epoch == 2
    torch.manual_seed(99)  # whatever happened in between
    train(fresh(*parts), folder=tmp_path / "cut")
    whole, cut = (Checkpoint.load(tmp_path / name / LATEST) for name in ("whole", "cut"))
    assert whole.epoch == cut.epoch == 4
    assert whole.history == cut.history
    for name, value in whole.weights.items():
        assert torch.equal(value, cut.weights[name]), name
        assert torch.equal(whole.averaged[name], cut.averaged[name]), name


def test_a_folder_of_another_run_is_refused(
    trainer: Trainer,
    tiny_recipe: Recipe,
    separable_clips: FeatureSet,
    white_and_pink: NoiseBank,
    tmp_path: Path,
) -> None:
    train(trainer, folder=tmp_path, stop_after=1)
    for other, word in (
        (fresh(tiny_recipe, separable_clips, white_and_pink, seed=4), "seed"),
        (fresh(tiny_recipe.changed(epochs=9), separable_clips, white_and_pink), "recipe"),
    ):
        with pytest.raises(CheckpointError, match=f"has another {word}"):
            train(other, folder=tmp_path)


def test_without_development_speakers_the_last_epoch_is_kept(
    trainer: Trainer, tmp_path: Path
) -> None:
    assert train(trainer, folder=tmp_path, stop_after=2).epoch == 2
    assert (tmp_path / BEST).exists()
    assert best_of(({"loss": 1.0}, {"loss": 2.0})) == 1
    assert best_of(({"mean": 60.0}, {"mean": 50.0})) == 0


def test_a_checkpoint_survives_its_file(trainer: Trainer, tmp_path: Path) -> None:
    train(trainer, folder=tmp_path, stop_after=1)
    checkpoint = Checkpoint.load(tmp_path / LATEST)
    assert checkpoint.recipe == trainer.recipe
    assert checkpoint.heard == HEARD
    window = torch.randn(2, 50, 64), torch.tensor([50, 40])
    with torch.inference_mode():
        assert torch.equal(checkpoint.model()(*window)[0], trainer.averaged_model()(*window)[0])
    worse = replace(checkpoint, averaged=checkpoint.averaged | {"stem.norm.bias": torch.zeros(5)})
    with pytest.raises(CheckpointError, match=r"'stem\.norm\.bias' is \(5,\); needed is \(4,\)"):
        worse.model()
