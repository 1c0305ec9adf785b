"""An encoder learns, without labels, to say of disturbed speech what a deeper one says of clean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.test_whisper_weights import folder as weights  # a trunk of one block

from affectd.models.clean_speech import CleanSpeech
from affectd.models.clips import Clip
from affectd.models.distilling import Lesson, distil, disturbed
from affectd.models.encoders import untaught_encoder
from affectd.models.noise import NoiseBank, coloured_noise
from affectd.models.pooled_whisper import PooledWhisperOptions
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.quantised_trunk import padded
from affectd.models.recipes import RecipeError, load_recipe
from affectd.models.whisper_trunk import FRAMES as PADDED
from affectd.models.whisper_trunk import FeedForward, Trunk
from affectd.models.whisper_weights import TINY, read_trunk

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


def student_of(weights: Path, *, hidden: int) -> Trunk:
    options = PooledWhisperOptions(
        blocks=0, layers=(0, 1), stride=2, ahead=True, ahead_hidden=hidden
    )
    return untaught_encoder(options, weights=weights)


@pytest.fixture(scope="module", params=[0, 256], ids=["linear", "feed-forward"])
def student(request: pytest.FixtureRequest, weights: Path) -> Trunk:
    return student_of(weights, hidden=request.param)


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
        answers.reshape(-1, 2, TINY.width).numpy().astype(np.float16),
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
    told: list[tuple[int, int]] = []
    learnt = distil(
        student,
        {"ravdess": spoken},
        without={"ravdess": ("silent",)},
        recipe=recipe,
        noise=noise,
        cache=tmp_path,
        advance=lambda *each: told.append(each),
    )
    assert told[-1] == (40, 40)
    before, after = (apart(each, spoken, recipe, noise) for each in (student, learnt))
    assert after < 0.7 * before
    again = distil(
        student,
        {"ravdess": spoken},
        without={"ravdess": ("silent",)},
        recipe=recipe,
        noise=noise,
        cache=tmp_path,
        advance=lambda *each: pytest.fail("it is kept"),
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


@pytest.mark.parametrize(("blocks", "asked"), [(1, [0, 1, 1, 2]), (2, [0, 1, 2, 3])])
def test_the_teachers_layers_are_answered_by_the_nearest_of_the_students(
    spoken: CleanSpeech, noise: NoiseBank, blocks: int, asked: list[int]
) -> None:
    recipe = recipe_of(layers=[0.3, 0.5, 1.0, 1.0])
    assert recipe.distilling
    answers = np.repeat(spoken.answers[:, :1], 4, axis=1)
    lesson = Lesson(
        Trunk(blocks, stride=2, ahead=True),
        {"ravdess": replace(spoken, answers=answers)},
        {"ravdess": np.arange(8)},
        recipe,
        recipe.distilling,
        noise,
    )
    said = [torch.full((1, 4, TINY.width), float(layer)) for layer in range(blocks + 2)]
    # What lies between begins as what is said.
    told = lesson.answers(said)
    assert [told[layer].detach().mean().item() for layer in range(4)] == asked


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


def test_an_untaught_encoder_says_ahead_what_it_has_said(student: Trunk) -> None:
    with torch.inference_mode():
        *_, last, ahead = student.layers(torch.randn(2, PADDED, 80))
    torch.testing.assert_close(ahead, last)


def test_an_untaught_encoder_is_the_same_each_time(weights: Path) -> None:
    first, second = (student_of(weights, hidden=16) for _ in range(2))
    assert first.digest() == second.digest()
    assert isinstance(first.ahead, FeedForward)
    assert first.ahead.widen.weight.std() > 0, "hidden units that are alike learn alike"


def test_what_lies_ahead_needs_somebody_who_teaches_it() -> None:
    values = load_recipe("fast").to_dict()
    values["distilling"] = None
    with pytest.raises(RecipeError, match=r"options\.ahead needs distilling"):
        ProbeRecipe.from_dict(values)


def test_without_a_layer_ahead_there_is_a_block_for_each_that_teaches() -> None:
    values = recipe_of(layers=[0.3, 1.0, 1.0]).to_dict()
    values["options"] |= {"blocks": 1, "ahead": False}
    with pytest.raises(RecipeError, match=r"options\.blocks is 1 and distilling\.layers has 2"):
        ProbeRecipe.from_dict(values)


def test_blocks_learn_what_their_like_say(
    weights: Path, spoken: CleanSpeech, noise: NoiseBank, tmp_path: Path
) -> None:
    recipe = recipe_of()
    recipe = recipe.model_copy(update={"options": recipe.options | {"blocks": 1, "ahead": False}})
    student = Trunk(1, stride=2).eval()
    student.load_state_dict(read_trunk(weights, blocks=1))
    learnt = distil(
        student, {"ravdess": spoken}, without={}, recipe=recipe, noise=noise, cache=tmp_path
    )
    before, after = (apart(each, spoken, recipe, noise) for each in (student, learnt))
    assert after < 0.7 * before


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([1.0], "at least 2"),
        ([1.0, 0.0], "ends with 0: nothing would teach the last layer"),
        ([1.0] * 6, "at most 5"),
    ],
)
def test_a_teacher_that_teaches_nothing_is_refused(layers: list[float], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe_of(layers=layers)


def test_other_noise_or_settings_make_another_encoder(
    student: Trunk, spoken: CleanSpeech, noise: NoiseBank, tmp_path: Path
) -> None:
    for recipe, heard in (
        (recipe_of(steps=1), noise),
        (recipe_of(steps=1), NoiseBank(noise.kinds[:1])),
        (recipe_of(steps=1, room=0.5), noise),
    ):
        distil(student, {"ravdess": spoken}, without={}, recipe=recipe, noise=heard, cache=tmp_path)
    assert len([*tmp_path.glob("trunk-*.pt")]) == 3
