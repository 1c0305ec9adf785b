"""Training a paper's system: it learns, goes on after an interruption, and keeps its plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from tests.models.conftest import separable

from affectd.models.checkpoint import Checkpoint, CheckpointError
from affectd.models.division import Division, divide, relabelled
from affectd.models.features import FeatureSet
from affectd.models.forest import LOWEST_SHARE
from affectd.models.system_inputs import Inputs, disturb
from affectd.models.system_network import build_system
from affectd.models.system_training import _Run, fit_system, rate_share, score
from affectd.models.systems import Disturbance, Schedule, System, system_named


def small(**changes: object) -> System:
    """A network that learns the separable clips in a moment."""
    values = system_named("cnn4-elu").to_dict()
    values["front_end"] = {**values["front_end"], "bands": 64}
    values["emotions"] = ["angry", "neutral", "sad"]
    values["options"] = {"steps": 16, "height": 16, "channels": [4], "pools": [4], "dense": [8]}
    values["schedule"] = {"epochs": 6, "batch": 16, "rate": 1e-2}
    values["split"] = {"train": 0.7, "development": 0.15}
    values["augmented"] = False
    for key, value in changes.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) else value
    return System.from_dict(values)


def fitted(system: System, features: FeatureSet, folder: Path, **options: object) -> dict:
    division = divide(features.clips, system.split)
    checkpoint = fit_system(
        system,
        features=features,
        division=division,
        folder=folder,
        seed=3,
        heard=(),
        **options,  # type: ignore[arg-type]  # a number of epochs
    )
    return {"checkpoint": checkpoint, "division": division}


def test_it_learns_and_scores_the_test_part(tmp_path: Path) -> None:
    system, features = small(), separable(90)
    done = fitted(system, features, tmp_path)
    model = done["checkpoint"].model()
    test = done["division"].test
    logits = score(system, model, Inputs(features, system, model), test)
    truth = [system.labels.index(str(features.clips[place].label)) for place in test]
    assert (logits.argmax(1) == truth).mean() > 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": {"plan": "plateau"}},
        {"augmented": True, "disturbance": {"masks": 1, "noise": 0.1, "shift_share": 0.1}},
        {"schedule": {"balance": "over", "distance_weighting": 1.0, "mixed_precision": True}},
    ],
)
def test_an_interrupted_run_ends_with_the_same_weights(
    changes: dict[str, object], tmp_path: Path
) -> None:
    system, features = small(**changes), separable(60)
    whole = fitted(system, features, tmp_path / "whole")["checkpoint"]
    fitted(system, features, tmp_path / "parts", stop_after=2)
    (tmp_path / "parts/best.pt").unlink()
    parts = fitted(system, features, tmp_path / "parts")["checkpoint"]
    assert parts.history == whole.history
    for name, value in whole.averaged.items():
        assert torch.equal(parts.averaged[name], value), name


class Told:
    """An observer that keeps what it is told, and may interrupt an epoch."""

    def __init__(self, *, interrupted_in: int = 0) -> None:
        self.interrupted_in, self.epoch = interrupted_in, 0
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.figures: list[Mapping[str, float]] = []

    def run_started(self, name: str) -> None:
        pass

    def epoch_started(self, epoch: int, *, epochs: int, steps: int) -> None:
        self.epoch = epoch
        self.steps.append(steps)

    def batch_done(self, loss: float) -> None:
        self.losses.append(loss)
        if self.epoch == self.interrupted_in:
            raise KeyboardInterrupt

    def epoch_done(self, figures: Mapping[str, float]) -> None:
        self.figures.append(figures)


def test_a_run_that_is_interrupted_amid_an_epoch_keeps_those_before(tmp_path: Path) -> None:
    system, features = small(), separable(60)
    whole = fitted(system, features, tmp_path / "whole")["checkpoint"]
    with pytest.raises(KeyboardInterrupt):
        fitted(system, features, tmp_path / "parts", observer=Told(interrupted_in=3))
    assert Checkpoint.load(tmp_path / "parts/latest.pt").epoch == 2
    told = Told()
    parts = fitted(system, features, tmp_path / "parts", observer=told)["checkpoint"]
    assert len(told.figures) == 4
    assert parts.history == whole.history
    for name, value in whole.averaged.items():
        assert torch.equal(parts.averaged[name], value), name


def test_a_forest_is_the_one_that_scikit_learns_search_finds(tmp_path: Path) -> None:
    values = system_named("random-forest").to_dict()
    grid = {"trees": [1, 3], "depth": [1, 0], "split": [2], "leaf": [1, 4], "criterion": ["gini"]}
    values["schedule"] |= {"forest_grid": grid}
    system = System.from_dict(values | {"emotions": ["angry", "neutral", "sad"]})
    features, told = separable(60), Told()
    # As wide as the spectrum that a forest's vector is of, and noisy: no candidate is perfect.
    wide = np.repeat(features.frames, 9, axis=1)[:, : system.front_end.columns]
    noise = 20 * np.random.default_rng(0).standard_normal(wide.shape)
    features = replace(features, frames=(wide + noise).astype(np.float16))
    done = fitted(system, features, tmp_path, observer=told)
    model, train = build_system(system), done["division"].train
    vectors = Inputs(features, system, model).kept.numpy()[train]
    truth = [system.labels.index(str(features.clips[place].label)) for place in train]
    search = GridSearchCV(
        RandomForestClassifier(random_state=system.split.seed),
        system.schedule.forest_grid.to_sklearn(),
        cv=StratifiedKFold(5, shuffle=True, random_state=system.split.seed),
    ).fit(vectors, truth)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) > 1
    np.testing.assert_allclose(told.losses, 1 - scores)
    assert told.steps == [len(scores)]
    assert told.figures == list(done["checkpoint"].history)
    assert told.figures == [{"cross-validated-accuracy": 100 * search.best_score_}]
    chosen = done["checkpoint"].recipe.options
    assert chosen["trees"] == search.best_params_["n_estimators"]
    grown = done["checkpoint"].model()
    found = grown.body(torch.from_numpy(vectors))[0].exp()
    np.testing.assert_allclose(
        found, search.predict_proba(vectors).clip(LOWEST_SHARE), rtol=1e-4, atol=1e-6
    )


def test_a_run_of_another_system_in_the_folder_is_refused(tmp_path: Path) -> None:
    features = separable(30)
    fitted(small(), features, tmp_path, stop_after=1)
    with pytest.raises(CheckpointError, match="has another recipe"):
        fitted(small(schedule={"rate": 2e-2}), features, tmp_path)


def test_a_run_that_diverges_says_so(tmp_path: Path) -> None:
    system = small(schedule={"rate": 1e30, "clip_norm": 0.0})
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) in epoch \d: .* has diverged"):
        fitted(system, separable(60), tmp_path)
    assert not (tmp_path / "best.pt").exists()


@pytest.mark.parametrize(("balance", "each"), [("under", 8), ("over", 40)])
def test_classes_are_drawn_alike(balance: str, each: int) -> None:
    features = separable(120)
    system = small(schedule={"balance": balance})
    labels = [str(clip.label) for clip in features.clips]
    few = [place for place, label in enumerate(labels) if label == "sad"][:8]
    others = [place for place, label in enumerate(labels) if label != "sad"]
    nothing = np.zeros(0, np.int64)
    division = Division(np.array(sorted(few + others)), nothing, nothing)
    run = _Run(system, features, division, 1, (), None)
    drawn = Counter(labels[place] for place in run._order(np.random.default_rng(0)))
    assert drawn == {"angry": each, "neutral": each, "sad": each}
    again = Counter(labels[place] for place in run._order(np.random.default_rng(1)))
    assert again == drawn


def test_patience_ends_a_run(tmp_path: Path) -> None:
    system = small(schedule={"epochs": 60, "rate": 1.0, "patience": 2})
    checkpoint = fitted(system, separable(45), tmp_path)["checkpoint"]
    assert checkpoint.epoch < 60


def test_plans_of_the_rate() -> None:
    plateau = Schedule(plan="plateau")
    assert rate_share(plateau, 5, [3, 2, 1, 1, 1]) == 1
    assert rate_share(plateau, 8, [3, 2, 1, 1, 1, 1, 1]) == 0.5
    restarts = Schedule(plan="restarts", epochs=100)
    assert [rate_share(restarts, epoch, []) for epoch in (0, 10, 30)] == [1, 1, 1]
    assert rate_share(restarts, 20, []) == pytest.approx(0.5)
    cosine = Schedule(plan="cosine", epochs=10)
    assert rate_share(cosine, 5, []) == pytest.approx(0.5)


def test_disturbances_leave_most_of_an_image_and_none_where_they_are_off() -> None:
    images = torch.randn(8, 1, 40, 30, generator=torch.Generator().manual_seed(0))
    rng = np.random.default_rng(0)
    assert disturb(images, Disturbance(), rng) is images
    masked = disturb(images, Disturbance(masks=1, mask_share=0.2), rng)
    same = (masked == images).float().mean()
    assert 0.6 < float(same) < 1.0
    shifted = disturb(images, Disturbance(shift_share=0.1), np.random.default_rng(1))
    for row in range(8):
        moved = [
            torch.equal(torch.roll(images[row], shift, 1)[:, 4:-4], shifted[row][:, 4:-4])
            for shift in range(-4, 5)
        ]
        assert sum(moved) == 1


def test_labels_follow_the_system(separable_clips: FeatureSet) -> None:
    calm = replace(
        separable_clips,
        clips=tuple(
            replace(clip, native="calm", sex="female") if clip.label == "neutral" else clip
            for clip in separable_clips.clips
        ),
    )
    merged = relabelled(calm, small())
    assert {clip.label for clip in merged.clips} == {"angry", "neutral", "sad"}
    apart = relabelled(calm, small(emotions=["calm", "neutral", "sad"]))
    assert {clip.label for clip in apart.clips} == {"calm", "sad"}
    sexed = relabelled(calm, small(sex_in_label=True))
    assert {clip.label for clip in sexed.clips} == {"female neutral"}, "who has none is left out"


def test_features_by_speaker_are_those_of_the_average_speaker() -> None:
    features = separable(60)
    values = small().to_dict()
    values |= {
        "architecture": "dense",
        "options": {"dense": [8], "dropout": [0.1]},
        "speaker_normalisation": "speaker",
    }
    system = System.from_dict(values)
    inputs = Inputs(features, system, build_system(system))
    middle = inputs.kept.mean(0)
    raw = Inputs(
        features, System.from_dict(values | {"speaker_normalisation": "none"}), build_system(system)
    ).kept
    assert not np.allclose(raw, inputs.kept, atol=1e-3)
    # So that live, where nobody is known, a network hears about what it was taught with.
    np.testing.assert_allclose(raw.mean(0), middle, atol=0.5 * float(raw.std(0).max()))
    for speaker in {clip.speaker for clip in features.clips}:
        for corpus in ("emodb", "ravdess"):
            own = [
                place
                for place, clip in enumerate(features.clips)
                if (clip.speaker, clip.corpus) == (speaker, corpus)
            ]
            np.testing.assert_allclose(inputs.kept[own].mean(0), middle, rtol=1e-3, atol=1e-3)
