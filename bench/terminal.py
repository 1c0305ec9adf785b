"""What the benchmarks say in the terminal: how far they are, and their figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from affectd.bench.options import earlier

__all__ = ["bar", "print_coverage", "print_latency", "print_robustness", "report", "say"]


@contextmanager
def bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many are done, and how long the rest will take."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), unit, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(unit)
        yield lambda done, of: bars.update(task, completed=done, total=of)


def say(text: str) -> None:
    """Tell what is being measured now."""
    print(f"measuring: {text}", file=sys.stderr, flush=True)


def report(
    name: str,
    figures: dict[str, Any],
    json_file: Path | None,
    html: Path | None,
    compare: Path | None,
    *,
    svg: Path | None = None,
    png: Path | None = None,
    marked: Path | None = None,
    show: Callable[[Any, dict[str, Any]], None] | None = None,
) -> None:
    """Print a benchmark's figures and the machine, and write them to the files that are named.

    Args:
        name: Of the benchmark.
        figures: What was measured.
        json_file: Gets all of it.
        html: Gets a page with plots.
        compare: An earlier run's JSON, shown beside.
        svg: Gets the plots alone.
        png: Gets one picture of a model's robustness or coverage.
        marked: A page that gets their tables, between its marks.
        show: Prints the figures; by default as one table.
    """
    from rich.console import Console

    from affectd.bench.machine import describe_machine
    from affectd.bench.report import comparison, missing_of, page, picture, table
    from affectd.bench.robustness_page import plot, put_into

    document = {"benchmark": name, "machine": describe_machine()} | figures
    console = Console()
    machine = document["machine"]
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python "
        f"{machine['python']}, {machine['versions']}, load average of the last minute "
        f"{machine['load_average']}"
    )
    if compare:
        console.print(comparison(earlier(compare), document))
    elif show:
        show(console, document)
    else:
        console.print(table(document))
    for each in missing_of(document):
        console.print(f"not measured: {each}", markup=False)
    if json_file:
        json_file.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    if html:
        html.write_text(page(document), "utf-8")
    if svg:
        svg.write_text(picture(document), "utf-8")
    if png:
        plot(document, png)
    if marked:
        put_into(marked, document)


def print_latency(console: Any, figures: dict[str, Any]) -> None:
    """Print where the time goes from the sound to a client."""
    from rich.table import Table

    table = Table("milliseconds", "p50", "p95", "p99", "max", title=f"{figures['windows']} windows")
    rows = {
        "ring to client": figures["ring_to_client_ms"],
        "capture to client": figures["capture_to_client_ms"],
        "utterance, after its hang-over": figures["utterance_ms"],
        **{f"  {name}": values for name, values in figures["stages_ms"].items()},
    }
    for name, values in rows.items():
        if values:
            table.add_row(name, *(f"{values[key]:.2f}" for key in ("p50", "p95", "p99", "max")))
    console.print(table)
    logmel = figures["logmel"]
    hop = logmel["hop_us"]
    console.print(
        f"log-mel: {hop['p50']:.1f} µs a hop (p99 {hop['p99']:.1f}), call included; "
        f"{_ratio(logmel['librosa_hop_ratio'])} a hop, "
        f"{_ratio(logmel['librosa_window_ratio'])} a 3 s window"
    )
    memory = figures["memory_mib"]
    held = "memory: not measured in less than a minute"
    if memory["last"] is not None:
        held = (
            f"memory: {memory['last']} MiB after {memory['after_seconds']} s "
            f"({memory['first']} MiB after one minute)"
        )
    console.print(
        f"start: ready in {figures['ready_seconds']} s, first event after "
        f"{figures['first_event_seconds']} s; {held}; "
        f"events of gaps, load and errors: {figures['other_events'] or 'none'}; slip of the "
        f"schedule: {figures['slip_ms']} ms"
    )


def print_robustness(console: Any, figures: dict[str, Any]) -> None:
    """Print what becomes of answers to altered speech."""
    from rich.table import Table

    clean = figures["clean"]
    for name, told in figures["corpora"].items():
        console.print(
            f"{name}: {told['clips']} clips, speakers {told['speakers_are']}, UAR {told['uar']} %"
        )
    table = Table(
        "altered",
        "unchanged %",
        "UAR %",
        "lost",
        "named %",
        "goal",
        title=f"{clean['clips']} clips, UAR {clean['uar']} % as they are, {clean['named']} % named",
    )
    for told in figures["alterations"]:
        goal = f"{told['goal']}: {'met' if told['met'] else 'missed'}" if "goal" in told else ""
        cells = (f"{told[name]:.1f}" for name in ("unchanged", "uar", "uar_lost", "named"))
        table.add_row(told["alteration"], *cells, goal)
    console.print(table)
    for title in ("by_sex", "by_age"):
        for corpus, told in figures[title].items():
            parts = ", ".join(
                f"{name} {part['uar']} % ({part['speakers']} speakers, {part['clips']} clips)"
                for name, part in told.items()
                if name != "gap"
            )
            console.print(f"{corpus}: UAR {parts}; gap {told['gap']} points")


def print_coverage(console: Any, figures: dict[str, Any]) -> None:
    """Print how often an emotion is named, and what of no speech."""
    from rich.table import Table

    table = Table("windows of", "windows", "named %", "why not, %", "goal")
    rows = [
        *((f"{name}, {told['speakers_are']}", told) for name, told in figures["corpora"].items()),
        ("all speech", figures["speech"]),
    ]
    for name, told in rows:
        _add_coverage(table, name, told, 100 - told["withheld"])
    for name in ("recorded", "recorded_not_fitted_on", "synthesised"):
        if told := figures.get(name):
            _add_coverage(table, f"no speech, {name.replace('_', ' ')}", told, told["named"])
    console.print(table)
    speech = figures["speech"]
    console.print(
        f"right: {speech['accuracy']} % of all windows of speech, {speech['accuracy_where_named']} "
        "% of those where an emotion is named"
    )
    for name, told in figures["calibration"].items():
        console.print(f"calibration error of {name}: {told.get('error', '–')} %")


def _add_coverage(table: Any, name: str, told: dict[str, Any], named: float) -> None:
    why = ", ".join(f"{reason} {share:.1f}" for reason, share in told["reasons"].items())
    goal = f"{told['goal']}: {'met' if told['met'] else 'missed'}" if "goal" in told else ""
    table.add_row(name, str(told["windows"]), f"{named:.1f}", why, goal)


def _ratio(ratio: float | None) -> str:
    return "librosa is not installed, no ratio for" if ratio is None else f"librosa ×{ratio}"
