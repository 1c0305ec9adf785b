"""What it gains to know a voice: its own middle taken from its vectors, beside the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.bench.accuracy import PROTOCOLS
from affectd.kernels.voice_network import VoiceNetwork
from affectd.models.calibration import softmax
from affectd.models.folds import folds as published_folds
from affectd.models.labels import LABELS
from affectd.models.metrics import Confusion
from affectd.models.probe import (
    KINDS,
    CorpusMaterial,
    Probe,
    ProbeData,
    Scores,
    columns_of,
    emotion_of,
    merged,
)
from affectd.models.probe_voices import probe_voice_network
from affectd.models.trials import hold_trials
from affectd.models.window_statistics import WindowStatistics

__all__ = [
    "ACQUAINTANCES",
    "HARM",
    "Acquaintance",
    "HeardFold",
    "development",
    "measure_voices",
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


ACQUAINTANCES: tuple[Acquaintance, ...] = (
    Acquaintance("5 at random", 5),
    Acquaintance("10 at random", 10),
    Acquaintance("20 at random", 20),
    Acquaintance("20, of which 80 % neutral", 20, neutral=0.8),
    Acquaintance("3 neutral, enrolled", 3, neutral=1.0, told=True),
)


@dataclass(frozen=True, slots=True)
class HeardFold:
    """The test speakers of one fold as its model hears them."""

    scores: Scores
    """Logits of all of `KINDS`, and the truth among the protocol's labels."""
    vectors: npt.NDArray[np.float32]
    """Whitened, the mean over each clip's windows, ``(clips, d)``."""
    network: VoiceNetwork


def development(data: ProbeData) -> ProbeData:
    """Return the data without anybody whom the first fold of a corpus tests.

    What is chosen is chosen on them.
    """
    kept: dict[str, CorpusMaterial] = {}
    for name, one in data.corpora.items():
        tested = published_folds(name, one.speakers())[0].test
        features = one.features
        there = np.array([clip.speaker not in tested for clip in features.clips])
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


def measure_voices(data: ProbeData, *, seed: int, say: Callable[[str], None]) -> Figures:
    """Train every shared fold and its voice network, and get to know each test speaker in turn.

    Args:
        data: What is learnt from.
        seed: Decides first weights and draws.
        say: Told a line for each model.

    Raises:
        ValueError: no corpus of the recipe has published folds.
    """
    if not any(not each.unseen and each.corpus in data.corpora for each in PROTOCOLS):
        raise ValueError(f"recipe {data.recipe.name} has no corpus with published folds")
    folds: dict[str, list[HeardFold]] = {}
    trials = hold_trials(data)
    for place in range(len(trials.folds)):
        without, probe = trials.fold(place)
        network = probe_voice_network(data, probe, seed=seed, without=without)
        for protocol in PROTOCOLS:
            if not protocol.unseen and protocol.corpus in without:
                speakers = without[protocol.corpus]
                heard = _heard(data, probe, network, protocol.corpus, protocol.labels, speakers)
                folds.setdefault(protocol.name, []).append(heard)
        say(f"model {place + 1} of {len(trials.folds)} is done")
    found: Figures = {}
    for protocol in PROTOCOLS:
        if protocol.name in folds:
            found[protocol.name] = voice_gains(folds[protocol.name], protocol.labels, seed=seed)
    gains = [each["gain"] for figures in found.values() for each in figures.values()]
    return {
        "seed": seed,
        "weight": network.weight,
        "told_weight": network.told_weight,
        "directions": network.size,
        "protocols": found,
        "least_gain": min(gains),
        "harms_nobody": min(gains) >= HARM,
    }


def voice_gains(
    folds: Sequence[HeardFold],
    labels: tuple[str, ...],
    *,
    seed: int,
    weight: float | None = None,
) -> Figures:
    """Return the UAR without knowing the voice and with it, by acquaintance, in percent.

    The utterances that a voice is known by are not scored, neither with it nor without it.

    Args:
        folds: Of one corpus.
        labels: The classes that are guessed among.
        seed: Decides which utterances are heard before.
        weight: How much of the voice's change is added, instead of what the network says.
    """
    found: Figures = {}
    for how in ACQUAINTANCES:
        counts = {name: np.zeros((len(labels),) * 2, np.int64) for name in ("without", "with")}
        for fold in folds:
            for turn in range(_DRAWS):
                rng = np.random.default_rng((seed, turn))
                _acquaint(fold, labels, how, rng, weight, counts)
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
    weight: float | None,
    counts: dict[str, npt.NDArray[np.int64]],
) -> None:
    """Get to know each speaker of a fold, and count guesses about what else they say."""
    scores, network = fold.scores, fold.network
    speakers = np.array([clip.speaker for clip in scores.clips])
    # What the live engine believes, which tells the shipped labels apart.
    beliefs = softmax(merged(scores.logits, LABELS))
    columns = columns_of(labels)
    for speaker in np.unique(speakers):
        own = np.flatnonzero(speakers == speaker)
        before = _drawn(own, scores, labels, how, rng)
        if before is None:
            continue
        middle = network.middle()
        for place in before:
            if how.told:
                middle.hear_told(fold.vectors[place], LABELS.index("neutral"))
            else:
                middle.hear(fold.vectors[place], beliefs[place])
        after = np.setdiff1d(own, before)
        plain = merged(scores.logits[after], labels)
        change = network.change(fold.vectors[after], middle, columns=columns, weight=weight)
        for name, logits in (("without", plain), ("with", plain + change)):
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


def _heard(
    data: ProbeData,
    probe: Probe,
    network: VoiceNetwork,
    corpus: str,
    labels: tuple[str, ...],
    speakers: Iterable[str],
) -> HeardFold:
    one = data.corpora[corpus]
    wanted = set(speakers)
    clips = one.features.clips
    chosen = np.array(
        [clip.speaker in wanted and emotion_of(clip, labels) is not None for clip in clips]
    )
    owners = one.clean.owners
    there = chosen[owners]
    values, shares = one.clean.values[there], one.clean.shares[there][:, None]
    vectors = probe.whitening(values)
    sums = np.zeros((len(clips), vectors.shape[1]), np.float32)
    np.add.at(sums, owners[there], vectors * shares.astype(np.float32))
    logits = np.zeros((len(clips), len(KINDS)))
    np.add.at(logits, owners[there], probe.logits(values) * shares)
    places = np.flatnonzero(chosen)
    truth = np.array([labels.index(str(emotion_of(clips[place], labels))) for place in places])
    said = Scores(
        logits=logits[chosen],
        truth=truth,
        clips=tuple(clips[place] for place in places),
    )
    return HeardFold(said, sums[chosen], network)


def _chosen(view: WindowStatistics, clips: npt.NDArray[np.bool_]) -> WindowStatistics:
    """Return the windows of some clips, which are counted anew."""
    there = clips[view.owners]
    return WindowStatistics(view.values[there], (np.cumsum(clips) - 1)[view.owners[there]])
