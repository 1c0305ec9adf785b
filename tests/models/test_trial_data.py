"""Whoever a model is tried on has taught neither it nor its encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.models.test_distilling import recipe_of
from tests.models.test_whisper_weights import folder as weights  # a trunk of one block

from affectd.bench.voices import development
from affectd.models.clean_speech import CleanSpeech, clean_speech
from affectd.models.discriminant import fit_discriminant, scatter_within, within_voices
from affectd.models.encoders import teacher_of
from affectd.models.foreign_weights import WeightsError
from affectd.models.labels import LABELS
from affectd.models.probe import empty_network
from affectd.models.probe_data import ProbeData, train_probe
from affectd.models.probe_training import fold_checkpoints, probe_checkpoint
from affectd.models.trial_data import HeldOut, TrialData, encoders_on_trial, gather_trial_data
from affectd.models.trials import hold_trials
from affectd.models.voice_experts import hold_voice_trials
from affectd.models.whisper_trunk import STEPS
from affectd.models.whisper_weights import TINY

__all__ = ["weights"]


@pytest.fixture(scope="module")
def data(corpora: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    cache = tmp_path_factory.mktemp("cache")
    recipe = recipe_of(steps=1, batch=2)
    return gather_trial_data(recipe, corpora=corpora, cache=cache, weights=weights, seed=1)


def test_weights_that_are_missing_are_asked_for_before_a_corpus_is_read(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        gather_trial_data(
            recipe_of(steps=1, batch=2), corpora=tmp_path, cache=tmp_path, weights=tmp_path, seed=1
        )


def test_every_fold_is_tried_with_an_encoder_that_has_not_learnt_from_it() -> None:
    speakers = {"nemo": ("a", "b", "c"), "tess": ("d", "e")}
    folds = [
        {"nemo": ("a",), "tess": ("d",)},
        {"nemo": ("b",), "tess": ("e",)},
        {"nemo": ("c",)},
    ]
    halves, strangers = encoders_on_trial(folds, speakers)
    assert halves == [
        {"nemo": ("a", "c"), "tess": ("d",)},
        {"nemo": ("b",), "tess": ("e",)},
    ]
    assert strangers == {"nemo": {"nemo": ("a", "b", "c")}, "tess": {"tess": ("d", "e")}}
    assert encoders_on_trial(folds[2:], {"nemo": ("c",)}) == ([{"nemo": ("c",)}], {})


def ahead_of(data: ProbeData) -> torch.Tensor:
    weight: torch.Tensor = data.trunk.state_dict()["ahead.weight"]
    return weight


def test_each_encoder_is_another(data: TrialData) -> None:
    first, second = (ahead_of(fold.data) for fold in data.folds[:2])
    assert not torch.equal(first, second)
    assert not torch.equal(first, ahead_of(data.everyone()))
    for name, one in data.strangers.items():
        assert one.without == {name: data.speakers[name]}
        assert not torch.equal(ahead_of(one.data), ahead_of(data.everyone()))


def unwanted() -> ProbeData:
    raise AssertionError("a trial asked for the encoder that has learnt from everybody")


def test_no_trial_touches_the_encoder_that_has_learnt_from_everybody(data: TrialData) -> None:
    trials = hold_trials(replace(data, everyone=unwanted))
    assert all(np.isfinite(one.scores.logits).all() for one in trials.attempts)
    voices = hold_voice_trials(trials)
    assert all(np.isfinite(sheet.scores).all() for sheet in voices.sheets)
    assert all(np.isfinite(each.weights).all() for each in voices.experts)


def test_a_folds_model_has_the_encoder_of_its_fold(data: TrialData) -> None:
    trials = hold_trials(data)
    for fold, checkpoint in zip(data.folds, fold_checkpoints(trials, seed=1), strict=True):
        assert torch.equal(checkpoint.averaged["trunk.ahead.weight"], ahead_of(fold.data))
        with torch.inference_mode():
            logits, *_ = checkpoint.model()(torch.randn(1, 90, 80), torch.tensor([90]))
        assert logits.shape == (1, len(LABELS))
    shipped = probe_checkpoint(data.everyone(), trials, seed=1)
    assert torch.equal(shipped.averaged["trunk.ahead.weight"], ahead_of(data.everyone()))


def test_foreign_corpora_are_heard_by_what_is_shipped_and_teach_nothing(
    data: TrialData, corpora: Path, weights: Path, tmp_path: Path
) -> None:
    names = ("nemo", "tess", "emodb")
    abroad = gather_trial_data(
        data.recipe, corpora=corpora, cache=tmp_path, weights=weights, seed=1, foreign=names
    )
    assert data.foreign is None
    assert abroad.foreign
    held = abroad.foreign()
    strangers = {name: held.data.corpora[name].speakers() for name in ("nemo", "emodb")}
    assert held.without == strangers, "of TESS the recipe has heard"
    assert torch.equal(ahead_of(held.data), ahead_of(data.everyone()))
    plain, trials = hold_trials(data), hold_trials(abroad)
    assert set(trials.unseen) == {"ravdess", "tess"}
    assert trials.confidence() == plain.confidence()
    model = trials.stranger("nemo")
    everyone = train_probe(data.everyone(), confidence=plain.confidence())
    values = held.data.corpora["nemo"].clean.values
    np.testing.assert_allclose(model.probe.logits(values), everyone.logits(values), atol=1e-2)
    with pytest.raises(ValueError, match="no model on trial has left out all of nemo"):
        plain.stranger("nemo")


def test_some_speakers_of_a_fold_find_its_encoder(data: TrialData) -> None:
    for fold in data.folds:
        for name, speakers in fold.without.items():
            assert data.held_out(name, speakers[:1]) is fold.data
    with pytest.raises(ValueError, match="no fold of ravdess tests all of 99"):
        data.held_out("ravdess", ("99",))


def test_the_sums_of_only_a_few_encoders_are_kept(data: TrialData) -> None:
    everybody = [data.everyone(), *(fold.data for fold in data.folds[:2])]
    everybody += [one.data for one in data.strangers.values()]
    assert len({id(one) for one in everybody}) == 5
    for one in everybody:
        one.discriminants({})
    assert [bool(one._sums) for one in everybody] == [False, False, False, True, True]


def test_the_other_corpora_help_as_the_recipe_says(data: TrialData) -> None:
    one = data.everyone()
    settings = {"covariance": 0.3, "kinship": 0.1}
    probe = one.recipe.probe.model_copy(update=settings)
    recipe = one.recipe.model_copy(update={"probe": probe})
    data_of = ProbeData(recipe, one.corpora, one.trunk)
    own, other = (data_of._scatter(name, {}) for name in one.corpora)
    expected = fit_discriminant(
        own.beside([other], covariance=0.3, kinship=0.1),
        shrinkage=probe.shrinkage,
        strangeness=probe.strangeness,
    )
    name = next(iter(one.corpora))
    helped, alone = data_of.discriminants({})[name], data_of.discriminant_alone(name, {})
    np.testing.assert_allclose(helped.weights, expected.weights)
    assert not np.allclose(helped.weights, alone.weights)
    within = data_of.discriminants_within_voices({})[name]
    unhelped = probe.model_copy(update={"covariance": 0.0, "kinship": 0.0})
    before = ProbeData(recipe.model_copy(update={"probe": unhelped}), one.corpora, one.trunk)
    np.testing.assert_allclose(before.discriminants({})[name].weights, alone.weights)
    apart = [
        scatter_within(within_voices(*data_of._heard(each, {})), count=len(heard.speakers()))
        for each, heard in one.corpora.items()
    ]
    expected = fit_discriminant(
        apart[0].beside(apart[1:], covariance=0.3, kinship=0.1), shrinkage=probe.shrinkage
    )
    np.testing.assert_allclose(within.weights, expected.weights)
    with pytest.raises(ValueError, match="every speaker of tess is left out"):
        data_of.discriminant_alone("tess", {"tess": data.speakers["tess"]})


def test_who_is_left_out_of_development_is_left_out_everywhere(data: TrialData) -> None:
    assert data.speakers["tess"] == ("OAF", "YAF")

    def of_tess(whole: ProbeData) -> ProbeData:
        return ProbeData(whole.recipe, {"tess": whole.corpora["tess"]}, whole.trunk)

    made = {id(fold.data): of_tess(fold.data) for fold in data.folds}
    folds = tuple(
        HeldOut({"tess": fold.without["tess"]}, made[id(fold.data)])
        for fold in data.folds
        if "tess" in fold.without
    )
    speakers = {"tess": data.speakers["tess"]}
    every = of_tess(data.everyone())
    some = development(TrialData(data.recipe, speakers, lambda: every, folds, {}))
    (left,) = some.folds
    assert some.speakers == left.data.speakers() == left.without == {"tess": ("YAF",)}
    assert some.everyone().speakers() == some.speakers
    assert torch.equal(ahead_of(left.data), ahead_of(folds[1].data))
    assert not torch.equal(ahead_of(left.data), ahead_of(some.everyone()))


def test_what_the_teacher_says_is_computed_once(
    data: TrialData, weights: Path, tmp_path: Path
) -> None:
    recipe = data.recipe
    assert recipe.distilling
    teacher = teacher_of(recipe.distilling, empty_network(recipe).options, weights=weights)
    told: list[int] = []

    def heard() -> CleanSpeech:
        return clean_speech(
            data.everyone().corpora["tess"].features,
            teacher=teacher,
            stride=2,
            recipe=recipe,
            cache=tmp_path,
            advance=lambda done, of: told.append(done),
        )

    first = heard()
    assert told == [len(first.clips)]
    second = heard()
    assert told == [len(first.clips)]
    assert first.key == second.key
    assert first.said(0).shape[::2] == (2, TINY.width)
    assert first.said(0).shape[1] <= STEPS // 2
    np.testing.assert_array_equal(first.said(1), second.said(1))
    np.testing.assert_array_equal(first.window(1), second.window(1))
