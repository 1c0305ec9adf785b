"""``affectd bench …``: figures that anyone can repeat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["bench"]

bench = typer.Typer(
    help="Measure this machine: percentiles, ratios to the peers, machine and versions.",
    no_args_is_help=True,
    add_completion=False,
)


@bench.callback()
def _bench() -> None:
    """Measure this machine: percentiles, ratios to the peers, machine and versions."""


@bench.command()
def latency(
    windows: Annotated[
        int, typer.Option(min=10, help="Provisional windows to measure; 2,000 take 9 minutes.")
    ] = 2_000,
    model: Annotated[
        str | None, typer.Option(help="As for 'affectd run' (default: its default).")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file, too.")
    ] = None,
) -> None:
    """Measure from the sound to the client, at real-time pace, with one stream.

    The daemon runs in a process of its own and hears speech without pauses; this process is its
    client. Let nothing else run meanwhile.

    Example: affectd bench latency --windows 2000 --json latency.json
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from affectd.bench.kernels import measure_logmel
    from affectd.bench.latency import measure_latency
    from affectd.bench.machine import describe_machine
    from affectd.engine.artefact import DEFAULT_MODEL

    console = Console()
    model = model or DEFAULT_MODEL
    figures: dict[str, Any] = {"benchmark": "latency", "machine": describe_machine()}
    figures["logmel"] = measure_logmel()
    columns = ("latency", BarColumn(), MofNCompleteColumn(), "windows", TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("latency", total=windows)
        run = measure_latency(
            windows, model=model, progress=lambda done: progress.update(task, completed=done)
        )
    figures["model"] = model
    figures |= run.summary()
    _print(console, figures)
    if json_file:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


@bench.command()
def page(
    streams: Annotated[int, typer.Option(min=1, max=16, help="Streams side by side.")] = 4,
    seconds: Annotated[float, typer.Option(min=1, help="How long to watch.")] = 30.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file, too.")
    ] = None,
) -> None:
    """Measure how evenly the web page draws in a headless Chromium, and whether its memory grows.

    Let nothing else run meanwhile; without a graphics card Chromium draws on the processor.

    Example: affectd bench page --streams 4 --seconds 60 --json page.json
    """
    from affectd.bench.machine import describe_machine
    from affectd.bench.page import measure_page

    figures = {"benchmark": "page", "machine": describe_machine()}
    figures |= measure_page(streams, seconds=seconds)
    text = json.dumps(figures, indent=2)
    print(text)
    if json_file:
        json_file.write_text(text + "\n", "utf-8")


def _print(console: Any, figures: dict[str, Any]) -> None:
    from rich.table import Table

    machine = figures["machine"]
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python "
        f"{machine['python']}, {machine['versions']}, load {machine['load_average']}"
    )
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
    console.print(
        f"start: ready in {figures['ready_seconds']} s, first event after "
        f"{figures['first_event_seconds']} s; memory: {memory['last']} MiB after "
        f"{memory['after_seconds']} s ({memory['first']} MiB after one minute); "
        f"gaps, load, errors: {figures['other_events'] or 'none'}; slip of the schedule: "
        f"{figures['slip_ms']} ms"
    )


def _ratio(ratio: float | None) -> str:
    return "librosa is not installed, no ratio for" if ratio is None else f"librosa ×{ratio}"
