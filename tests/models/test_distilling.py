"""An encoder learns, without labels, to say of disturbed speech what a deeper one says of clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.test_whisper_trunk import folder as weights  # a trunk of one block

from affectd.models.clean_speech import CleanSpeech, clean_speech
from affectd.models.clips import Clip
from affectd.models.distilling import distil, disturbed
from affectd.models.labels import LABELS
from affectd.models.noise import NoiseBank, coloured_noise
from affectd.models.probe import ProbeData, encoders_on_trial, gather_probe_data
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.probe_training import fold_checkpoints
from affectd.models.quantised_trunk import padded
from affectd.models.recipes import RecipeError, load_recipe
from affectd.models.trials import hold_trials
from affectd.models.whisper_trunk import STEPS, WIDTH, Trunk, read_trunk

__all__ = ["weights"]

FRAMES = 120


def recipe_of(**settings: Any) -> ProbeRecipe:
    values = load_recipe("fast").to_dict()
    values["corpora"] = {"ravdess": 1.0, "tess": 0.5}
    values["options"] = {
        "blocks": 0,
        "layers": [0, 1],
        "ahead": True,
        "stride": 2,
        "corpora": 2,
    }
    values["probe"]["drawn"] = 1
    values["noise"] = False
    values["distilling"] = {"layers": [0.3, 1.0], "steps": 40, "batch": 4, "windows": 1, **settings}
    made = ProbeRecipe.from_dict(values)
    assert isinstance(made, ProbeRecipe)
    return made


@pytest.fixture(scope="module")
def noise() -> NoiseBank:
    return NoiseBank(coloured_noise(recipe_of().front_end, seconds=4, seed=0))


@pytest.fixture(scope="module")
def student(weights: Path) -> Trunk:
    trunk = Trunk(0, stride=2, ahead=True)
    state = read_trunk(weights, blocks=0)
    ahead = {"ahead.weight": torch.eye(WIDTH), "ahead.bias": torch.zeros(WIDTH)}
    trunk.load_state_dict(state | ahead)
    return trunk.eval()


@pytest.fixture(scope="module")
def spoken(weights: Path) -> CleanSpeech:
    """Windows of two speakers, and what a teacher of one block says of them."""
    teacher = Trunk(1).eval()
    teacher.load_state_dict(read_trunk(weights, blocks=1))
    rng = np.random.default_rng(0)
    windows = rng.normal(-40, 10, (8, FRAMES, 80)).astype(np.float16)
    normalise = recipe_of().windowing.normalise
    inputs = np.stack([padded(normalise(window.astype(np.float32))) for window in windows])
    with torch.inference_mode():
        said = teacher.layers(torch.from_numpy(inputs))
    answers = torch.stack([layer[:, 1::2] for layer in said], dim=2)[:, -FRAMES // 4 :]
    return CleanSpeech(
        "key",
        tuple(clip_of("heard" if place < 4 else "silent") for place in range(8)),
        windows.reshape(-1, 80),
        np.arange(9) * FRAMES,
        answers.reshape(-1, 2, WIDTH).numpy().astype(np.float16),
        np.arange(9) * (FRAMES // 4),
    )


def clip_of(speaker: str) -> Clip:
    return Clip(
        corpus="ravdess",
        name="n",
        path=Path("p"),
        speaker=speaker,
        sex=None,
        label="sad",
        native="sad",
        licence="l",
    )


def apart(trunk: Trunk, spoken: CleanSpeech, recipe: ProbeRecipe, noise: NoiseBank) -> float:
    """Return how far a student's answers to disturbed windows lie from the teacher's."""
    rng = np.random.default_rng(3)
    errors: list[float] = []
    for place in range(4):
        window = disturbed(spoken.window(place), recipe=recipe, noise=noise, rng=rng)
        with torch.inference_mode():
            said = trunk(torch.from_numpy(padded(recipe.windowing.normalise(window)))[None])
        wanted = spoken.said(place)[-1]
        errors.append(float(np.square(said[0, -len(wanted) :].numpy() - wanted).mean()))
    return float(np.mean(errors))


def test_a_student_comes_nearer_to_its_teacher(
    student: Trunk, spoken: CleanSpeech, noise: NoiseBank, tmp_path: Path
) -> None:
    recipe = recipe_of()
    told: list[tuple[str, int, int]] = []
    learnt = distil(
        student,
        {"ravdess": spoken},
        without={"ravdess": ("silent",)},
        recipe=recipe,
        noise=noise,
        cache=tmp_path,
        progress=lambda *each: told.append(each),
    )
    assert told[-1] == ("the encoder, without 1 of ravdess", 40, 40)
    before, after = (apart(each, spoken, recipe, noise) for each in (student, learnt))
    assert after < 0.7 * before
    again = distil(
        student,
        {"ravdess": spoken},
        without={"ravdess": ("silent",)},
        recipe=recipe,
        noise=noise,
        cache=tmp_path,
        progress=lambda *each: pytest.fail("it is kept"),
    )
    for name, value in learnt.state_dict().items():
        torch.testing.assert_close(value, again.state_dict()[name])


def test_nobody_who_is_left_out_teaches_anything(
    student: Trunk, spoken: CleanSpeech, noise: NoiseBank, tmp_path: Path
) -> None:
    recipe = recipe_of(steps=2)
    other = CleanSpeech(
        "another key",
        spoken.clips,
        np.where(np.arange(8 * FRAMES)[:, None] < 4 * FRAMES, spoken.logmel, 0).astype(np.float16),
        spoken.frames,
        np.where(
            np.arange(len(spoken.answers))[:, None, None] < len(spoken.answers) // 2,
            spoken.answers,
            np.float16(np.nan),
        ),
        spoken.steps,
    )
    first, second = (
        distil(
            student,
            {"ravdess": each},
            without={"ravdess": ("silent",)},
            recipe=recipe,
            noise=noise,
            cache=tmp_path,
        )
        for each in (spoken, other)
    )
    for name, value in first.state_dict().items():
        torch.testing.assert_close(value, second.state_dict()[name])


def test_with_everybody_left_out_there_is_nobody_to_learn_from(
    student: Trunk, spoken: CleanSpeech, noise: NoiseBank, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="nobody to learn from"):
        distil(
            student,
            {"ravdess": spoken},
            without={"ravdess": ("heard", "silent")},
            recipe=recipe_of(),
            noise=noise,
            cache=tmp_path,
        )


@pytest.mark.parametrize("only", ["room", "noise", "line"])
def test_each_disturbance_can_be_had_alone(only: str, noise: NoiseBank) -> None:
    recipe = recipe_of(**{"room": 0, "noise": 0, "line": 0, only: 1})
    augmentation = recipe.augmentation.model_copy(update={"tilt": 0.0})
    recipe = recipe.model_copy(update={"augmentation": augmentation})
    window = np.random.default_rng(0).normal(-40, 10, (FRAMES, 80)).astype(np.float32)
    one = disturbed(window, recipe=recipe, noise=noise, rng=np.random.default_rng(1))
    assert one.shape == window.shape
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    louder = one - window
    assert louder.max() <= 0 if only == "line" else louder.min() >= -1e-3
    assert np.abs(louder).max() > 1


def test_every_fold_is_tried_with_an_encoder_that_has_not_learnt_from_it() -> None:
    speakers = {"nemo": ("a", "b", "c"), "tess": ("d", "e")}
    folds = [
        {"nemo": ("a",), "tess": ("d",)},
        {"nemo": ("b",), "tess": ("e",)},
        {"nemo": ("c",)},
    ]
    assert encoders_on_trial(folds, speakers) == [
        {"nemo": ("a", "c"), "tess": ("d",)},
        {"nemo": ("b",), "tess": ("e",)},
        {"nemo": ("a", "b", "c")},
        {"tess": ("d", "e")},
    ]


@pytest.fixture(scope="module")
def data(corpora: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> ProbeData:
    cache = tmp_path_factory.mktemp("cache")
    recipe = recipe_of(steps=1, batch=2)
    return gather_probe_data(recipe, corpora=corpora, cache=cache, weights=weights, seed=1)


def test_nobody_is_tried_with_an_encoder_that_has_learnt_from_them(data: ProbeData) -> None:
    for fold in data.folds:
        heard = data.unlearnt(fold)
        assert all(set(who) <= set(heard.unheard[name]) for name, who in fold.items())
        assert heard is not data
    for name, one in data.corpora.items():
        assert data.unlearnt({name: one.speakers()}).unheard == {name: one.speakers()}
    assert data.unlearnt({}) is data
    with pytest.raises(ValueError, match="every encoder has learnt"):
        data.unlearnt({name: one.speakers() for name, one in data.corpora.items()})
    first, second = (data.unlearnt(fold).trunk.state_dict() for fold in data.folds[:2])
    assert not torch.equal(first["ahead.weight"], second["ahead.weight"])


def test_a_folds_model_has_the_encoder_of_its_fold(data: ProbeData) -> None:
    trials = hold_trials(data)
    for (without, _), checkpoint in zip(
        trials.folds, fold_checkpoints(data, trials, seed=1), strict=True
    ):
        own = data.unlearnt(without).trunk.state_dict()["ahead.weight"]
        assert torch.equal(checkpoint.averaged["trunk.ahead.weight"], own)
        with torch.inference_mode():
            logits, *_ = checkpoint.model()(torch.randn(1, 90, 80), torch.tensor([90]))
        assert logits.shape == (1, len(LABELS))


def test_what_the_teacher_says_is_computed_once(
    data: ProbeData, weights: Path, tmp_path: Path
) -> None:
    teacher = Trunk(1).eval()
    teacher.load_state_dict(read_trunk(weights, blocks=1))
    told: list[int] = []

    def heard() -> CleanSpeech:
        return clean_speech(
            data.corpora["tess"].features,
            teacher=teacher,
            stride=2,
            recipe=data.recipe,
            cache=tmp_path,
            advance=lambda done, of: told.append(done),
        )

    first = heard()
    assert told == [len(first.clips)]
    second = heard()
    assert told == [len(first.clips)]
    assert first.key == second.key
    assert first.said(0).shape[::2] == (2, WIDTH)
    assert first.said(0).shape[1] <= STEPS // 2
    np.testing.assert_array_equal(first.said(1), second.said(1))


def test_what_lies_ahead_needs_somebody_who_teaches_it() -> None:
    values = load_recipe("fast").to_dict()
    values["distilling"] = None
    with pytest.raises(RecipeError, match=r"distilling and options\.ahead go together"):
        ProbeRecipe.from_dict(values)
