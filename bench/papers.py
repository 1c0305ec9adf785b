"""What the papers' systems reach here: on the paper's split, and on speakers never heard."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from affectd.bench.papers_file import FOLDS_CORPUS, Papers
from affectd.export.conversion import to_onnx
from affectd.export.latency import interleaved_ms, percentiles
from affectd.models.checkpoint import Checkpoint
from affectd.models.evaluation import Evaluation
from affectd.models.extra import MissingExtraError
from affectd.models.foreign_weights import WeightsError
from affectd.models.metrics import Confusion
from affectd.models.spelling import nearest
from affectd.models.system_protocols import (
    Place,
    evaluate_system_folds,
    evaluate_system_paper,
    run_folder,
)
from affectd.models.system_training import build_system
from affectd.models.systems import System, system_named, systems
from affectd.models.training import BEST

__all__ = [
    "ORDER",
    "PROTOCOLS",
    "protocols_named",
    "remove_runs",
    "run_papers",
]

ORDER = (
    "cnn2-stft",
    "dnn-stft",
    "mlp",
    "random-forest",
    "crnn-4",
    "cnn-4",
    "cnn4-elu",
    "cnn-mlp",
    "crnn",
    "dnn-253",
    "dnn-253-relative",
    "dnn-253-speaker",
    "cnn1d",
    "lstm-stft",
    "lstm-2x64",
    "lstm",
    "whisper-tiny-blocks-2",
    "whisper-tiny-blocks-2-tuned",
    "cnn-3",
    "cnn-3-pretrained-25",
    "cnn-3-pretrained-30",
    "dscnn",
    "cnn-3-augmented",
    "cnn-4-augmented",
    "cnn-blstm-attention-without-cnn",
    "cnn4-elu-sex",
    "cnn-blstm-attention-without-lstm",
    "cnn-lstm",
    "cnn-blstm-attention",
    "cnn-blstm",
    "cnn-blstm-attention-without-dropout",
    "cnn-blstm-attention-without-l2",
    "cnn",
    "cnn-5",
    "cnn-5-augmented",
    "cnn-lstm-attention-4",
)
"""Those with a figure to reach first, then the others, the cheapest first; what is not named comes
last."""

PROTOCOLS = ("paper", "folds", "further")
"""The paper's own, published folds of unseen speakers, and the paper's own on further corpora."""
PUBLISHED_FOLDS = 6
"""Of that corpus; see `affectd.models.folds.folds`."""
Say = Callable[[str], None]


def run_papers(
    place: Place,
    *,
    names: Sequence[str] = (),
    protocols: Sequence[str] = PROTOCOLS,
    train: bool = True,
    most_folds: int = 0,
    earlier: Mapping[str, Papers] | None = None,
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
        most_folds: Train and score on so many folds, the first ones; on all where it is 0.
        earlier: Rows that `kept` found, used for protocols that have no run here.
        say: Told a line for each figure.
    """
    known = sorted(systems(), key=lambda name: (ORDER.index(name) if name in ORDER else 999, name))
    wanted = [system_named(name).name for name in names] or known
    if train:
        for protocol in protocols:
            for name in wanted:
                system = system_named(name)
                if system.pretrained and place.weights is None:
                    say(f"{name} needs weights: {system.needs_weights}")
                    continue
                try:
                    _train(system, place, protocol, most_folds=most_folds, say=say)
                except WeightsError as error:
                    if names:
                        raise
                    say(f"{name} is left out: {error}")
    return [_row_or_earlier(system_named(name), place, earlier or {}) for name in known]


def _train(system: System, place: Place, protocol: str, *, most_folds: int, say: Say) -> None:
    for each in system.on_further_corpora if protocol == "further" else (system,):
        evaluation = evaluated(each, place, protocol, train=True, most_folds=most_folds)
        assert evaluation is not None
        told = f" on {evaluation.corpus}" if protocol == "further" else ""
        say(
            f"{system.name}, {protocol}{told}: accuracy {evaluation.accuracy:.1f} %, "
            f"UAR {evaluation.uar:.1f} %"
        )


def protocols_named(names: Sequence[str]) -> tuple[str, ...]:
    """Return the protocols, all of them where none is named.

    Raises:
        ValueError: one is unknown.
    """
    for name in names:
        if name not in PROTOCOLS:
            raise ValueError(f"no protocol {name!r}; {nearest(name, PROTOCOLS)}")
    return tuple(names) or PROTOCOLS


def remove_runs(names: Sequence[str], place: Place) -> None:
    """Remove what is kept of systems that are to be trained from nothing.

    Raises:
        RecipeError: a name is unknown; the message lists the near ones, and nothing is removed.
    """
    for system in [system_named(name) for name in names]:
        for each in (system, *system.on_further_corpora):
            for path in place.runs.glob(f"{run_folder(each, place, '').name}*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def evaluated(
    system: System, place: Place, protocol: str, *, train: bool, most_folds: int = 0
) -> Evaluation | None:
    """Return the evaluation of a system, from the folder of the runs where it is there.

    Without training, that on the most folds counts. With the protocol ``further`` the system is one
    of another's `System.on_further_corpora`.
    """
    suffix = f"{FOLDS_CORPUS}-folds" if protocol == "folds" else "paper"
    file = run_folder(system, place, suffix).with_suffix(".json")
    if file.exists():
        return Evaluation.load(file)
    if protocol == "folds" and most_folds:
        file = file.with_stem(f"{file.stem}-{most_folds}")
        if file.exists():
            return Evaluation.load(file)
    if not train:
        parts = [Evaluation.load(path) for path in file.parent.glob(f"{file.stem}-*.json")]
        return max(parts, key=lambda part: len(part.folds), default=None)
    command = f"affectd bench papers --run {system.name} --protocol {protocol}"
    if protocol != "folds":
        evaluation = evaluate_system_paper(system, place, command=command)
    else:
        if most_folds:
            command += f" --folds {most_folds}"
        evaluation = evaluate_system_folds(
            system, place, corpus=FOLDS_CORPUS, command=command, most=most_folds
        )
    evaluation.save(file)
    return evaluation


def _row_or_earlier(system: System, place: Place, earlier: Mapping[str, Papers]) -> Papers:
    found = row(system, place)
    before = earlier.get(system.name)
    # Of another configuration or seed, the earlier figures are not this system's any more.
    if before is None or any(before.get(key) != found[key] for key in ("configuration", "seed")):
        return found
    measured = (*PROTOCOLS, "latency_ms", "parameters")
    merged = found | {key: before[key] for key in measured if not found[key] and key in before}
    told = {tuple(one["corpora"]): one for one in (*before.get("further", ()), *found["further"])}
    # A set that the recipe does not name any more is not told.
    sets = [tuple(each.corpora) for each in system.on_further_corpora]
    merged["further"] = [told[each] for each in sets if each in told]
    if (before.get("folds") or {}).get("folds", 0) > (found["folds"] or {}).get("folds", 0):
        merged["folds"] = before["folds"]
    return merged


def row(system: System, place: Place) -> Papers:
    """Return everything the table says of a system."""
    figures: Papers = {
        "system": system.name,
        "source": system.source,
        "published": [each.model_dump() for each in system.published],
        "corpora": list(system.corpora),
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
        evaluation = evaluated(system, place, protocol, train=False)
        if evaluation is not None:
            figures[protocol] = _figures(evaluation, protocol)
    for each in system.on_further_corpora:
        evaluation = evaluated(each, place, "further", train=False)
        if evaluation is not None:
            told = {"corpora": list(each.corpora)}
            figures["further"].append(told | _figures(evaluation, "further"))
    best = run_folder(system, place, "paper") / BEST
    if figures["paper"] is None or not best.exists():
        # A forest knows its size when it is grown.
        figures["parameters"] = parameters(system) if system.architecture != "forest" else None
        return figures
    checkpoint = Checkpoint.load(best)
    figures["parameters"] = parameters(checkpoint.recipe)
    figures["latency_ms"] = latency_of(checkpoint)
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


def latency_of(checkpoint: Checkpoint) -> dict[str, float]:
    """Return the percentiles of one full window in ONNX Runtime on one thread, milliseconds."""
    windowing = checkpoint.recipe.windowing
    columns, frames = windowing.front_end.columns, windowing.window_frames
    graph = to_onnx(checkpoint.model(), bands=columns, frames=frames).SerializeToString()
    return percentiles(interleaved_ms([graph], bands=columns, frames=frames)[0], frames=frames)


def _figures(evaluation: Evaluation, protocol: str) -> Papers:
    figures: Papers = {
        "accuracy": evaluation.accuracy,
        "uar": evaluation.uar,
        "f1": round(100 * macro_f1(evaluation.matrix), 2),
        "clips": evaluation.clips,
        "epochs": evaluation.epochs,
        "command": evaluation.command,
    }
    if protocol == "folds":
        figures |= {
            "corpus": evaluation.corpus,
            "folds": len(evaluation.folds),
            "published_folds": PUBLISHED_FOLDS,
            "uar_fold_mean": evaluation.uar_fold_mean,
            "uar_fold_deviation": evaluation.uar_fold_deviation,
        }
    return figures


def macro_f1(confusion: Confusion) -> float:
    """Return the mean over the classes of the harmonic mean of precision and recall."""
    counts = confusion.counts
    right = np.diag(counts)
    both = counts.sum(axis=0) + counts.sum(axis=1)
    there = counts.sum(axis=1) > 0
    return float((2 * right[there] / np.maximum(both[there], 1)).mean())
