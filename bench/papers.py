"""What the papers' systems reach here: on the paper's split, and on speakers never heard."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from affectd.bench.machine import describe_machine
from affectd.bench.papers_file import FOLDS_CORPUS, ORDER, PROTOCOLS, Papers, command_of
from affectd.export.conversion import to_onnx
from affectd.export.latency import interleaved_ms, percentiles
from affectd.models.checkpoint import Checkpoint
from affectd.models.corpora import CorpusError, corpus_named
from affectd.models.evaluation import Evaluation
from affectd.models.extra import MissingExtraError
from affectd.models.folds import folds
from affectd.models.foreign_weights import WeightsError
from affectd.models.metrics import Confusion
from affectd.models.recipes import Recipe
from affectd.models.system_network import build_system, fresh_model
from affectd.models.system_protocols import (
    Place,
    evaluate_system_folds,
    evaluate_system_paper,
    run_folder,
)
from affectd.models.systems import System, system_named, systems
from affectd.models.training import BEST

__all__ = ["check_trainable", "remove_run", "run_papers", "time_all"]

PUBLISHED_FOLDS = len(folds(FOLDS_CORPUS, [f"{actor:02}" for actor in range(1, 25)]))
Say = Callable[[str], None]


def run_papers(
    place: Place,
    *,
    names: Sequence[str] = (),
    protocols: Sequence[str] = PROTOCOLS,
    train: bool = True,
    afresh: bool = False,
    most_folds: int = 0,
    earlier: Mapping[str, Papers] | None = None,
    whole: bool = False,
    say: Say = print,
) -> list[Papers]:
    """Train and score what is wanted, and return a row for every system of the registry.

    Figures of an earlier call are read from the folder of the runs; each run goes on where an
    interruption left it.

    Args:
        place: Where corpora, features and runs are.
        names: The systems to train; all of them if none is named.
        protocols: Some of `PROTOCOLS`.
        train: Whether anything is trained at all; without it rows are made of what is there.
        afresh: Whether each run is removed right before it, so that it begins with nothing.
        most_folds: Train and score on so many folds, the first ones; on all where it is 0.
        earlier: Rows that `kept` found, used for protocols that have no run here, and for the
            latency of what is not trained under its paper's protocol by this call.
        whole: Whether nothing is trained on a published corpus of which clips are missing.
        say: Told a line for each figure, and for each system that is left out.

    Raises:
        CorpusError: a corpus cannot be used, or is not whole where it is to be.
        RecipeError: a name is unknown; the message lists the near ones.
        WeightsError: foreign weights of a system that is named cannot be used. As with its corpora,
            this is found before anything is removed or trained.
    """
    known = sorted(systems(), key=lambda name: (ORDER.index(name) if name in ORDER else 999, name))
    wanted = [system_named(name) for name in names or known]
    trained: set[str] = set()
    if train:
        runs = [
            (each, protocol)
            for protocol in protocols
            for system in wanted
            for each in (system.on_further_corpora if protocol == "further" else (system,))
        ]
        due = [
            (system, protocol)
            for system, protocol in runs
            if afresh or _trained(system, place, protocol, most_folds) is None
        ]
        for system, _ in due if names else ():
            check_trainable(system, place)
        if whole:
            _check_whole({name for system, _ in due for name in system.corpora}, place.corpora)
        for system in wanted if names and "further" in protocols else ():
            if not system.further:
                say(f"{system.name} has no further corpora in its paper")
        for system, protocol in runs:
            try:
                _train(system, place, protocol, afresh=afresh, most_folds=most_folds, say=say)
                if protocol == "paper" and (system, protocol) in due:
                    trained.add(system.name)
            except (MissingExtraError, WeightsError) as error:
                if names:
                    raise
                say(f"{system.name} is left out: {error}")
    return [
        _row_or_earlier(system_named(name), place, earlier or {}, trained=name in trained)
        for name in known
    ]


def _check_whole(names: Iterable[str], corpora: Path) -> None:
    for name in sorted(names):
        # A corpus that is not there at all is refused when its turn comes.
        if not (corpora / name).is_dir():
            continue
        listing = corpus_named(name).list(corpora)
        if not listing.complete:
            raise CorpusError(
                f"corpus {name}: {len(listing.clips)} clips of "
                f"{listing.corpus.published_clips} were found in {corpora / name}; the table of "
                "the papers' systems wants all of them"
            )


def _train(
    system: System, place: Place, protocol: str, *, afresh: bool, most_folds: int, say: Say
) -> None:
    file = None if afresh else _trained(system, place, protocol, most_folds)
    if file is None:
        check_trainable(system, place)
        if afresh:
            remove_run(system, place, protocol, most_folds=most_folds)
        command = _command(system, place, protocol, most_folds)
        if protocol == "folds":
            evaluation = evaluate_system_folds(
                system, place, corpus=FOLDS_CORPUS, command=command, most=most_folds
            )
        else:
            evaluation = evaluate_system_paper(system, place, command=command)
        evaluation.save(_file(system, place, protocol, most_folds))
    else:
        evaluation = Evaluation.load(file)
    told = f" on {evaluation.corpus}" if protocol == "further" else ""
    say(
        f"{system.name}, {protocol}{told}: accuracy {evaluation.accuracy:.1f} %, "
        f"UAR {evaluation.uar:.1f} %"
    )


def check_trainable(system: System, place: Place) -> None:
    """Refuse, before anything is removed or computed, a system that could not be trained.

    Raises:
        CorpusError: one of its corpora cannot be used.
        MissingExtraError: the library that builds it is not installed.
        WeightsError: its foreign weights are missing or of another kind.
    """
    for name in system.corpora:
        corpus_named(name).list(place.corpora)
    if system.pretrained:
        fresh_model(system, place.weights)


def remove_run(system: System, place: Place, protocol: str, *, most_folds: int = 0) -> None:
    """Remove what is kept of a run that is to begin with nothing.

    What is kept under the other protocols stays, and so do folds that are not trained again.
    """
    parts = ["paper*"]
    if protocol == "folds":
        which = range(1, most_folds + 1) if most_folds else "*"
        parts = [f"{FOLDS_CORPUS}-folds*", *(f"{FOLDS_CORPUS}-fold-{each}" for each in which)]
    for part in parts:
        for path in place.runs.glob(run_folder(system, place, part).name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _file(system: System, place: Place, protocol: str, most_folds: int = 0) -> Path:
    """Return where an evaluation is kept; that on all folds where their number is 0."""
    part = f"{FOLDS_CORPUS}-folds" if protocol == "folds" else "paper"
    if protocol == "folds" and most_folds:
        part += f"-{most_folds}"
    return run_folder(system, place, part).with_suffix(".json")


def _trained(system: System, place: Place, protocol: str, most_folds: int) -> Path | None:
    """Return the evaluation that makes a training needless, if it is there."""
    files = (_file(system, place, protocol), _file(system, place, protocol, most_folds))
    return next((file for file in files if file.exists()), None)


def _widest(system: System, place: Place, protocol: str) -> Path | None:
    """Return the evaluation that is there; of those on folds, that on the most."""
    file = _file(system, place, protocol)
    there = file.parent.glob(f"{file.stem}*.json")
    return max(there, key=lambda each: len(Evaluation.load(each).folds), default=None)


def _command(system: System, place: Place, protocol: str, most_folds: int) -> str:
    weights = bool(system.needs_weights)
    return command_of(
        system.name, protocol, folds=most_folds, seed=place.seed, needs_weights=weights
    )


def _row_or_earlier(
    system: System, place: Place, earlier: Mapping[str, Papers], *, trained: bool
) -> Papers:
    before = earlier.get(system.name)
    # Of another configuration or seed, the earlier figures are not this system's any more.
    ours = {"configuration": system.digest[:8], "seed": place.seed}
    if before is None or any(before.get(key) != value for key, value in ours.items()):
        return row(system, place)
    found = row(system, place, timed=trained or not before.get("latency_ms"))
    measured = (*PROTOCOLS, "latency_ms", "parameters")
    merged = found | {key: before[key] for key in measured if not found[key] and key in before}
    told = {tuple(one["corpora"]): one for one in (*before.get("further", ()), *found["further"])}
    # A set that the recipe does not name any more is not told.
    sets = [tuple(each.corpora) for each in system.on_further_corpora]
    merged["further"] = [told[each] for each in sets if each in told]
    if (before.get("folds") or {}).get("folds", 0) > (found["folds"] or {}).get("folds", 0):
        merged["folds"] = before["folds"]
    return merged


def row(system: System, place: Place, *, timed: bool = True) -> Papers:
    """Return everything the table says of a system; its latency is measured where it is `timed`."""
    figures: Papers = {
        "system": system.name,
        "source": system.source,
        "published": [each.model_dump() for each in system.published],
        "corpora": list(system.corpora),
        "classes": len(system.labels),
        "needs_weights": system.needs_weights,
        "note": system.note,
        "seed": place.seed,
        "configuration": system.digest[:8],
        "paper": None,
        "folds": None,
        "further": [],
        "latency_ms": None,
    }
    for protocol in ("paper", "folds"):
        if (file := _widest(system, place, protocol)) is not None:
            figures[protocol] = _figures(system, place, protocol, file)
    for each in system.on_further_corpora:
        if (file := _widest(each, place, "further")) is not None:
            told = {"corpora": list(each.corpora)}
            figures["further"].append(told | _figures(each, place, "further", file))
    best = run_folder(system, place, "paper") / BEST
    if figures["paper"] is None or not best.exists():
        # A forest knows its size when it is grown.
        figures["parameters"] = parameters(system) if system.architecture != "forest" else None
        return figures
    checkpoint = Checkpoint.load(best)
    figures["parameters"] = parameters(checkpoint.recipe)
    figures["latency_ms"] = latency_of(checkpoint.recipe, checkpoint.model()) if timed else None
    return figures


def parameters(system: Any) -> int | None:
    """Return how many numbers a model has: weights, or the numbers of a forest's nodes.

    `None` where the library that builds it is not installed.
    """
    try:
        with torch.device("meta"):  # sizes alone: the largest ones fill a gigabyte
            model = build_system(system)
    except MissingExtraError:
        return None
    learnt: int = sum(value.numel() for value in model.parameters())
    if learnt:
        return learnt
    grown: int = sum(value.numel() for name, value in model.state_dict().items() if "." not in name)
    return grown


def time_all(rows: Sequence[Papers], place: Place) -> list[Papers]:
    """Return rows whose latencies were all measured now, so that they can be compared.

    A network that is not at hand is timed before it has learnt: weights do not change how long it
    takes. A forest is nothing before it is grown, and keeps the latency that it has.
    """
    found: list[Papers] = []
    for each in rows:
        system = system_named(each["system"])
        best = run_folder(system, place, "paper") / BEST
        grows = system.architecture == "forest"
        if each["paper"] is None or (grows and not best.exists()):
            found.append(each)
            continue
        checkpoint = Checkpoint.load(best) if best.exists() else None
        model = checkpoint.model() if checkpoint else build_system(system).eval()
        recipe = checkpoint.recipe if checkpoint else system
        found.append(each | {"latency_ms": latency_of(recipe, model)})
    return found


def latency_of(recipe: Recipe, model: nn.Module) -> Papers:
    """Return the percentiles of one full window in ONNX Runtime on one thread, milliseconds.

    Beside them stand the day and the processor.
    """
    windowing = recipe.windowing
    columns, frames = windowing.front_end.columns, windowing.window_frames
    graph = to_onnx(model, bands=columns, frames=frames).SerializeToString()
    times = interleaved_ms([graph], bands=columns, frames=frames)[0]
    return percentiles(times, frames=frames) | {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": describe_machine()["processor"],
    }


def _figures(system: System, place: Place, protocol: str, file: Path) -> Papers:
    evaluation = Evaluation.load(file)
    ran = len(evaluation.folds)
    figures: Papers = {
        "accuracy": evaluation.accuracy,
        "uar": evaluation.uar,
        "f1": round(100 * macro_f1(evaluation.matrix), 2),
        "clips": evaluation.clips,
        "epochs": evaluation.epochs,
        # Not the evaluation's own: those of before left out the seed and the weights.
        "command": _command(system, place, protocol, ran if ran < PUBLISHED_FOLDS else 0),
        "date": datetime.fromtimestamp(file.stat().st_mtime, UTC).date().isoformat(),
    }
    if protocol == "folds":
        figures |= {
            "corpus": evaluation.corpus,
            "folds": ran,
            "published_folds": PUBLISHED_FOLDS,
            "uar_fold_mean": evaluation.uar_fold_mean,
            "uar_fold_deviation": evaluation.uar_fold_deviation if ran > 1 else None,
        }
    return figures


def macro_f1(confusion: Confusion) -> float:
    """Return the mean over the classes of the harmonic mean of precision and recall."""
    counts = confusion.counts
    right = np.diag(counts)
    both = counts.sum(axis=0) + counts.sum(axis=1)
    there = counts.sum(axis=1) > 0
    return float((2 * right[there] / np.maximum(both[there], 1)).mean())
