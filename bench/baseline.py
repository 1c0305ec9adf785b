"""What a voice's own baseline gains, under each way of getting to know the voice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.kernels.baseline import VoiceBaseline, VoiceModel
from affectd.models.calibration import softmax
from affectd.models.metrics import Confusion
from affectd.models.probe import KINDS, Scores

__all__ = ["ACQUAINTANCES", "Acquaintance", "drawn", "gains"]


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """How a voice was got to know before it is scored."""

    name: str
    utterances: int
    neutral: float | None = None
    """Share of neutral utterances; as they come where it is not said."""
    known: bool = False
    """Whether it is told that they are neutral, as in an enrolment."""


ACQUAINTANCES: tuple[Acquaintance, ...] = (
    Acquaintance("5 at random", 5),
    Acquaintance("10 at random", 10),
    Acquaintance("20 at random", 20),
    Acquaintance("20, of which 80 % neutral", 20, neutral=0.8),
    Acquaintance("3 neutral, enrolled", 3, neutral=1.0, known=True),
)


def gains(
    folds: Sequence[tuple[Scores, VoiceModel]],
    labels: tuple[str, ...],
    *,
    temperature: float,
    seed: int,
    share: float = 0.5,
    doubt: float = 4.0,
) -> dict[str, Any]:
    """Return the UAR without a baseline, and with one under each acquaintance, in percent.

    The utterances that a voice is known by are not scored; they are left out without a baseline,
    too, so that both are of the same clips.

    Args:
        folds: The scores of each fold's test speakers, and what its model knows of voices.
        labels: The classes of the scores' logits.
        temperature: Of the logits.
        seed: Decides which utterances are heard before.
        share: How much the scores beside the voice's own count, and not the logits.
        doubt: See `affectd.kernels.baseline.VoiceBaseline`.
    """
    found: dict[str, Any] = {}
    for how in ACQUAINTANCES:
        rng = np.random.default_rng(seed)
        counts = {
            name: np.zeros((len(labels), len(labels)), np.int64) for name in ("without", "with")
        }
        for scores, model in folds:
            speakers = np.array([clip.speaker for clip in scores.clips])
            for speaker in np.unique(speakers):
                own = np.flatnonzero(speakers == speaker)
                before = drawn(own, scores, labels, how, rng)
                if before is None:
                    continue
                after = np.setdiff1d(own, before)
                baseline = VoiceBaseline(model, doubt=doubt)
                neutral = KINDS.index("neutral") if how.known else None
                for place in before:
                    baseline.hear(scores.relative[place], emotion=neutral)
                plain = softmax(scores.logits[after], temperature)
                beside = _compared(scores.relative[after] - baseline.shift(), labels, model)
                both = (1 - share) * np.log(plain + 1e-9) + share * beside
                for name, guessed in (("without", plain), ("with", both)):
                    np.add.at(counts[name], (scores.truth[after], guessed.argmax(axis=1)), 1)
        uars = {name: 100 * Confusion(labels, each).uar for name, each in counts.items()}
        found[how.name] = {
            **{name: round(uar, 2) for name, uar in uars.items()},
            "gain": round(uars["with"] - uars["without"], 2),
        }
    return found


def drawn(
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


def _compared(
    apart: npt.NDArray[np.float64], labels: tuple[str, ...], model: VoiceModel
) -> npt.NDArray[np.float64]:
    """Return log-probabilities of the classes from scores less the voice's share."""
    size = len(model.within)
    ridge = 1e-3 * np.trace(model.within) / size * np.eye(size)
    precision = np.linalg.inv(model.within + ridge)
    means = model.means[[KINDS.index(label) for label in labels]]
    distance = apart[:, None] - means
    logits = -0.5 * np.einsum("nkd,de,nke->nk", distance, precision, distance)
    # Errors of one utterance are not independent over the scores: as doubtful as the logits.
    log_likelihoods: npt.NDArray[np.float64] = np.log(softmax(logits, 2.0) + 1e-9)
    return log_likelihoods
