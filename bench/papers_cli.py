"""The command that shows, and makes, the table of the papers' systems."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from affectd.bench.options import refuse
from affectd.models.cli import CacheOption, CorporaOption

__all__ = ["papers"]

_KEPT = Path("bench/results/papers.json")
_SHIPPED = resources.files("affectd.bench") / "results/papers.json"


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
    latency: Annotated[
        bool,
        typer.Option("--latency", help="Time all of them again, in one run; needs quiet cores."),
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
        Path | None,
        typer.Option("--json", metavar="FILE", help=f"Where the figures are kept ({_KEPT})."),
    ] = None,
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
    there is no run, and systems without figures say so. Then nothing is written but the files that
    are named. Where there is neither --json nor the file it stands for, the figures shipped with
    affectd are read, and never written.

    Example: affectd bench papers --train --corpora ~/corpora --markdown docs/papers.md
    """
    from affectd.bench.machine import describe_machine
    from affectd.bench.papers_file import kept, protocols_named, save
    from affectd.bench.papers_table import markdown, plot, put_into
    from affectd.models.systems import system_named

    protocols = protocols_named(protocol or ())
    for name in (*(run or ()), *(system or ())):
        system_named(name)
    if run or not train:
        refuse({"--system": system}, "it chooses among what --train trains; see also --run")
    trains = train or bool(run)
    file = json_file or _KEPT
    with resources.as_file(_SHIPPED) as shipped:
        earlier = kept(file if json_file is not None or file.exists() else shipped)
    if trains or latency or runs.is_dir():
        from affectd.models.extra import need_inference_extra, need_training_extra

        need_training_extra("bench papers")
        need_inference_extra("bench papers")
        import torch

        from affectd.bench.papers import run_papers, time_all
        from affectd.models.corpora import corpora_folder
        from affectd.models.features import cache_folder
        from affectd.models.progress import RunProgress
        from affectd.models.system_protocols import Place

        torch.set_num_threads(1)
        with RunProgress() as progress:
            place = Place(
                corpora=corpora_folder(corpora) if trains else Path(),
                cache=cache_folder(cache),
                runs=runs,
                seed=seed,
                weights=weights,
                progress=progress.preparing,
                observer=progress,
                say=progress.say,
            )
            rows = run_papers(
                place,
                names=run or system or (),
                protocols=protocols,
                train=trains,
                afresh=bool(run),
                most_folds=folds,
                earlier=earlier,
                whole=True,
                say=progress.say,
            )
        if latency:
            rows = time_all(rows, place)
    elif earlier:
        # There is nothing to be measured: PyTorch is not needed to read.
        rows = list(earlier.values())
    else:
        raise FileNotFoundError(
            f"{file}: there are no figures; --json FILE names others, and --train makes some"
        )
    if trains or latency or json_file is not None:
        save(rows, describe_machine(), file)
    told = markdown(rows)
    typer.echo(told)
    if table is not None:
        put_into(table, told)
    if picture is not None and not plot(rows, picture):
        typer.echo("nothing to draw yet: no system has figures on unseen speakers", err=True)
