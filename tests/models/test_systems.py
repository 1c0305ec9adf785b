"""The registry of the papers' systems: what each says, and that names are guessed."""

from __future__ import annotations

import pytest

from affectd.models.labels import valence_arousal_of
from affectd.models.recipes import RecipeError
from affectd.models.system_network import build_system
from affectd.models.systems import System, named_recipe, recipe_from, system_named, systems

NAMES = {
    "cnn4-elu", "cnn4-elu-sex", "cnn2-stft", "lstm-stft", "dnn-stft", "random-forest", "mlp",
    "cnn-3", "cnn-4", "cnn-5", "cnn-3-augmented", "cnn-4-augmented", "cnn-5-augmented",
    "cnn-3-pretrained-25", "cnn-3-pretrained-30", "cnn-mlp", "cnn", "lstm", "cnn-lstm",
    "cnn-blstm", "cnn-blstm-attention", "dscnn", "lstm-2x64", "cnn-lstm-attention-4", "cnn1d",
    "cnn-blstm-attention-without-cnn", "cnn-blstm-attention-without-lstm",
    "cnn-blstm-attention-without-dropout", "cnn-blstm-attention-without-l2", "vgg19", "resnet50",
    "mobilenetv3-large", "dnn-253", "dnn-253-relative", "dnn-253-speaker", "crnn", "crnn-4",
    "crnn-4-gated", "cnn-blstm-attention-imbalanced", "cnn-blstm-attention-under-sampled",
    "wav2vec2-base", "wav2vec2-xlsr", "whisper-tiny-blocks-2", "whisper-tiny-blocks-2-tuned",
}  # fmt: skip


def test_every_system_of_the_papers_is_there() -> None:
    assert set(systems()) == NAMES


@pytest.mark.parametrize("name", systems())
def test_every_system_tells_its_source_and_survives_its_dictionary(name: str) -> None:
    system = system_named(name)
    assert system.name == name
    assert system.source
    assert system.chosen, "what the paper leaves open is said"
    assert recipe_from(system.to_dict()) == system
    assert [valence_arousal_of(label) for label in system.labels]
    assert bool(system.needs_weights) == system.pretrained


@pytest.mark.parametrize(("name", "millions"), [("cnn-3", 1.2), ("cnn-4", 1.8), ("cnn-5", 9.5)])
def test_the_image_networks_are_as_large_as_their_paper_says(name: str, millions: float) -> None:
    count = sum(value.numel() for value in build_system(system_named(name)).parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.05)


def test_the_vector_has_253_features() -> None:
    view = build_system(system_named("dnn-253")).view
    assert view.width == 253


def test_sex_doubles_the_labels() -> None:
    system = system_named("cnn4-elu-sex")
    assert len(system.labels) == 14
    assert "male happy" in system.labels


def test_a_name_of_both_is_the_recipes_and_a_prefix_gives_the_papers() -> None:
    assert not isinstance(named_recipe("crnn"), System)
    assert isinstance(named_recipe("papers/crnn"), System)
    assert named_recipe("mlp") == system_named("papers/mlp")


def test_an_unknown_name_lists_the_near_ones() -> None:
    with pytest.raises(RecipeError, match="did you mean cnn4-elu"):
        system_named("cnn4elu")
    with pytest.raises(RecipeError, match="no recipe 'random-forrest'; did you mean random-forest"):
        named_recipe("random-forrest")
    with pytest.raises(RecipeError, match=r"did you mean crnn or papers/crnn or crnn-4\?$"):
        named_recipe("crn")
    with pytest.raises(RecipeError, match=r"did you mean crnn or papers/crnn or"):
        named_recipe("papers/crn")


def test_the_hash_follows_what_decides_a_run_and_not_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system = system_named("mlp")
    assert system.model_copy(update={"chosen": ("anything",)}).digest == system.digest
    assert system.model_copy(update={"further": (("tess",),)}).digest == system.digest
    assert system.with_epochs(3).digest != system.digest
    before = system.digest
    monkeypatch.setattr("affectd.models.systems._REVISIONS", {system.architecture: 2})
    assert system.digest != before


def test_further_corpora_are_runs_of_their_own() -> None:
    system = system_named("lstm")
    (both,) = system.on_further_corpora
    assert set(both.corpora) == {"ravdess", "tess"}
    assert both.digest != system.digest
    assert system_named("dscnn").on_further_corpora == ()


def test_a_bad_value_is_named() -> None:
    values = system_named("mlp").to_dict()
    with pytest.raises(RecipeError, match=r"'schedule\.plan' is 'sometimes'"):
        System.from_dict(values | {"schedule": {"plan": "sometimes"}})
    with pytest.raises(RecipeError, match=r"'split\.kind'.*not permitted"):
        System.from_dict(values | {"split": {"kind": "astrology"}})
