from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from affectd.engine.classifier import Classifier
from affectd.engine.shipped import find_model
from affectd.models.recipes import Recipe, RecipeError, load_recipe, shipped_recipes


def test_the_shipped_recipe_reads_and_survives_json() -> None:
    assert "crnn" in shipped_recipes()
    recipe = load_recipe("crnn")
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert set(recipe.corpora) == {"ravdess", "emodb", "nemo", "crema-d", "tess"}


def test_an_emotion_that_no_corpus_has_is_no_label() -> None:
    recipe = load_recipe("open")
    assert recipe.labels == ("angry", "disgust", "fearful", "happy", "neutral", "sad")
    assert type(recipe).from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize("name", ["fast", "accurate", "crnn", "light", "open"])
def test_shipped_artefacts_hear_windows_cut_as_their_recipes_say(name: str) -> None:
    windowing, metadata = load_recipe(name).windowing, Classifier(find_model(name)).metadata
    assert metadata.margin_seconds == windowing.margin_seconds
    assert metadata.front_end == windowing.front_end
    assert metadata.normalisation == windowing.normalisation


def test_a_file_is_a_recipe_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\narchitecture = "crnn"\ncorpora = { emodb = 1.0 }\n')
    assert load_recipe(str(path)).name == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"corpora": {"emodbb": 1.0}}, r"'corpora'.*no corpus 'emodbb'; did you mean emodb"),
        ({"corpora": {}}, "no corpus to train on"),
        ({"absent": ["bored"]}, "bored is none of angry, "),
        ({"absent": ["angry", "disgust", "fearful", "happy", "neutral", "sad"]}, "at least two"),
        ({"corpora": {"emodb": 0.0}}, "weight of emodb is 0"),
        ({"normalisation": "median"}, r"'normalisation' is 'median'.*'none' or 'whisper'"),
        ({"optimiser": {"epochs": 0}}, r"'optimiser\.epochs' is '0'"),
        ({"optimiser": {"epoch": 3}}, r"'optimiser\.epoch'"),
        ({"front_end": {"bands": 64}}, "front-end field"),
        ({"name": "a b"}, "'name' is 'a b'"),
    ],
)
def test_a_bad_value_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Recipe.from_dict(load_recipe("crnn").to_dict() | change)


def test_a_missing_recipe_and_broken_toml_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no recipe 'crn'; did you mean crnn"):
        load_recipe("crn")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(str(tmp_path / "gone.toml"))
    (tmp_path / "broken.toml").write_text("name = ")
    with pytest.raises(RecipeError, match=r"broken\.toml cannot be read"):
        load_recipe(str(tmp_path / "broken.toml"))


def test_changes_are_checked() -> None:
    recipe = load_recipe("crnn").changed(epochs=3, corpora=["emodb", "tess"])
    assert recipe.optimiser.epochs == 3
    assert recipe.corpora == {"emodb": 1.5, "tess": 0.5}
    with pytest.raises(RecipeError, match="normalisation"):
        recipe.changed(normalisation="loud")
