"""What it gains to know a voice: its own middle taken from its vectors, beside the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.bench.accuracy import PROTOCOLS, Protocol
from affectd.kernels.voice_experts import VoiceExperts
from affectd.models.calibration import softmax
from affectd.models.experts import Experts
from affectd.models.folds import folds as published_folds
from affectd.models.metrics import Confusion
from affectd.models.probe import columns_of, kinds_of, merged
from affectd.models.probe_data import CorpusMaterial, ProbeData, Scores, emotion_of
from affectd.models.trial_data import HeldOut, TrialData
from affectd.models.trials import Held, hold_trials
from affectd.models.voice_experts import PRIOR_UTTERANCES, hold_voice_trials, vectors_of
from affectd.models.window_statistics import WindowStatistics

__all__ = [
    "ACQUAINTANCES",
    "HARM",
    "Acquaintance",
    "HeardFold",
    "development",
    "measure_voices",
    "over_seeds",
    "voice_gains",
]

Figures = dict[str, Any]

HARM = -1.0
"""No corpus may lose more points of UAR than this under any acquaintance."""
_DRAWS = 3


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """How a voice was got to know before it is scored."""

    name: str
    utterances: int
    neutral: float | None = None
    """Share of neutral utterances; as they come where it is not said."""
    told: bool = False
    """Whether it is told that they are neutral, as in an enrolment."""
    one_emotion: bool = False
    """Whether they are all of one emotion, any."""


ACQUAINTANCES: tuple[Acquaintance, ...] = (
    Acquaintance("5 at random", 5),
    Acquaintance("10 at random", 10),
    Acquaintance("20 at random", 20),
    Acquaintance("20, of which 80 % neutral", 20, neutral=0.8),
    Acquaintance("3 neutral, enrolled", 3, neutral=1.0, told=True),
    Acquaintance("up to 20 of one emotion", 20, one_emotion=True),
)


@dataclass(frozen=True, slots=True)
class HeardFold:
    """The test speakers of one fold as its model hears them."""

    scores: Scores
    """Logits of all of `KINDS`, and the truth among the protocol's labels."""
    vectors: npt.NDArray[np.float64]
    """The mean over each clip's windows, ``(clips, d)``."""
    experts: VoiceExperts
    labels: tuple[str, ...]
    """Of the model."""


def development(data: TrialData) -> TrialData:
    """Return the data without anybody whom the first fold of a corpus tests.

    What is chosen is chosen on them. An encoder that is taught may have heard the others all the
    same, without their labels.
    """
    tested = {name: published_folds(name, who)[0].test for name, who in data.speakers.items()}
    made: dict[int, ProbeData] = {}

    def untested(one: HeldOut) -> HeldOut:
        if id(one.data) not in made:
            made[id(one.data)] = _without(one.data, tested)
        left = {name: _but(who, tested[name]) for name, who in one.without.items()}
        return HeldOut({name: who for name, who in left.items() if who}, made[id(one.data)])

    folds = [untested(fold) for fold in data.folds]
    return TrialData(
        data.recipe,
        {name: _but(who, tested[name]) for name, who in data.speakers.items()},
        lambda: untested(HeldOut({}, data.everyone())).data,
        tuple(fold for fold in folds if fold.without),
        {name: untested(one) for name, one in data.strangers.items()},
    )


def _without(data: ProbeData, left_out: Mapping[str, Iterable[str]]) -> ProbeData:
    kept: dict[str, CorpusMaterial] = {}
    for name, one in data.corpora.items():
        features, silent = one.features, set(left_out[name])
        there = np.array([clip.speaker not in silent for clip in features.clips])
        kept[name] = CorpusMaterial(
            replace(
                features,
                clips=tuple(features.clips[place] for place in np.flatnonzero(there)),
                starts=features.starts[there],
                lengths=features.lengths[there],
                speech=features.speech[there],
            ),
            _chosen(one.clean, there),
            tuple(_chosen(view, there) for view in one.drawn),
        )
    return ProbeData(data.recipe, kept, data.trunk)


def _but(speakers: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    left_out = set(others)
    return tuple(one for one in speakers if one not in left_out)


def measure_voices(data: TrialData, *, seed: int, say: Callable[[str], None]) -> Figures:
    """Train every shared fold with its experts for voices, and get to know each test speaker.

    Args:
        data: What is learnt from.
        seed: Decides the draws.
        say: Told a line for each model.

    Raises:
        ValueError: no corpus of the recipe has published folds.
    """
    if not any(not each.unseen and each.corpus in data.speakers for each in PROTOCOLS):
        raise ValueError(f"recipe {data.recipe.name} has no corpus with published folds")
    folds: dict[str, list[HeardFold]] = {}
    trials = hold_trials(data)
    say(f"{len(trials.folds)} models of folds and {len(trials.unseen)} others are made")
    voices = hold_voice_trials(trials)
    for place, experts in enumerate(voices.experts):
        held = trials.fold(place)
        labels = held.data.recipe.labels
        live = voices.live(experts, held.probe, labels=labels, but_fold=place)
        for protocol in PROTOCOLS:
            if not protocol.unseen and protocol.corpus in held.without:
                heard = _heard(held, experts, live, protocol)
                folds.setdefault(protocol.name, []).append(heard)
    found: Figures = {}
    for protocol in PROTOCOLS:
        if protocol.name in folds:
            found[protocol.name] = voice_gains(folds[protocol.name], protocol.labels, seed=seed)
    return {"seed": seed, "protocols": found}


def over_seeds(runs: Sequence[Figures]) -> Figures:
    """Return the means over seeds of what `measure_voices` returns, and the gains' deviations.

    One seed alone has none.
    Every run of a recipe tries the same voices in the same ways.
    """

    def mean(cells: Sequence[Figures]) -> Figures:
        gains = [cell["gain"] for cell in cells]
        means = {key: float(np.mean([cell[key] for cell in cells])) for key in cells[0]}
        return {
            **{key: round(value, 2) for key, value in means.items()},
            "deviation": round(float(np.std(gains, ddof=1)), 2) if gains[1:] else None,
        }

    found = {
        name: {how: mean([run["protocols"][name][how] for run in runs]) for how in figures}
        for name, figures in runs[0]["protocols"].items()
    }
    least = min(cell["gain"] for figures in found.values() for cell in figures.values())
    return {
        "seeds": [run["seed"] for run in runs],
        "prior_utterances": PRIOR_UTTERANCES,
        "protocols": found,
        "least_gain": least,
        "harms_nobody": least >= HARM,
        "runs": list(runs),
    }


def voice_gains(
    folds: Sequence[HeardFold],
    labels: tuple[str, ...],
    *,
    seed: int,
) -> Figures:
    """Return the UAR without knowing the voice and with it, by acquaintance, in percent.

    The utterances that a voice is known by are not scored, neither with it nor without it.

    Args:
        folds: Of one corpus.
        labels: The classes that are guessed among.
        seed: Decides which utterances are heard before.
    """
    found: Figures = {}
    for how in ACQUAINTANCES:
        counts = {name: np.zeros((len(labels),) * 2, np.int64) for name in ("without", "with")}
        for fold in folds:
            for turn in range(_DRAWS):
                rng = np.random.default_rng((seed, turn))
                _acquaint(fold, labels, how, rng, counts)
        if not counts["with"].any():
            continue  # nobody has spoken as much
        uars = {name: 100 * Confusion(labels, each).uar for name, each in counts.items()}
        found[how.name] = {
            **{name: round(uar, 2) for name, uar in uars.items()},
            "gain": round(uars["with"] - uars["without"], 2),
        }
    return found


def _acquaint(
    fold: HeardFold,
    labels: tuple[str, ...],
    how: Acquaintance,
    rng: np.random.Generator,
    counts: dict[str, npt.NDArray[np.int64]],
) -> None:
    """Get to know each speaker of a fold, and count guesses about what else they say."""
    scores, experts = fold.scores, fold.experts
    speakers = np.array([clip.speaker for clip in scores.clips])
    # What the live engine believes, which tells the model's labels apart.
    beliefs = softmax(merged(scores.logits, fold.labels))
    if how.told:
        neutral = np.eye(len(fold.labels))[fold.labels.index("neutral")]
        beliefs = np.tile(neutral, (len(beliefs), 1))
    columns = columns_of(labels, kinds_of(fold.labels))
    for speaker in np.unique(speakers):
        own = np.flatnonzero(speakers == speaker)
        before = _drawn(own, scores, labels, how, rng)
        if before is None:
            continue
        voice = experts.middle()
        for place in before:
            experts.hear(voice, fold.vectors[place], beliefs[place])
        after = np.setdiff1d(own, before)
        plain = merged(scores.logits[after], labels)
        known = experts.beside(plain, fold.vectors[after], voice, columns=columns)
        for name, logits in (("without", plain), ("with", known)):
            np.add.at(counts[name], (scores.truth[after], logits.argmax(axis=1)), 1)


def _drawn(
    own: npt.NDArray[np.int64],
    scores: Scores,
    labels: tuple[str, ...],
    how: Acquaintance,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64] | None:
    """Return the utterances heard before; `None` where a voice has too few."""
    own = rng.permutation(own)
    if how.one_emotion:
        same = own[scores.truth[own] == scores.truth[own[0]]]
        # One at least is left to be guessed.
        return same[: min(how.utterances, len(same) - 1)] if len(same) > 1 else None
    if how.neutral is None:
        return own[: how.utterances] if len(own) >= 2 * how.utterances else None
    neutral = np.isin(scores.truth[own], [labels.index("neutral")])
    count = round(how.neutral * how.utterances)
    others = how.utterances - count
    if neutral.sum() < count or (~neutral).sum() < others:
        # As many as the voice has, in the same proportion.
        count = int(neutral.sum()) // 2
        others = round(count * (1 - how.neutral) / how.neutral)
        if not count:
            return None
    return np.concatenate([own[neutral][:count], own[~neutral][:others]])


def _heard(held: Held, voice: Experts, live: VoiceExperts, protocol: Protocol) -> HeardFold:
    one, labels, probe = held.data.corpora[protocol.corpus], protocol.labels, held.probe
    wanted = set(held.without[protocol.corpus])
    clips = one.features.clips
    chosen = np.array(
        [clip.speaker in wanted and emotion_of(clip, labels) is not None for clip in clips]
    )
    there = chosen[one.clean.owners]
    values, owners = one.clean.values[there], one.clean.owners[there]
    shares = one.clean.shares[there][:, None]

    def mean(of_windows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        sums = np.zeros((len(clips), of_windows.shape[1]))
        np.add.at(sums, owners, of_windows * shares)
        found: npt.NDArray[np.float64] = sums[chosen]
        return found

    places = np.flatnonzero(chosen)
    truth = np.array([labels.index(str(emotion_of(clips[place], labels))) for place in places])
    said = Scores(mean(probe.logits(values)), truth, tuple(clips[place] for place in places))
    own = held.data.recipe.labels
    return HeardFold(said, mean(vectors_of(voice, probe, values, labels=own)), live, own)


def _chosen(view: WindowStatistics, clips: npt.NDArray[np.bool_]) -> WindowStatistics:
    """Return the windows of some clips, which are counted anew."""
    there = clips[view.owners]
    return WindowStatistics(view.values[there], (np.cumsum(clips) - 1)[view.owners[there]])
