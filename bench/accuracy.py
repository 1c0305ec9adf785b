"""How right a probe is about people it has never heard: the published folds, and unseen corpora."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from affectd.models.calibration import expected_calibration_error, softmax
from affectd.models.folds import folds
from affectd.models.labels import FOUR_LABELS, LABELS
from affectd.models.metrics import Confusion
from affectd.models.probe import ProbeData, Scores
from affectd.models.probe_training import temperature_of, unseen_scores

__all__ = ["PROTOCOLS", "Protocol", "markdown", "measure", "measure_seed", "save", "summary"]

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
    *(
        Protocol(f"four-unseen-{corpus}", corpus, FOUR_LABELS, unseen=True)
        for corpus in ("ravdess", "emodb", "nemo", "tess")
    ),
)
"""RAVDESS in EmoBox's six folds, nEMO and EmoDB leaving one speaker out, TESS trained on the other
speaker; then four emotions of a corpus of which nothing was heard."""


def measure(data: ProbeData, protocol: Protocol, *, alone: bool = False) -> Figures:
    """Train and score every fold of a protocol.

    Args:
        data: What is learnt from.
        protocol: The folds.
        alone: Whether a fold's model hears the other speakers of this corpus only, as published
            figures are made, and not those of the recipe's other corpora, too.

    Returns:
        UAR, accuracy and confusion over all folds, and the figures of each, in percent.
    """
    scored = [scores for _, scores in fold_scores(data, protocol, alone=alone)]
    confusions = [_confusion(each, protocol.labels) for each in scored]
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
                "uar": round(uar, 2),
            }
            for each, uar in zip(scored, uars, strict=True)
        ],
        "recalls": {label: round(100 * recall, 2) for label, recall in total.recalls.items()},
        "confusion": total.counts.tolist(),
        "uar_by_sex": by_sex(scored, protocol.labels),
    }


def fold_scores(
    data: ProbeData, protocol: Protocol, *, alone: bool = False
) -> list[tuple[tuple[str, ...], Scores]]:
    """Return the test speakers and the scores of each fold of a protocol."""
    everyone = data.corpora[protocol.corpus].speakers()
    tests = (
        [everyone] if protocol.unseen else [fold.test for fold in folds(protocol.corpus, everyone)]
    )
    heard = (protocol.corpus,) if alone else tuple(data.recipe.corpora)
    labels = protocol.labels if alone else tuple(dict.fromkeys((*LABELS, *protocol.labels)))
    found: list[tuple[tuple[str, ...], Scores]] = []
    for test in tests:
        probe = data.fit(labels, corpora=heard, without={protocol.corpus: test})
        scores = data.score(
            probe, protocol.corpus, labels=labels, among=protocol.labels, speakers=test
        )
        found.append((test, scores))
    return found


def calibration(data: ProbeData, protocols: Sequence[Protocol] = PROTOCOLS) -> Figures:
    """Return the temperature, and how far confidence lies from accuracy.

    The temperature is fitted on corpora of which nothing was heard, each counting the same. The
    error on such a corpus is measured with a temperature fitted on the others; the error on unseen
    speakers of corpora that were heard with the temperature of all.
    """
    unseen = unseen_scores(data)
    temperature = temperature_of(unseen.values())
    errors: Figures = {}
    for corpus, scores in unseen.items():
        others = temperature_of(one for name, one in unseen.items() if name != corpus)
        errors[corpus] = _error([scores], others)
    speakers: Figures = {}
    for protocol in protocols:
        if not protocol.unseen and set(protocol.labels) <= set(LABELS):
            scored = [scores for _, scores in fold_scores(data, protocol)]
            speakers[protocol.name] = _error(scored, temperature)
    return {
        "temperature": round(temperature, 4),
        "error_unseen_corpus": errors,
        "error_unseen_corpus_mean": round(float(np.mean(list(errors.values()))), 2),
        "error_unseen_speakers": speakers,
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


def _error(scored: Sequence[Scores], temperature: float) -> float:
    probabilities = np.concatenate([softmax(each.logits, temperature) for each in scored])
    truth = np.concatenate([each.truth for each in scored])
    return round(100 * expected_calibration_error(probabilities, truth), 2)


def _confusion(scores: Scores, labels: tuple[str, ...]) -> Confusion:
    return Confusion.of(
        [labels[place] for place in scores.truth],
        [labels[place] for place in scores.logits.argmax(axis=1)],
        labels,
    )


def summary(runs: Sequence[Figures]) -> Figures:
    """Return mean and deviation of the UAR over seeds, and of the mean over unseen corpora."""
    found: Figures = {}
    for variant in ("all", "alone"):
        names = [name for name in runs[0]["protocols"] if variant in runs[0]["protocols"][name]]
        for name in names:
            values = [run["protocols"][name][variant]["uar"] for run in runs]
            found[f"{name}, {variant}"] = _spread(values)
        unseen = [name for name in names if name.startswith("four-unseen-")]
        if unseen:
            means = [
                float(np.mean([run["protocols"][name][variant]["uar"] for name in unseen]))
                for run in runs
            ]
            found[f"four-unseen, {variant}"] = _spread(means)
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
        "| protocol | speakers not heard | UAR %, trained on all corpora, as shipped "
        "| UAR %, trained on this corpus alone |",
        "|---|---|---:|---:|",
    ]
    figures = told["summary"]
    first = told["runs"][0]["protocols"]
    for name in (*(each for each in first if not each.startswith("four-")), "four-unseen"):
        if name == "four-unseen" and f"{name}, all" not in figures:
            continue
        whom = (
            "whole corpora"
            if name == "four-unseen"
            else f"{len(first[name]['all']['folds'])} folds"
        )
        lines.append(
            f"| {name} | {whom} | {_cell(figures, name, 'all')} | {_cell(figures, name, 'alone')} |"
        )
    return "\n".join(lines) + "\n"


def _cell(figures: Figures, name: str, variant: str) -> str:
    found = figures.get(f"{name}, {variant}")
    if found is None:
        return "–"
    bold = "**" if variant == "all" else ""
    spread = f" ± {found['deviation']:.1f}" if found["seeds"] > 1 else ""
    return f"{bold}{found['mean']:.1f}{bold}{spread}"


def save(told: Figures, path: Path) -> None:
    """Write figures as JSON; the file is the old one or the new one, whole."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    unfinished.replace(path)


def measure_seed(data: ProbeData, seed: int, protocols: Sequence[Protocol], say: Say) -> Figures:
    """Return every protocol's figures for one seed's disturbed windows."""
    found: Figures = {}
    for protocol in protocols:
        figures = {"all": measure(data, protocol)}
        if not protocol.unseen:
            figures["alone"] = measure(data, protocol, alone=True)
        found[protocol.name] = {"labels": list(protocol.labels), **figures}
        told = ", ".join(f"{name} {each['uar']:.1f}" for name, each in figures.items())
        say(f"seed {seed}, {protocol.name}: UAR {told}")
    return {
        "seed": seed,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "protocols": found,
        "calibration": calibration(data, protocols),
    }
