"""The command that shows, and makes, the table of the papers' systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from affectd.models.cli import CacheOption, CorporaOption

__all__ = ["papers"]


def papers(
    run: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="NAME", help="Only this system, from nothing; repeatable."),
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option("--system", metavar="NAME", help="Only this one of --train; repeatable."),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option("--protocol", help="paper, folds or further (corpora); all if not said."),
    ] = None,
    folds: Annotated[
        int, typer.Option("--folds", min=0, help="Only so many folds, the first; 0 for all.")
    ] = 0,
    train: Annotated[
        bool, typer.Option("--train", help="Train whatever has no figures yet, cheapest first.")
    ] = False,
    corpora: CorporaOption = None,
    cache: CacheOption = None,
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
        Path | None,
        typer.Option(
            "--markdown", metavar="FILE", help="Write the table there, or between its marks."
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Draw accuracy against latency.")
    ] = None,
) -> None:
    """Put the papers' systems into one table: published, repeated here, and on unseen speakers.

    Without --train and --run nothing is trained: figures are of earlier runs, or of --json where
    there is no run, and systems without figures say so.

    Example: affectd bench papers --train --corpora ~/corpora --markdown docs/papers.md
    """
    from affectd.bench.papers_file import kept, save
    from affectd.bench.papers_table import markdown, plot, put_into

    def show(rows: Sequence[dict[str, Any]]) -> None:
        told = markdown(rows)
        typer.echo(told)
        if table is not None:
            put_into(table, told)
        if picture is not None and not plot(rows, picture):
            typer.echo("nothing to draw yet: no system has figures on unseen speakers", err=True)

    if not (train or run or runs.is_dir()):
        # There is nothing to be measured: PyTorch is not needed to read.
        if not (known := kept(json_file)):
            raise FileNotFoundError(
                f"{json_file}: there are no figures; --json FILE names others, and --train makes "
                "some"
            )
        show(list(known.values()))
        return

    from affectd.models.extra import need_inference_extra, need_training_extra

    need_training_extra("bench papers")
    need_inference_extra("bench papers")
    import torch

    from affectd.bench.machine import describe_machine
    from affectd.bench.papers import protocols_named, remove_runs, run_papers
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
            progress=progress.preparing,
        )
        remove_runs(run or (), place)
        rows = run_papers(
            place,
            names=run or system or (),
            protocols=protocols,
            train=train or bool(run),
            most_folds=folds,
            earlier=kept(json_file),
            say=progress.say,
        )
    save(rows, describe_machine(), json_file)
    show(rows)
