"""Voices that differ from each other, made by hand: knowing them has to help, and never to harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.bench.voices import ACQUAINTANCES, HeardFold, development, over_seeds, voice_gains
from affectd.kernels.voice_experts import VoiceExperts
from affectd.models.clips import Clip
from affectd.models.features import FeatureSet
from affectd.models.labels import LABELS as SHIPPED
from affectd.models.probe import KINDS, columns_of
from affectd.models.probe_data import CorpusMaterial, ProbeData, Scores
from affectd.models.recipes import load_recipe
from affectd.models.trial_data import TrialData
from affectd.models.window_statistics import WindowStatistics

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


def experts_of(prior_utterances: float = 5.0) -> VoiceExperts:
    """Return a single expert who knows what the moods are, and no voice."""
    return VoiceExperts(
        offsets=(MOODS[: len(SHIPPED)] - MOODS[PLACES].mean(axis=0)) @ MOODS.T,
        constants=-0.5 * np.square(MOODS).sum(axis=1)[None] + MOODS[PLACES].mean(axis=0) @ MOODS.T,
        columns=columns_of(SHIPPED),
        prior_utterances=prior_utterances,
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


def fold_of(apart: float, *, prior_utterances: float = 5.0) -> HeardFold:
    vectors, kinds, names = spoken(12, 80, apart=apart, seed=2)
    clips = tuple(
        clip_of(str(number), str(name), KINDS[kind])
        for number, (kind, name) in enumerate(zip(kinds, names, strict=True))
    )
    # The best that can be done by somebody who knows no voice.
    distance = np.square(vectors[:, None] - MOODS).sum(axis=2)
    logits = -0.5 * distance / (1 + apart**2)
    logits[:, np.setdiff1d(np.arange(len(KINDS)), PLACES)] = -50
    truth = np.searchsorted(PLACES, kinds)
    said = np.concatenate([vectors @ MOODS.T, np.ones((len(vectors), 1))], axis=1)
    return HeardFold(Scores(logits, truth, clips), said, experts_of(prior_utterances), SHIPPED)


def test_knowing_a_voice_gains_where_voices_differ() -> None:
    gains = voice_gains([fold_of(2.0)], LABELS, seed=1)
    assert set(gains) == {how.name for how in ACQUAINTANCES}
    assert gains["20 at random"]["gain"] > 3
    assert gains["20 at random"]["gain"] >= gains["5 at random"]["gain"] - 1
    assert min(each["gain"] for each in gains.values()) > 0


def test_knowing_a_voice_harms_nobody_where_all_are_alike() -> None:
    gains = voice_gains([fold_of(0.0)], LABELS, seed=1)
    assert min(each["gain"] for each in gains.values()) > -1


def test_voices_with_too_little_to_say_are_left_out() -> None:
    fold = fold_of(0.0)
    few = Scores(fold.scores.logits[:6], fold.scores.truth[:6], fold.scores.clips[:6])
    gains = voice_gains([HeardFold(few, fold.vectors[:6], fold.experts, SHIPPED)], LABELS, seed=1)
    assert "20 at random" not in gains


def test_knowledge_that_weighs_nothing_gains_nothing() -> None:
    gains = voice_gains([fold_of(1.0, prior_utterances=1e12)], LABELS, seed=1)
    assert all(each["gain"] == 0 for each in gains.values())


def test_seeds_are_told_by_their_mean_and_the_gains_deviation() -> None:
    def run(seed: int, gain: float) -> dict[str, Any]:
        cell = {"without": 60.0, "with": 60.0 + gain, "gain": gain}
        return {"seed": seed, "protocols": {"tess-7": {"5 at random": cell}}}

    told = over_seeds([run(1, -1.5), run(2, 0.5), run(3, -0.5)])
    assert told["seeds"] == [1, 2, 3]
    assert told["protocols"]["tess-7"]["5 at random"] == {
        "without": 60.0,
        "with": 59.5,
        "gain": -0.5,
        "deviation": 1.0,
    }
    assert told["least_gain"] == -0.5
    assert told["harms_nobody"]
    assert len(told["runs"]) == 3
    alone = over_seeds([run(1, -1.5)])
    assert not alone["harms_nobody"]
    assert alone["protocols"]["tess-7"]["5 at random"]["deviation"] is None


def test_what_is_chosen_is_chosen_without_whom_the_first_fold_tests() -> None:
    names = ("03", "08", "03", "09", "08")
    clips = tuple(clip_of(str(number), name, "sad") for number, name in enumerate(names))
    places = np.arange(5)
    features = FeatureSet(clips, np.zeros((0, 1), np.float16), places, places, places[:, None])
    owners = np.array([0, 0, 1, 2, 3, 3, 4])
    clean = WindowStatistics(np.arange(14, dtype=np.float32).reshape(7, 2), owners)
    drawn = WindowStatistics(np.arange(5, dtype=np.float32)[:, None], places)
    whole = ProbeData(
        load_recipe("fast"), {"emodb": CorpusMaterial(features, clean, (drawn,))}, None
    )  # type: ignore[arg-type]
    some = development(TrialData.untaught(whole)).everyone().corpora["emodb"]
    assert some.speakers() == ("08", "09")
    assert [clip.name for clip in some.features.clips] == ["1", "3", "4"]
    assert some.clean.owners.tolist() == [0, 1, 1, 2]
    assert some.clean.values.tolist() == clean.values[[2, 4, 5, 6]].tolist()
    assert some.drawn[0].values.tolist() == [[1], [3], [4]]
    assert some.features.starts.tolist() == [1, 3, 4]
