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
    model: Annotated[str, typer.Option(help="As for 'affectd run'.")] = "crnn",
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

    console = Console()
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
def papers(
    run: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="NAME", help="Only this system, from nothing; repeatable."),
    ] = None,
    protocol: Annotated[
        list[str] | None, typer.Option("--protocol", help="paper or folds; both if not said.")
    ] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train whatever has no figures yet, cheapest first.")
    ] = False,
    corpora: Annotated[
        Path | None,
        typer.Option("--corpora", metavar="DIR", help="Folder of the corpora."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Folder of computed features.")
    ] = None,
    runs: Annotated[
        Path, typer.Option("--runs", metavar="DIR", help="Folder of the trained systems.")
    ] = Path("runs/papers"),
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="DIR", help="Folder of foreign weights."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 1,
    json_file: Annotated[
        Path, typer.Option("--json", metavar="FILE", help="Where the figures are kept.")
    ] = Path("bench/results/papers.json"),
    table: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the table there.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Draw accuracy against latency.")
    ] = None,
) -> None:
    """Put the papers' systems into one table: published, repeated here, and on unseen speakers.

    Without --train and --run nothing is trained; systems without figures say so.

    Example: affectd bench papers --train --corpora ~/corpora --markdown docs/papers-table.md
    """
    from affectd.models.extra import need_inference_extra, need_training_extra

    need_training_extra("bench papers")
    need_inference_extra("bench papers")
    import torch

    from affectd.bench.machine import describe_machine
    from affectd.bench.papers import markdown, plot, protocols_named, remove_runs, run_papers, save
    from affectd.models.corpora import corpora_folder
    from affectd.models.features import cache_folder
    from affectd.models.progress import RunProgress
    from affectd.models.system_protocols import Place

    torch.set_num_threads(1)
    protocols = protocols_named(protocol or ())
    with RunProgress() as progress:
        place = Place(
            corpora=corpora_folder(corpora) if train or run else Path(),
            cache=cache_folder(cache),
            runs=runs,
            seed=seed,
            weights=weights,
            progress=progress.extracting,
        )
        remove_runs(run or (), place)
        rows = run_papers(
            place,
            names=run or (),
            protocols=protocols,
            train=train or bool(run),
            say=progress.say,
        )
    save(rows, describe_machine(), json_file)
    told = markdown(rows)
    typer.echo(told)
    if table is not None:
        table.write_text(told, "utf-8")
    if picture is not None and not plot(rows, picture):
        typer.echo("nothing to draw yet: no system has figures on unseen speakers", err=True)


@bench.command()
def accuracy(
    model: Annotated[str, typer.Option("--model", help="A recipe with a probe.")] = "accurate",
    seed: Annotated[
        list[int] | None,
        typer.Option(
            "--seed", min=0, help="Of the disturbed windows; repeatable (default: 1 2 3)."
        ),
    ] = None,
    corpora: Annotated[
        Path | None,
        typer.Option("--corpora", metavar="DIR", help="Folder of the corpora."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Folder of computed features.")
    ] = None,
    weights: Annotated[
        Path, typer.Option("--weights", metavar="DIR", help="Folder of the encoder's weights.")
    ] = Path(),
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Where the figures are kept (default: bench/results/accuracy-MODEL.json).",
        ),
    ] = None,
) -> None:
    """Score a recipe on speakers and on corpora that it has not heard: the published folds.

    One model leaves out the first fold of every corpus, the next the second, and so on; four more
    leave one corpus out.

    Example: affectd bench accuracy --model accurate --corpora ~/corpora --weights ~/weights
    """
    from affectd.models.extra import need_inference_extra, need_training_extra

    need_training_extra("bench accuracy")
    need_inference_extra("bench accuracy")
    import torch

    from affectd.bench.accuracy import markdown, measure_seed, save, summary
    from affectd.bench.machine import describe_machine
    from affectd.models.corpora import corpora_folder
    from affectd.models.features import cache_folder
    from affectd.models.probe import gather_probe_data
    from affectd.models.probe_recipe import ProbeRecipe
    from affectd.models.progress import RunProgress
    from affectd.models.recipes import load_recipe

    torch.set_num_threads(1)
    recipe = load_recipe(model)
    if not isinstance(recipe, ProbeRecipe):
        raise ValueError(f"recipe {model} has no probe; see affectd evaluate --protocol folds")
    with RunProgress() as progress:
        data = gather_probe_data(
            recipe,
            corpora=corpora_folder(corpora),
            cache=cache_folder(cache),
            weights=weights,
            seed=1,
            progress=progress.extracting,
        )
        runs = [measure_seed(data, each, progress.say) for each in seed or [1, 2, 3]]
    told = {
        "benchmark": "accuracy",
        "model": recipe.name,
        "command": f"affectd bench accuracy --model {model}",
        "machine": describe_machine(),
        "summary": summary(runs),
        "runs": runs,
    }
    save(told, json_file or Path(f"bench/results/accuracy-{recipe.name}.json"))
    typer.echo(markdown(told))


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
