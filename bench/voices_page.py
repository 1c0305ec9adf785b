"""The figures of `affectd bench voices` as a table of a page, and as one plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from affectd.bench.marked import put_between

__all__ = ["command_of", "plot", "put_into", "table"]

Figures = dict[str, Any]

WANTED: dict[str, dict[str, dict[str, float]]] = {
    "fast": {"20 at random": {"ravdess-8": 5.0, "nemo-6": 5.0}},
}
"""Points of UAR that a model is wanted to gain at least, by acquaintance and protocol."""

_SAYS = {
    "ravdess-8": "RAVDESS",
    "nemo-6": "nEMO",
    "emodb-7": "EmoDB",
    "tess-7": "TESS",
    "crema-d-6": "CREMA-D",
}


def command_of(model: str, *, development: bool) -> str:
    """Return the command that makes a model's figures, which marks their place in a page."""
    return f"affectd bench voices --model {model}" + (" --development" if development else "")


def table(told: Figures) -> str:
    """Return what a page says of what it gains to know a voice."""
    protocols: Figures = told["protocols"]
    seeds = ", ".join(str(seed) for seed in told["seeds"])
    by = "seeds" if told["seeds"][1:] else "seed"
    lines = [
        f"`{_command(told)}`, {told['machine']['measured_at'][:10]}; {by} {seeds}.",
        "",
        f"| known by | {' | '.join(_SAYS.get(name, name) for name in protocols)} |",
        f"|---|{'---:|' * len(protocols)}",
    ]
    for how in _acquaintances(protocols):
        cells = [_cell(figures.get(how)) for figures in protocols.values()]
        lines.append(f"| {how} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def put_into(page: Path, told: Figures) -> None:
    """Write a model's table into a page, between its two marks.

    Raises:
        ValueError: the page is not there, or lacks a mark.
    """
    put_between(page, _command(told), table(told))


def plot(told: Figures, path: Path) -> None:
    """Draw what each acquaintance gains on each corpus, and what is wanted."""
    from matplotlib.figure import Figure

    protocols: Figures = told["protocols"]
    ways = _acquaintances(protocols)
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    height = 0.8 / len(protocols)
    for row, (name, figures) in enumerate(protocols.items()):
        shift = (row - (len(protocols) - 1) / 2) * height
        places = {how: place + shift for place, how in enumerate(ways) if how in figures}
        gains = [figures[how]["gain"] for how in places]
        axes.barh(list(places.values()), gains, height=height, label=_SAYS.get(name, name))
        for how, place in places.items():
            least = WANTED.get(told["model"], {}).get(how, {}).get(name)
            if least is not None and not told["development"]:
                axes.plot([least] * 2, [place - height / 2, place + height / 2], color="black")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(ways)), ways)
    axes.invert_yaxis()
    wanted = told["model"] in WANTED and not told["development"]
    goals = "; line: wanted at least" if wanted else ""
    axes.set_xlabel(f"points of UAR that {told['model']} gains by knowing the voice{goals}")
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=100)


def _command(told: Figures) -> str:
    return command_of(told["model"], development=told["development"])


def _acquaintances(protocols: Figures) -> list[str]:
    return list(dict.fromkeys(how for figures in protocols.values() for how in figures))


def _cell(one: Figures | None) -> str:
    if one is None:
        return "–"  # nobody has spoken as much
    around = "" if one["deviation"] is None else f" ± {one['deviation']:.1f}"
    return f"{one['without']:.1f} → {one['with']:.1f}, **{one['gain']:+.1f}**{around}"
