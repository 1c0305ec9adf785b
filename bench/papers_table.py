"""The papers' systems as a table in Markdown and as one plot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from affectd.bench.marked import mark, put_between
from affectd.bench.papers_file import FOLDS_CORPUS, Papers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["markdown", "plot", "put_into"]

_COMMAND = "affectd bench papers"
_COLOUR = "#3465a4"

# Where a name stands beside its point, in points, and which end of it is there; the last one
# where all else is taken.
_PLACES = (
    ((6, 0), "left"),
    ((6, 7), "left"),
    ((6, -7), "left"),
    ((-6, 0), "right"),
    ((-6, 7), "right"),
    ((-6, -7), "right"),
    ((6, 14), "left"),
    ((6, -14), "left"),
)

_HEAD = (
    "| system | classes | parameters | published, % | here, same protocol, % "
    "| unseen speakers, UAR % | p50 ms |\n"
    "|---|---:|---:|---|---|---|---:|"
)


def markdown(rows: Iterable[Papers]) -> str:
    """Return the tables, one for each source, with what is to be said of each system under it."""
    ordered = sorted(rows, key=lambda each: str(each["source"]))
    parts: list[str] = []
    for source, members in groupby(ordered, key=lambda each: str(each["source"])):
        group = list(members)
        parts.append("\n".join([f"### {source}", "", _HEAD, *map(_line, group)]))
        notes = [f"- `{each['system']}`: {said}" for each in group if (said := _said(each))]
        if notes:
            parts.append("\n".join(notes))
    return "\n\n".join(parts) + "\n"


def put_into(page: Path, table: str) -> None:
    """Write a table to a file, or, where that is a page with the two marks, between them.

    Raises:
        ValueError: the page has one of the marks alone.
    """
    text = page.read_text("utf-8") if page.exists() else ""
    if mark(_COMMAND) in text or mark(_COMMAND, end=True) in text:
        put_between(page, _COMMAND, table)
    else:
        page.write_text(table, "utf-8")


def _line(each: Papers) -> str:
    latency = f"{each['latency_ms']['p50_ms']:.2f}" if each["latency_ms"] else "–"
    cells = (
        f"`{each['system']}`",
        "–" if each["classes"] is None else str(each["classes"]),
        _count(each["parameters"]),
        _published(each["published"]),
        _here(each),
        _unseen(each),
        latency,
    )
    return f"| {' | '.join(cells)} |"


def _count(parameters: int | None) -> str:
    if parameters is None:
        return "–"
    return f"{parameters / 1e6:.2f} M" if parameters >= 1e5 else f"{parameters / 1e3:.1f} k"


def _published(published: Sequence[Papers]) -> str:
    return (
        "; ".join(f"{one['accuracy']:g} ({one['protocol']}{_f1(one)})" for one in published) or "–"
    )


def _f1(figures: Papers) -> str:
    return "" if figures["f1"] is None else f"; F1 {figures['f1'] / 100:.2f}"


def _here(each: Papers) -> str:
    reached = list(each["further"])
    if each["paper"] is not None:
        reached.insert(0, {"corpora": each["corpora"], **each["paper"]})
    if not reached:
        return "needs weights" if each["needs_weights"] else "not trained here yet"
    return "; ".join(_reached(figures, each["published"]) for figures in reached)


def _reached(figures: Papers, published: Sequence[Papers]) -> str:
    accuracy, heard = figures["accuracy"], set(figures["corpora"])
    told = [" + ".join(figures["corpora"])]
    same = [one for one in published if set(one["corpora"]) == heard]
    wider = [one for one in published if heard < set(one["corpora"])]
    if same:
        told.insert(0, f"{accuracy - same[0]['accuracy']:+.1f}")
    elif wider:
        missing = set().union(*(one["corpora"] for one in wider)) - heard
        told[0] += f", without {', '.join(sorted(missing))}"
    f1 = _f1(figures) if any(one["f1"] is not None for one in same or wider) else ""
    return f"**{accuracy:.1f}** ({'; '.join(told)}; UAR {figures['uar']:.1f}{f1})"


def _unseen(each: Papers) -> str:
    figures = each["folds"]
    if figures is None:
        return "–" if each["paper"] is None else "not trained here yet"
    ran, published = figures["folds"], figures["published_folds"]
    part = "" if ran == published else f", {ran} of {published} folds"
    deviation = figures["uar_fold_deviation"]
    around = "" if deviation is None else f" ± {deviation:.1f}"
    return f"**{figures['uar_fold_mean']:.1f}**{around} ({figures['corpus']}{part})"


def _said(each: Papers) -> str:
    parts = [each["note"]] if each["note"] else []
    if each["paper"] is None:
        if each["needs_weights"]:
            parts.append(f"needs {each['needs_weights']}")
        parts.append(f"not trained here yet: `affectd bench papers --run {each['system']}`")
    return "; ".join(parts)


def plot(rows: Iterable[Papers], path: Path) -> bool:
    """Draw accuracy on unseen speakers against latency; return whether there was anything."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    drawn = [each for each in rows if each["folds"] and each["latency_ms"]]
    if not drawn:
        return False
    figure = Figure(figsize=(9, 6))
    axes = figure.add_axes((0.08, 0.1, 0.9, 0.87))
    points = [(each["latency_ms"]["p50_ms"], each["folds"]["uar_fold_mean"]) for each in drawn]
    for each, (x, y) in zip(drawn, points, strict=True):
        figures = each["folds"]
        axes.errorbar(
            x,
            y,
            yerr=figures["uar_fold_deviation"],
            fmt="o",
            color=_COLOUR,
            ecolor="#a8c5e6",
            capsize=2,
            markerfacecolor=_COLOUR if figures["folds"] == figures["published_folds"] else "white",
        )
    axes.set_xscale("log")
    axes.set_xlim(0.8 * min(x for x, _ in points), 2.6 * max(x for x, _ in points))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("p50 of a full window, ONNX Runtime, one thread (ms)")
    axes.set_ylabel(f"UAR on unseen speakers of {FOLDS_CORPUS} (%)")
    axes.grid(alpha=0.3)
    kinds = ((_COLOUR, "all published folds"), ("white", "some folds only"))
    axes.legend(
        handles=[
            Line2D(
                [], [], linestyle="", marker="o", color=_COLOUR, markerfacecolor=face, label=kind
            )
            for face, kind in kinds
        ],
        loc="lower right",
        fontsize=8,
        title="± deviation over folds; (n) classes, if not 7 or 8",
        title_fontsize=8,
    )
    _name(axes, [_named(each) for each in drawn], points)
    figure.savefig(path)
    return True


def _named(each: Papers) -> str:
    """Return a system's name, with the number of its classes where the most have another one."""
    usual = each["classes"] in (None, 7, 8)
    return str(each["system"]) if usual else f"{each['system']} ({each['classes']})"


def _name(axes: Axes, names: Sequence[str], points: Sequence[tuple[float, float]]) -> None:
    """Write names beside points, each at the first place where it covers no other and no point."""
    from matplotlib.transforms import Bbox

    taken = [
        Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in axes.transData.transform(points).tolist()
    ]
    for name, point in sorted(zip(names, points, strict=True), key=lambda each: -each[1][1]):
        for place, (shift, align) in enumerate(_PLACES):
            text = axes.annotate(
                name, point, shift, textcoords="offset points", ha=align, va="center", size=7
            )
            box = text.get_window_extent()
            if place == len(_PLACES) - 1 or not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()
