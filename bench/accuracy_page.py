"""The figures of `affectd bench accuracy` as tables of a page, and as one plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from affectd.bench.marked import put_between

__all__ = ["WANTED", "command_of", "plot", "put_into", "tables"]

Figures = dict[str, Any]

WANTED: dict[str, dict[str, float]] = {
    "fast": {
        "ravdess-8": 68,
        "nemo-6": 60,
        "emodb-7": 82,
        "tess-7": 70,
        "four-unseen": 58,
    },
    "open": {
        "crema-d-6": 62,
        "emodb-7": 82,
        "four-unseen": 58,
    },
    "accurate": {
        "ravdess-8": 76,
        "nemo-6": 66,
        "emodb-7": 88,
        "tess-7": 76,
        "four-unseen": 64,
    },
}
"""UAR that the project wants at least, percent."""
ERROR_WANTED = {"error_unseen_speakers": 4.0, "error_unseen_corpus": 10.0}
"""Expected calibration error that the project wants at most, percent."""

_SAYS = {
    "ravdess-8": "RAVDESS, 8 classes, EmoBox's 6 folds",
    "nemo-6": "nEMO, 6 classes, leaving one speaker out",
    "emodb-7": "EmoDB, 7 classes, leaving one speaker out",
    "tess-7": "TESS, 7 classes, the other speaker",
    "crema-d-6": "CREMA-D, 6 classes, EMO-SUPERB's 5 folds",
    "four-unseen": "four classes, unseen corpus: mean of four",
    "four-unseen-ravdess": "four classes, RAVDESS unseen",
    "four-unseen-emodb": "four classes, EmoDB unseen",
    "four-unseen-nemo": "four classes, nEMO unseen",
    "four-unseen-tess": "four classes, TESS unseen",
}


def command_of(model: str) -> str:
    """Return the command that makes a model's figures, which marks their place in a page."""
    return f"affectd bench accuracy --model {model}"


def tables(told: Figures) -> str:
    """Return what a page says of a model's figures, all of it from them."""
    runs = told["runs"]
    seeds = ", ".join(str(run["seed"]) for run in runs)
    dates = sorted(run["date"][:10] for run in runs)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    parts = [
        f"`{told['command']}`, {when}; seeds {seeds}.",
        _accuracies(told),
        _calibration(runs),
        _sexes(runs),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def put_into(page: Path, told: Figures) -> None:
    """Write a model's tables into a page, between its two marks.

    Raises:
        ValueError: the page is not there, or lacks a mark.
    """
    put_between(page, command_of(told["model"]), tables(told))


def _accuracies(told: Figures) -> str:
    wanted = WANTED.get(told["model"], {})
    lines = [
        f"| protocol | clips | UAR % | each model, seed {told['runs'][0]['seed']} "
        "| wanted at least | | this corpus alone |",
        "|---|---:|---:|---|---:|---|---:|",
    ]
    first = told["runs"][0]["protocols"]
    for name, figures in told["summary"].items():
        one = first.get(name)
        spread = f" ± {figures['deviation']:.1f}" if figures["seeds"] > 1 else ""
        folds = one["folds"] if one else []
        each = ", ".join(f"{fold['uar']:.0f}" for fold in folds) if len(folds) > 1 else ""
        least = wanted.get(name)
        missed = (least or 0) - figures["mean"]
        verdict = "" if least is None else f"missed by {missed:.1f}" if missed > 0 else "reached"
        alone = told["alone"].get(name)
        lines.append(
            f"| {_SAYS.get(name, name)} | {one['clips'] if one else ''} "
            f"| **{figures['mean']:.1f}**{spread} | {each} | {'' if least is None else least} "
            f"| {verdict} | {alone['uar'] if alone else ''} |"
        )
    return "\n".join(lines)


def _calibration(runs: list[Figures]) -> str:
    lines = [
        "| expected calibration error, % | unseen speakers | unseen corpus |",
        "|---|---:|---:|",
    ]
    kinds = [runs[0]["calibration"][kind] for kind in ERROR_WANTED]
    for corpus in dict.fromkeys(name for kind in reversed(kinds) for name in kind):
        cells = [
            f"{_mean(runs, 'calibration', kind, corpus):.1f}" if corpus in known else ""
            for kind, known in zip(ERROR_WANTED, kinds, strict=True)
        ]
        lines.append(f"| {corpus} | {cells[0]} | {cells[1]} |")
    least, most = ERROR_WANTED.values()
    lines.append(f"| wanted at most | {least:g} | {most:g} |")
    return "\n".join(lines)


def _sexes(runs: list[Figures]) -> str:
    lines = ["| UAR % | women | men | apart |", "|---|---:|---:|---:|"]
    for name, figures in runs[0]["protocols"].items():
        if figures["uar_by_sex"] and not name.startswith("four"):
            women, men = (
                _mean(runs, "protocols", name, "uar_by_sex", sex) for sex in ("female", "male")
            )
            lines.append(f"| {name} | {women:.1f} | {men:.1f} | {abs(women - men):.1f} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _mean(runs: list[Figures], *keys: str) -> float:
    total = 0.0
    for run in runs:
        value: Any = run
        for key in keys:
            value = value[key]
        total += float(value)
    return total / len(runs)


def plot(told: Figures, path: Path) -> None:
    """Draw each protocol's UAR, that of each fold, and what is wanted."""
    from matplotlib.figure import Figure

    names = list(told["summary"])
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    means = [told["summary"][name]["mean"] for name in names]
    spreads = [told["summary"][name]["deviation"] for name in names]
    axes.barh(range(len(names)), means, xerr=spreads, color="#a8c5e6", ecolor="#204a87")
    for place, name in enumerate(names):
        for run in told["runs"]:
            folds = run["protocols"].get(name, {}).get("folds", [])
            axes.plot([fold["uar"] for fold in folds], [place] * len(folds), ".", color="#3465a4")
        if (least := WANTED.get(told["model"], {}).get(name)) is not None:
            axes.plot([least] * 2, [place - 0.4, place + 0.4], color="#cc0000")
    axes.set_yticks(range(len(names)), [_SAYS.get(name, name) for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"UAR of {told['model']}, %: mean and deviation over seeds, folds, and wanted")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=100)
