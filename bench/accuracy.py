"""How right a probe is about people it has never heard: the published folds, and unseen corpora."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from affectd.models.calibration import expected_calibration_error, softmax
from affectd.models.folds import folds
from affectd.models.labels import FOUR_LABELS, LABELS
from affectd.models.metrics import Confusion
from affectd.models.probe import LinearProbe
from affectd.models.probe_data import Scores
from affectd.models.trial_data import TrialData
from affectd.models.trials import Held, Trials, spoken_labels

__all__ = [
    "PROTOCOLS",
    "UNSEEN",
    "Protocol",
    "markdown",
    "measure_alone",
    "measure_seed",
    "summary",
]

Figures = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Protocol:
    """One corpus, its classes, and whom a model scored on it has heard."""

    name: str
    corpus: str
    labels: tuple[str, ...]
    unseen: bool = False
    """Whether the whole corpus is left out, and not one fold's speakers."""


PROTOCOLS: tuple[Protocol, ...] = (
    Protocol("ravdess-8", "ravdess", (*LABELS, "calm")),
    Protocol("nemo-6", "nemo", tuple(each for each in LABELS if each != "disgust")),
    Protocol(
        "emodb-7", "emodb", ("angry", "bored", "disgust", "fearful", "happy", "neutral", "sad")
    ),
    Protocol("tess-7", "tess", LABELS),
    Protocol("crema-d-6", "crema-d", tuple(each for each in LABELS if each != "surprised")),
    *(
        Protocol(f"four-unseen-{corpus}", corpus, FOUR_LABELS, unseen=True)
        for corpus in ("ravdess", "emodb", "nemo", "tess")
    ),
)
"""RAVDESS in EmoBox's six folds, nEMO and EmoDB leaving one speaker out, TESS trained on the other
speaker, CREMA-D in EMO-SUPERB's five folds, as far as the recipe has these corpora; then four
emotions of a corpus of which nothing was heard, be it one of the recipe's or not."""
UNSEEN = tuple(one.corpus for one in PROTOCOLS if one.unseen)
"""Corpora that every recipe is tried on without having heard of them."""


def measure_seed(trials: Trials, seed: int, say: Say) -> Figures:
    """Score every fold, and every unseen corpus, with one seed.

    Args:
        trials: Of the recipe.
        seed: That their data was drawn with.
        say: Told a line for each figure.
    """
    protocols = _tried(trials)
    scored: dict[str, list[Scores]] = {one.name: [] for one in protocols}
    shipped: dict[str, list[Scores]] = {}
    others = len(trials.unseen) + (trials.foreign is not None)
    say(f"seed {seed}: {len(trials.folds)} models of folds and {others} others are made")
    for place in range(len(trials.folds)):
        held = trials.fold(place)
        for protocol in protocols:
            if protocol.unseen or protocol.corpus not in held.without:
                continue
            known = spoken_labels(held.data, protocol.corpus)
            scored[protocol.name].append(_scored(held, protocol.corpus, protocol.labels))
            shipped.setdefault(protocol.corpus, []).append(_scored(held, protocol.corpus, known))
    unseen: dict[str, Scores] = {}
    for protocol in protocols:
        if protocol.unseen:
            held = trials.stranger(protocol.corpus)
            known = spoken_labels(held.data, protocol.corpus)
            unseen[protocol.corpus] = _scored(held, protocol.corpus, known)
            scored[protocol.name].append(_scored(held, protocol.corpus, protocol.labels))
    found = {
        one.name: {"labels": list(one.labels), **_figures(scored[one.name], one.labels)}
        for one in protocols
    }
    for name, figures in found.items():
        say(f"seed {seed}, {name}: UAR {figures['uar']:.1f}")
    calibration = _calibration(unseen, shipped) | {"confidence": asdict(trials.confidence())}
    return {
        "seed": seed,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "protocols": found,
        "calibration": calibration,
    }


def _tried(trials: Trials) -> list[Protocol]:
    """Return the protocols whose corpora are on trial, and whose emotions the recipe knows."""
    recipe = trials.folds[0].data.recipe
    in_folds = {corpus for held in trials.folds for corpus in held.without}
    unheard = {*trials.unseen, *(trials.foreign.without if trials.foreign else ())}
    return [
        one
        for one in PROTOCOLS
        if one.corpus in (unheard if one.unseen else in_folds)
        and not set(one.labels) & set(recipe.absent)
    ]


def _scored(held: Held, corpus: str, among: tuple[str, ...]) -> Scores:
    """Return what a model on trial says of those speakers of a corpus whom it has not heard."""
    return held.data.score(held.probe, corpus, among=among, speakers=held.without[corpus])


def measure_alone(data: TrialData, say: Say) -> Figures:
    """Score a discriminant that has heard the other speakers of the fold's corpus only.

    That is how published figures are made, but for an encoder that is taught: that may have heard
    the other corpora, without their labels. It is in closed form and has no seed.
    """
    found: Figures = {}
    everyone, absent = data.speakers, set(data.recipe.absent)
    for protocol in PROTOCOLS:
        corpus = protocol.corpus
        if protocol.unseen or corpus not in everyone or set(protocol.labels) & absent:
            continue
        scored: list[Scores] = []
        for fold in folds(corpus, everyone[corpus]):
            heard = data.held_out(corpus, fold.test)
            alone = LinearProbe(heard.discriminant_alone(corpus, {corpus: fold.test}))
            scored.append(heard.score(alone, corpus, among=protocol.labels, speakers=fold.test))
        found[protocol.name] = _figures(scored, protocol.labels)
        say(f"{protocol.name}, this corpus alone: UAR {found[protocol.name]['uar']:.1f}")
    return found


def _figures(scored: Sequence[Scores], labels: tuple[str, ...]) -> Figures:
    confusions = [_confusion(each, labels) for each in scored]
    total = sum(confusions[1:], confusions[0])
    uars = [100 * each.uar for each in confusions]
    return {
        "uar": round(100 * total.uar, 2),
        "accuracy": round(100 * total.accuracy, 2),
        "clips": total.clips,
        "uar_fold_mean": round(float(np.mean(uars)), 2),
        "uar_fold_deviation": round(float(np.std(uars, ddof=len(uars) > 1)), 2),
        "folds": [
            {
                "speakers": sorted({clip.speaker for clip in each.clips}),
                "clips": len(each.truth),
                "uar": round(100 * confusion.uar, 2),
                "accuracy": round(100 * confusion.accuracy, 2),
            }
            for each, confusion in zip(scored, confusions, strict=True)
        ],
        "recalls": {label: round(100 * recall, 2) for label, recall in total.recalls.items()},
        "confusion": total.counts.tolist(),
        "uar_by_sex": by_sex(scored, labels),
    }


def _calibration(unseen: dict[str, Scores], speakers: dict[str, list[Scores]]) -> Figures:
    """Return how far confidence lies from accuracy, percent.

    The sharpness of the scores was fitted without the voices, or without the corpus, that the
    error is of.
    """
    return {
        "error_unseen_corpus": {corpus: _error([scores]) for corpus, scores in unseen.items()},
        "error_unseen_speakers": {corpus: _error(scored) for corpus, scored in speakers.items()},
    }


def by_sex(scored: Sequence[Scores], labels: tuple[str, ...]) -> Figures:
    """Return the UAR of women's and men's clips, percent, where there are both."""
    found: Figures = {}
    for sex in ("female", "male"):
        chosen = [
            _confusion(
                Scores(each.logits[places], each.truth[places], ()),
                labels,
            )
            for each in scored
            if (places := np.array([clip.sex == sex for clip in each.clips])).any()
        ]
        if chosen:
            found[sex] = round(100 * sum(chosen[1:], chosen[0]).uar, 2)
    return found if len(found) > 1 else {}


def _error(scored: Sequence[Scores]) -> float:
    probabilities = np.concatenate([softmax(each.logits, 1.0) for each in scored])
    truth = np.concatenate([each.truth for each in scored])
    return round(100 * expected_calibration_error(probabilities, truth), 2)


def _confusion(scores: Scores, labels: tuple[str, ...]) -> Confusion:
    return Confusion.of(
        [labels[place] for place in scores.truth],
        [labels[place] for place in scores.logits.argmax(axis=1)],
        labels,
    )


def summary(runs: Sequence[Figures]) -> Figures:
    """Return mean and deviation over seeds of the UAR, and of its mean over unseen corpora."""
    names = list(runs[0]["protocols"])
    found = {name: _spread([run["protocols"][name]["uar"] for run in runs]) for name in names}
    unseen = [name for name in names if name.startswith("four-unseen-")]
    if len(unseen) == len(UNSEEN):
        found["four-unseen"] = _spread(
            [float(np.mean([run["protocols"][name]["uar"] for name in unseen])) for run in runs]
        )
    return found


def _spread(values: Sequence[float]) -> Figures:
    return {
        "mean": round(float(np.mean(values)), 2),
        "deviation": round(float(np.std(values, ddof=len(values) > 1)), 2),
        "seeds": len(values),
    }


def markdown(told: Figures) -> str:
    """Return the table for the documentation and the model card."""
    lines = [
        "| protocol | clips | models | UAR % | UAR %, a discriminant of this corpus alone |",
        "|---|---:|---:|---:|---:|",
    ]
    first = told["runs"][0]["protocols"]
    for name, figures in told["summary"].items():
        one = first.get(name)
        spread = f" ± {figures['deviation']:.1f}" if figures["seeds"] > 1 else ""
        clips, count = (f"{one['clips']:,}", len(one["folds"])) if one else ("", "mean of four")
        alone = f"{told['alone'][name]['uar']:.1f}" if name in told["alone"] else "–"
        lines.append(
            f"| {name} | {clips} | {count} | **{figures['mean']:.1f}**{spread} | {alone} |"
        )
    return "\n".join(lines) + "\n"
