"""The figures of `affectd bench accuracy` as a file, and for the card of the model."""

from __future__ import annotations

import json
from pathlib import Path

from affectd.bench.accuracy import PROTOCOLS, Figures
from affectd.models.evaluation import Evaluation, FoldFigures
from affectd.models.replacing import replacing

__all__ = ["evaluations", "load", "save"]


def evaluations(told: Figures) -> list[Evaluation]:
    """Return the first seed's folds as `affectd evaluate` would tell them, for the model card."""
    run = told["runs"][0]
    errors = run["calibration"]["error_unseen_speakers"]
    found: list[Evaluation] = []
    for protocol in PROTOCOLS:
        if protocol.unseen or protocol.name not in run["protocols"]:
            continue
        figures = run["protocols"][protocol.name]
        found.append(
            Evaluation(
                model=told["model"],
                checkpoint_sha256=None,
                corpus=protocol.corpus,
                protocol="folds",
                heard_corpus=True,
                command=told["command"],
                trained_on=tuple(sorted(errors)),
                epochs=told["epochs"],
                clips=figures["clips"],
                speakers=tuple(sorted({s for f in figures["folds"] for s in f["speakers"]})),
                uar=figures["uar"],
                accuracy=figures["accuracy"],
                recalls=figures["recalls"],
                calibration_error=errors[protocol.corpus],
                uar_four=None,
                uar_fold_mean=figures["uar_fold_mean"],
                uar_fold_deviation=figures["uar_fold_deviation"],
                folds=tuple(
                    FoldFigures(
                        index=index,
                        speakers=tuple(each["speakers"]),
                        clips=each["clips"],
                        uar=each["uar"],
                        accuracy=each["accuracy"],
                    )
                    for index, each in enumerate(figures["folds"], 1)
                ),
                labels=protocol.labels,
                confusion=tuple(tuple(row) for row in figures["confusion"]),
            )
        )
    return found


def save(told: Figures, path: Path) -> None:
    """Write figures as JSON; the file is the old one or the new one, whole."""
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def load(path: Path) -> Figures:
    """Read the figures that `save` wrote.

    Raises:
        ValueError: there are none in the file.
    """
    try:
        told: Figures = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if not isinstance(told, dict) or told.get("benchmark") != "accuracy":
        raise ValueError(f"{path} holds no figures of affectd bench accuracy")
    return told
