"""The figures of `affectd bench robustness` and `coverage` as tables of a page, and as plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from affectd.bench.marked import put_between

__all__ = ["command", "plot", "put_into", "tables"]

Figures = dict[str, Any]

_SOUNDS = {
    "recorded": "ESC-10",
    "recorded_not_fitted_on": "ESC-10, the folds not fitted on",
    "synthesised": "synthesised",
}


def command(told: Figures) -> str:
    """Return the command whose figures they are."""
    return f"affectd bench {told['benchmark']} --model {told['models'][0]}"


def tables(told: Figures) -> str:
    """Return what a page says of a model's figures, all of it from them.

    Args:
        told: What ``--json`` of one of the two commands wrote.
    """
    rows = _robustness(told) if told["benchmark"] == "robustness" else _coverage(told)
    return f"{_of_what(told)}\n\n{rows}\n"


def put_into(page: Path, told: Figures) -> None:
    """Write a model's tables into a page, between its two marks.

    Raises:
        ValueError: the page is not there, or lacks a mark.
    """
    put_between(page, command(told), tables(told))


def _of_what(told: Figures) -> str:
    models = told["models"]
    who = f"`{models[0]}`"
    if len(models) > 1:
        who += f", by {len(models)} models of its folds in full precision"
    corpora = told["corpora"].items()
    known = [name for name, each in corpora if each["speakers_are"] == "heard in training"]
    who += ", speakers not heard in training" if not known else ""
    *most, last = (
        f"{name} (heard in training)" if name in known else name for name in told["corpora"]
    )
    spoken = f"{', '.join(most)} and {last}" if most else last
    clips = f"{told['clean']['clips']:,} clips of " if "clean" in told else ""
    return f"{who}: {clips}{spoken}, {told['machine']['measured_at'][:10]}, seed {told['seed']}."


def _robustness(told: Figures) -> str:
    clean = told["clean"]
    lines = [
        "| altered | unchanged % | UAR % | points lost | named % | goal |",
        "|---|---:|---:|---:|---:|---|",
        f"| not at all | | {clean['uar']:.1f} | | {clean['named']:.1f} | |",
    ]
    for each in told["alterations"]:
        cells = (f"{each[name]:.1f}" for name in ("unchanged", "uar", "uar_lost", "named"))
        lines.append(f"| {each['alteration']} | {' | '.join(cells)} | {_goal(each)} |")
    sexes = "; ".join(
        f"{corpus} {_group(each['female'])} and {_group(each['male'])}"
        for corpus, each in told["by_sex"].items()
    )
    if sexes:
        lines += ["", f"UAR of women and men, and how many they are: {sexes}."]
    return "\n".join(lines)


def _group(told: Figures) -> str:
    return f"{told['uar']:.1f} % ({told['speakers']})"


def _coverage(told: Figures) -> str:
    lines = [
        "| windows of | windows | named % | withheld, % | goal |",
        "|---|---:|---:|---|---|",
    ]
    speech = told["speech"]
    for name, each in (*told["corpora"].items(), ("all speech", speech)):
        lines.append(_windows(name, each, 100 - each["withheld"]))
    lines += [
        _windows(said, told[name], told[name]["named"])
        for name, said in _SOUNDS.items()
        if told.get(name)
    ]
    errors = ", ".join(
        f"{each['error']:.1f} % of {kind}" for kind, each in told["calibration"].items() if each
    )
    surer = min(told["coverage"]["windows"], key=lambda each: abs(float(each["coverage"]) - 50))
    return "\n".join(
        [
            *lines,
            "",
            f"Calibration error: {errors}. Right are",
            f"{speech['accuracy']:.1f} % of all windows, {speech['accuracy_where_named']:.1f} % of "
            f"those where an emotion is named, and {surer['accuracy']:.1f} % of the surer half.",
        ]
    )


def _windows(name: str, told: Figures, named: float) -> str:
    why = ", ".join(f"`{reason}` {share:.1f}" for reason, share in told["reasons"].items())
    return f"| {name} | {told['windows']:,} | {named:.1f} | {why} | {_goal(told)} |"


def _goal(told: Figures) -> str:
    if "goal" not in told:
        return ""
    return f"{told['goal']}: {'met' if told['met'] else '**missed**'}"


def plot(told: Figures, path: Path) -> None:
    """Draw what each alteration leaves of the UAR, or reliability and accuracy over coverage.

    Args:
        told: What ``--json`` of one of the two commands wrote.
        path: Of the picture, PNG.
    """
    from matplotlib.figure import Figure

    if told["benchmark"] == "robustness":
        figure = Figure(figsize=(8, 5), layout="constrained")
        _draw_alterations(figure.add_subplot(), told)
    else:
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_reliability(left, told)
        _draw_coverage(right, told)
    figure.savefig(path, dpi=100)


def _draw_alterations(axes: Any, told: Figures) -> None:
    altered = told["alterations"]
    names = [each["alteration"] for each in altered]
    colours = ["#ef9a9a" if each.get("met") is False else "#a8c5e6" for each in altered]
    axes.barh(range(len(names)), [each["uar"] for each in altered], color=colours)
    axes.axvline(told["clean"]["uar"], color="#204a87", label="UAR of speech as it is")
    axes.plot(
        [each["unchanged"] for each in altered],
        range(len(names)),
        "o",
        color="#4e9a06",
        label="labels unchanged",
    )
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"UAR of {told['models'][0]}, %; red where a goal is missed")
    axes.figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    axes.grid(axis="x", alpha=0.3)


def _draw_reliability(axes: Any, told: Figures) -> None:
    axes.plot([0, 100], [0, 100], color="#888a85", linewidth=1)
    for kind, colour in (("windows", "#3465a4"), ("utterances", "#ce5c00")):
        if not (each := told["calibration"][kind]):
            continue  # no utterance was heard to its end
        bins = each["reliability"]
        x, y = ([one[name] for one in bins] for name in ("confidence", "accuracy"))
        axes.plot(x, y, color=colour, linewidth=1)
        axes.scatter(
            x,
            y,
            s=[6 * one["share"] for one in bins],
            color=colour,
            alpha=0.7,
            label=f"{kind}: error {each['error']:.1f} %",
        )
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xlabel("confidence, %; areas are shares")
    axes.set_ylabel(f"right, % ({told['models'][0]})")
    axes.legend(loc="upper left", fontsize=8)
    axes.grid(alpha=0.3)


def _draw_coverage(axes: Any, told: Figures) -> None:
    for kind, colour in (("windows", "#3465a4"), ("utterances", "#ce5c00")):
        points = told["coverage"][kind]
        axes.plot(
            [one["coverage"] for one in points],
            [one["accuracy"] for one in points],
            color=colour,
            label=kind,
        )
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xlabel("coverage: the surest, %")
    axes.set_ylabel("right, %")
    axes.legend(loc="lower left", fontsize=8)
    axes.grid(alpha=0.3)
