"""The commands of this room: `affectd export`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from affectd.models.cli import CacheOption

__all__ = ["export"]

_DEFAULT = "checkpoint"


class _Export(TyperGroup):
    """Takes ``affectd export CHECKPOINT`` for ``affectd export checkpoint CHECKPOINT``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command in front where no command is named."""
        if args and args[0] not in self.commands and not {"-h", "--help"} & {args[0]}:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


export = typer.Typer(
    cls=_Export,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@export.callback()
def _export() -> None:
    """Turn a checkpoint into ONNX artefacts, each checked against the checkpoint.

    Without a command, the first argument is the checkpoint; `affectd export checkpoint --help`
    tells its options.

    Example: affectd export runs/crnn/best.pt -o models --precision fp32,int8
    """


CorporaOption = Annotated[
    Path | None,
    typer.Option(
        "--corpora",
        metavar="DIR",
        envvar="AFFECTD_CORPORA",
        help="Corpora whose speech the artefact is checked and calibrated on.",
    ),
]
CorpusOption = Annotated[
    list[str] | None,
    typer.Option("--corpus", help="Of the corpora, only this one (default: all); repeatable."),
]
AllowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="GATE",
        help="Let a failure of this gate pass, which is recorded: speech, parity, parity-mean, "
        "agreement, uar, latency or size; repeatable.",
    ),
]
AudioOption = Annotated[
    list[Path] | None,
    typer.Option("--audio", metavar="FILE", help="Sound file to compare on instead; repeatable."),
]


@export.command(_DEFAULT)
def _checkpoint(
    checkpoint: Annotated[
        Path,
        typer.Argument(metavar="CHECKPOINT", help="best.pt of a training run, or .safetensors."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the artefacts.")
    ] = Path(),
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            help="fp32, fp16, int8, or several with commas between; repeatable (default: fp32; "
            "for cuda also fp16, for tensorrt all).",
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            "--target",
            help="What the artefacts are for: cpu, cuda or tensorrt. It decides how INT8 is made, "
            "and which precisions where none is named.",
        ),
    ] = "cpu",
    name: Annotated[
        str | None, typer.Option("--name", help="Of the artefacts (default: the recipe's).")
    ] = None,
    corpora: CorporaOption = None,
    corpus: CorpusOption = None,
    cache: CacheOption = None,
    audio: AudioOption = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            metavar="PATH",
            help="Calibrate on this instead: a folder of sound files, or a feature file (.npz).",
        ),
    ] = None,
    allow: AllowOption = None,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(
            "--evaluation",
            metavar="FILE",
            help="What `affectd evaluate --json` wrote of this checkpoint; repeatable.",
        ),
    ] = None,
) -> None:
    """Turn a checkpoint into ONNX artefacts with a model card, checked against the checkpoint.

    NAME.onnx is FP32, NAME-int8.onnx and NAME-fp16.onnx the others. An artefact that fails a gate
    is kept under the name NAME.onnx.rejected, and the exit code is 1. report.md, report.json and
    their pictures say what was measured.

    Example: affectd export runs/crnn/best.pt -o models --precision fp32,int8
    """
    from affectd.models.extra import need_training_extra

    need_training_extra("export")

    from affectd.export.artefact import export_model
    from affectd.export.choices import REASONS, precisions_for, target_named
    from affectd.export.gates import check_names
    from affectd.export.original import Original
    from affectd.export.report import summary, write_report
    from affectd.export.speech import gather_speech
    from affectd.models.evaluation import Evaluation
    from affectd.models.features import cache_folder
    from affectd.models.progress import RunProgress

    processor = target_named(target)
    precisions = precisions_for(precision or (), processor)
    check_names(allow or ())
    evaluations = [Evaluation.load(path) for path in evaluation or ()]
    original = Original.of_checkpoint(checkpoint, name=name)
    with RunProgress() as progress:
        speech = gather_speech(
            original.windowing,
            heard=original.speakers,
            corpora=corpora,
            corpus=corpus or (),
            cache=cache_folder(cache),
            audio=audio or (),
            calibration=calibration,
            labelled=bool(corpus) or set(precisions) != {"fp32"},
            progress=progress.preparing,
            say=progress.say,
        )
    done = export_model(
        original,
        speech,
        precisions=precisions,
        target=processor,
        allow=allow or (),
        evaluations=evaluations,
    )
    if set(precisions) != {"fp32"}:
        typer.echo(REASONS[processor])
    paths = done.write(output)
    for artefact, path in zip(done.artefacts, paths, strict=False):
        typer.echo(f"{path}  {len(artefact.graph) / 1e6:.1f} MB")
        typer.echo(summary(artefact))
    command = _command(
        checkpoint,
        {
            "--output": [output],
            "--precision": [",".join(precisions)],
            "--target": [processor],
            "--name": [name] if name else (),
            "--corpora": [corpora] if corpora else (),
            "--corpus": corpus or (),
            "--audio": audio or (),
            "--calibration": [calibration] if calibration else (),
            "--allow": allow or (),
            "--evaluation": evaluation or (),
        },
    )
    report = write_report(done, output, command=command)
    typer.echo(f"card: {paths[-1]}; report: {report}")
    done.check()


def _command(checkpoint: Path, options: Mapping[str, Iterable[object]]) -> str:
    """Return what gives the same again, the folder of the cache apart."""
    words = ["affectd", "export", str(checkpoint)]
    for option, values in options.items():
        for value in values:
            words += [option, str(value)]
    return shlex.join(words)


@export.command("inspect")
def _inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX artefact.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it for a machine.")] = False,
) -> None:
    """Print what is inside an artefact: metadata, gates, operators by precision, providers.

    Example: affectd export inspect models/crnn-int8.onnx
    """
    from affectd.models.extra import need_inference_extra, need_inspection_extra

    need_inference_extra("export inspect")
    need_inspection_extra("export inspect")

    from affectd.export.inspection import inspect

    found = inspect(file)
    typer.echo(json.dumps(found.to_dict(), indent=2) if as_json else str(found))


@export.command("verify")
def _verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX artefact.")],
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            metavar="FILE",
            help="Its checkpoint, or its FP32 artefact (default: NAME.onnx beside it).",
        ),
    ] = None,
    corpora: CorporaOption = None,
    corpus: CorpusOption = None,
    cache: CacheOption = None,
    audio: AudioOption = None,
    allow: AllowOption = None,
) -> None:
    """Hold an artefact to its gates again, on this machine and this speech.

    Example: affectd export verify models/crnn-int8.onnx --corpus ravdess
    """
    from affectd.models.extra import need_training_extra

    need_training_extra("export verify")

    from affectd.export.gates import check_names
    from affectd.export.inspection import open_artefact
    from affectd.export.report import gate_lines
    from affectd.export.speech import gather_speech
    from affectd.export.verification import reference_beside, verify
    from affectd.models.features import cache_folder
    from affectd.models.progress import RunProgress
    from affectd.models.windowing import Windowing

    check_names(allow or ())
    _, metadata = open_artefact(file)
    against = reference or reference_beside(file, metadata)
    with RunProgress() as progress:
        speech = gather_speech(
            Windowing.of(metadata),
            heard={one.name: frozenset(one.speakers) for one in metadata.corpora},
            corpora=corpora,
            corpus=corpus or (),
            cache=cache_folder(cache),
            audio=audio or (),
            labelled=bool(corpus) or metadata.precision != "fp32",
            progress=progress.preparing,
            say=progress.say,
        )
    done = verify(file, speech, reference=against, allow=allow or ())
    windows = speech.compared
    typer.echo(f"{file} against {against} on {len(windows)} windows of {windows.source}")
    typer.echo(gate_lines(done.judgement))
    done.check()


@export.command("folds")
def _folds(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            metavar="CHECKPOINT…", help="The model of each fold, of `affectd evaluate`."
        ),
    ],
    corpus: Annotated[str, typer.Option("--corpus", help="The corpus whose folds they are.")],
    corpora: CorporaOption = None,
    cache: CacheOption = None,
) -> None:
    """Measure what INT8 costs on a corpus's folds, each model on the speakers it has not heard.

    Example: affectd export folds runs/crnn-*-ravdess-fold-*/best.pt --corpus ravdess
    """
    from affectd.models.extra import need_training_extra

    need_training_extra("export folds")

    from affectd.export.folds import quantise_folds
    from affectd.models.corpora import corpora_folder
    from affectd.models.features import cache_folder

    done = quantise_folds(
        checkpoints, corpus=corpus, corpora=corpora_folder(corpora), cache=cache_folder(cache)
    )
    typer.echo(str(done))
    done.check()
