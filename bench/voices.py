"""What it gains to know a voice: its own middle taken from its vectors, beside the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.bench.accuracy import PROTOCOLS
from affectd.bench.baseline import ACQUAINTANCES, Acquaintance, drawn
from affectd.models.calibration import softmax
from affectd.models.metrics import Confusion
from affectd.models.probe import KINDS, Probe, ProbeData, Scores, emotion_of, merged
from affectd.models.trials import hold_trials
from affectd.models.voice_network import VoiceNetwork, Voices, train_voice_network

__all__ = [
    "ENROLLED_WEIGHT",
    "HARM",
    "WEIGHT",
    "HeardFold",
    "measure_voices",
    "voice_gains",
]

Figures = dict[str, Any]

WEIGHT = 1.0
"""How much of what the voice changes is added to the logits; chosen on development speakers."""
ENROLLED_WEIGHT = 0.5
"""The same for a voice known by neutral utterances alone, which say little of its other moods."""
HARM = -1.0
"""No corpus may lose more points of UAR than this under any acquaintance."""
_NEUTRAL = KINDS.index("neutral")
_DRAWS = 3


@dataclass(frozen=True, slots=True)
class HeardFold:
    """The test speakers of one fold as its model hears them."""

    scores: Scores
    """Logits of all of `KINDS`, and the truth among the protocol's labels."""
    vectors: npt.NDArray[np.float32]
    """Whitened, the mean over each clip's windows, ``(clips, d)``."""
    network: VoiceNetwork


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
        network = train_voice_network(_voices(data, probe, without), seed=seed)
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
        "weight": WEIGHT,
        "enrolled_weight": ENROLLED_WEIGHT,
        "protocols": found,
        "least_gain": min(gains),
        "harms_nobody": min(gains) >= HARM,
    }


def voice_gains(
    folds: Sequence[HeardFold],
    labels: tuple[str, ...],
    *,
    seed: int,
    weight: float = WEIGHT,
    enrolled_weight: float = ENROLLED_WEIGHT,
) -> Figures:
    """Return the UAR without knowing the voice and with it, by acquaintance, in percent.

    The utterances that a voice is known by are not scored, neither with it nor without it.

    Args:
        folds: Of one corpus.
        labels: The classes that are guessed among.
        seed: Decides which utterances are heard before.
        weight: How much of the voice's change is added.
        enrolled_weight: How much, where the voice was enrolled.
    """
    found: Figures = {}
    for how in ACQUAINTANCES:
        counts = {name: np.zeros((len(labels),) * 2, np.int64) for name in ("without", "with")}
        for fold in folds:
            for turn in range(_DRAWS):
                rng = np.random.default_rng((seed, turn))
                _acquaint(fold, labels, how, rng, enrolled_weight if how.known else weight, counts)
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
    weight: float,
    counts: dict[str, npt.NDArray[np.int64]],
) -> None:
    """Get to know each speaker of a fold, and count guesses about what else they say."""
    scores = fold.scores
    speakers = np.array([clip.speaker for clip in scores.clips])
    beliefs = softmax(scores.logits)
    if how.known:
        beliefs = np.tile(np.eye(len(KINDS))[_NEUTRAL], (len(beliefs), 1))
    for speaker in np.unique(speakers):
        own = np.flatnonzero(speakers == speaker)
        before = drawn(own, scores, labels, how, rng)
        if before is None:
            continue
        middle = fold.network.middle()
        for place in before:
            middle.hear(fold.vectors[place], beliefs[place])
        after = np.setdiff1d(own, before)
        plain = scores.logits[after]
        known = plain + weight * fold.network.change(fold.vectors[after], middle.shift)
        for name, logits in (("without", plain), ("with", known)):
            guessed = merged(logits, labels).argmax(axis=1)
            np.add.at(counts[name], (scores.truth[after], guessed), 1)


def _voices(data: ProbeData, probe: Probe, without: Mapping[str, Iterable[str]]) -> Voices:
    examples = data.examples(probe.whitening, without)
    likely = np.zeros(len(examples.kinds))
    for corpus in np.unique(examples.corpora):
        for kind in range(len(KINDS)):
            cell = (examples.corpora == corpus) & (examples.kinds == kind)
            if cell.any():
                likely[cell] = examples.shares[cell] / examples.shares[cell].sum() ** 0.5
    return Voices(
        vectors=examples.vectors,
        emotions=examples.kinds,
        voices=examples.speakers,
        likely=likely / likely.sum(),
        neutral=_NEUTRAL,
        count=len(KINDS),
    )


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
        relative=np.zeros((len(places), len(KINDS))),
    )
    return HeardFold(said, sums[chosen], network)
