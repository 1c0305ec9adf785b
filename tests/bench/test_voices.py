"""Voices that differ from each other, made by hand: knowing them has to help, and never to harm."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from affectd.bench.voices import ACQUAINTANCES, HeardFold, development, voice_gains
from affectd.kernels.voice_network import VoiceNetwork
from affectd.models.clips import Clip
from affectd.models.features import FeatureSet
from affectd.models.labels import LABELS as SHIPPED
from affectd.models.probe import KINDS, CorpusMaterial, ProbeData, Scores, columns_of
from affectd.models.recipes import load_recipe
from affectd.models.voice_network import Voices, train_voice_network
from affectd.models.window_statistics import WindowStatistics

torch.set_num_threads(1)

LABELS = ("angry", "happy", "neutral", "sad")
PLACES = np.array([KINDS.index(label) for label in LABELS])
SIZE = 8
MOODS = 2.0 * np.random.default_rng(11).standard_normal((len(KINDS), SIZE))


def spoken(
    voices: int, each: int, *, apart: float, seed: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.str_]]:
    rng = np.random.default_rng(seed)
    kinds = rng.choice(PLACES, voices * each)
    names = np.repeat([f"voice {number}" for number in range(voices)], each)
    middles = np.repeat(apart * rng.standard_normal((voices, SIZE)), each, axis=0)
    noise = rng.standard_normal((voices * each, SIZE))
    return (MOODS[kinds] + middles + noise).astype(np.float32), kinds, names


@cache
def network_of(apart: float) -> VoiceNetwork:
    vectors, kinds, names = spoken(30, 60, apart=apart, seed=1)
    return train_voice_network(
        Voices(
            vectors=vectors,
            emotions=kinds,
            voices=names,
            likely=np.full(len(kinds), 1 / len(kinds)),
            neutral=KINDS.index("neutral"),
            count=len(KINDS),
            columns=columns_of(SHIPPED),
        ),
        seed=1,
    )


def clip_of(name: str, speaker: str, emotion: str) -> Clip:
    return Clip(
        corpus="emodb",
        name=name,
        path=Path(),
        speaker=speaker,
        sex=None,
        label=emotion,
        native=emotion,
        licence="",
    )


def fold_of(network: VoiceNetwork, apart: float) -> HeardFold:
    vectors, kinds, names = spoken(12, 80, apart=apart, seed=2)
    clips = tuple(
        clip_of(str(number), str(name), KINDS[kind])
        for number, (kind, name) in enumerate(zip(kinds, names, strict=True))
    )
    # The best that can be done by somebody who knows no voice.
    distance = np.square(vectors[:, None] - MOODS).sum(axis=2)
    logits = -0.5 * distance / (1 + apart**2)
    logits[:, np.setdiff1d(np.arange(len(KINDS)), PLACES)] = -50
    truth = np.searchsorted(PLACES, kinds) if (np.diff(PLACES) > 0).all() else kinds
    return HeardFold(Scores(logits, truth, clips), vectors, network)


def test_knowing_a_voice_gains_where_voices_differ() -> None:
    gains = voice_gains([fold_of(network_of(2.0), 2.0)], LABELS, seed=1)
    assert set(gains) == {how.name for how in ACQUAINTANCES}
    assert gains["20 at random"]["gain"] > 3
    assert gains["20 at random"]["gain"] >= gains["5 at random"]["gain"] - 1
    assert min(each["gain"] for each in gains.values()) > 0


def test_knowing_a_voice_harms_nobody_where_all_are_alike() -> None:
    gains = voice_gains([fold_of(network_of(0.0), 0.0)], LABELS, seed=1)
    assert min(each["gain"] for each in gains.values()) > -1


def test_a_voice_that_nobody_knows_changes_nothing() -> None:
    network = network_of(1.0)
    vectors, _, _ = spoken(2, 4, apart=1.0, seed=3)
    np.testing.assert_array_equal(network.change(vectors, network.middle()), 0)


def test_the_same_seed_trains_the_same_network() -> None:
    first, again = network_of(1.0), network_of.__wrapped__(1.0)
    for one, other in zip(first.members, again.members, strict=True):
        np.testing.assert_array_equal(one.widen, other.widen)
    assert first.digest == again.digest


def test_voices_with_too_little_to_say_are_left_out() -> None:
    fold = fold_of(network_of(0.0), 0.0)
    few = Scores(fold.scores.logits[:6], fold.scores.truth[:6], fold.scores.clips[:6])
    gains = voice_gains([HeardFold(few, fold.vectors[:6], fold.network)], LABELS, seed=1)
    assert "20 at random" not in gains


def test_a_change_that_weighs_nothing_gains_nothing() -> None:
    fold = fold_of(network_of(1.0), 1.0)
    gains = voice_gains([fold], LABELS, seed=1, weight=0)
    assert all(each["gain"] == 0 for each in gains.values())


def test_an_enrolled_voice_has_a_weight_of_its_own() -> None:
    fold = fold_of(network_of(1.0), 1.0)
    silent = replace(fold, network=replace(fold.network, weight=0.0, told_weight=1.0))
    gains = voice_gains([silent], LABELS, seed=1)
    assert [name for name, each in gains.items() if each["gain"]] == ["3 neutral, enrolled"]


def test_what_is_chosen_is_chosen_without_whom_the_first_fold_tests() -> None:
    names = ("03", "08", "03", "09", "08")
    clips = tuple(clip_of(str(number), name, "sad") for number, name in enumerate(names))
    places = np.arange(5)
    features = FeatureSet(clips, np.zeros((0, 1), np.float16), places, places, places[:, None])
    owners = np.array([0, 0, 1, 2, 3, 3, 4])
    clean = WindowStatistics(np.arange(14, dtype=np.float32).reshape(7, 2), owners)
    drawn = WindowStatistics(np.arange(5, dtype=np.float32)[:, None], places)
    whole = ProbeData(load_recipe("fast"), {"emodb": CorpusMaterial(features, clean, (drawn,))})  # type: ignore[arg-type]
    some = development(whole).corpora["emodb"]
    assert some.speakers() == ("08", "09")
    assert [clip.name for clip in some.features.clips] == ["1", "3", "4"]
    assert some.clean.owners.tolist() == [0, 1, 1, 2]
    assert some.clean.values.tolist() == clean.values[[2, 4, 5, 6]].tolist()
    assert some.drawn[0].values.tolist() == [[1], [3], [4]]
    assert some.features.starts.tolist() == [1, 3, 4]
