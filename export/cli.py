"""The command of this room: `affectd export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export"]


def export(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="best.pt of a training run.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the artefact.")
    ] = Path(),
    name: Annotated[
        str | None, typer.Option("--name", help="Of the artefact (default: the recipe's).")
    ] = None,
    corpora: Annotated[
        Path | None,
        typer.Option(
            "--corpora",
            metavar="DIR",
            envvar="AFFECTD_CORPORA",
            help="Corpora whose speech the artefact is checked on.",
        ),
    ] = None,
    audio: Annotated[
        list[Path] | None,
        typer.Option("--audio", metavar="FILE", help="Sound file to check on instead; repeatable."),
    ] = None,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(
            "--evaluation",
            metavar="FILE",
            help="What `affectd evaluate --json` wrote of this checkpoint; repeatable.",
        ),
    ] = None,
) -> None:
    """Turn a checkpoint into an ONNX artefact with its model card, checked against the checkpoint.

    Nothing is written unless every logit agrees within 1e-4.

    Example: affectd export runs/crnn/best.pt -o models
    """
    from affectd.models.extra import need_training_extra

    need_training_extra("export")

    from affectd.export.artefact import make_artefact
    from affectd.models.evaluation import Evaluation

    artefact = make_artefact(
        checkpoint,
        name=name,
        corpora=corpora,
        audio=audio or (),
        evaluations=[Evaluation.load(path) for path in evaluation or ()],
    )
    graph, card = artefact.write(output)
    parity, latency = artefact.parity, artefact.metadata.latency
    windows = len(parity.windows.windows)
    typer.echo(f"{graph}  {len(artefact.graph) / 1e6:.1f} MB; card: {card}")
    typer.echo(
        f"parity on {windows} windows of {parity.windows.source}: "
        f"at most {parity.largest:.1e}, on average {parity.mean:.1e}"
    )
    typer.echo(
        f"one window of {artefact.metadata.window_seconds:g} s on one thread: "
        f"p50 {latency['p50_ms']:.2f} ms, p99 {latency['p99_ms']:.2f} ms"
    )
