"""The commands of this room: `affectd train` and `affectd evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from affectd.models.extra import need_training_extra

__all__ = ["CacheOption", "CorporaOption", "evaluate", "train"]

CorporaOption = Annotated[
    Path | None,
    typer.Option(
        "--corpora", metavar="DIR", help="Folder of the corpora (default: $AFFECTD_CORPORA)."
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache", metavar="DIR", help="Folder of computed features (default: the user's cache)."
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights", metavar="DIR", help="Folder of foreign weights, for a system that has some."
    ),
]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="Threads for the network.")]


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="Name of a shipped recipe or of a paper's system, or a TOML file.",
        ),
    ] = "crnn",
    corpora: CorporaOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder of the run (default: runs/RECIPE, of a paper's system runs/papers/NAME).",
        ),
    ] = None,
    cache: CacheOption = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Instead of the recipe's.")
    ] = None,
    train_on: Annotated[
        list[str] | None,
        typer.Option("--train-on", help="Corpus to hear (default: the recipe's); repeatable."),
    ] = None,
    normalisation: Annotated[
        str | None, typer.Option("--normalisation", help="Instead of the recipe's.")
    ] = None,
    weights: WeightsOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 1,
    threads: ThreadsOption = 1,
) -> None:
    """Train a model on the corpora at hand, or go on with a run that was interrupted.

    The test speakers are never heard; the best epoch and the temperature are chosen on development
    speakers, who are not trained on either. The folder of the run gets latest.pt and best.pt.

    A system of a paper is trained on its paper's split instead, whose speakers are in every part. A
    probe on a pretrained encoder (accurate, fast) is trained on every speaker; fast teaches its
    encoder first, which takes hours, and is told to go on by the same command.

    Example: affectd train crnn --corpora ~/corpora -o runs/crnn
    """
    need_training_extra("train")
    import torch

    from affectd.models.corpora import corpora_folder
    from affectd.models.features import cache_folder
    from affectd.models.folds import HELD_OUT
    from affectd.models.material import gather
    from affectd.models.probe_recipe import ProbeRecipe
    from affectd.models.probe_training import fit_and_save
    from affectd.models.progress import RunProgress
    from affectd.models.system_protocols import Place, train_system
    from affectd.models.systems import System, named_recipe
    from affectd.models.training import BEST, Trainer
    from affectd.models.training import train as run

    torch.set_num_threads(threads)
    wanted = named_recipe(recipe).changed(
        epochs=epochs, normalisation=normalisation, corpora=train_on
    )
    of_papers = Path("papers") if isinstance(wanted, System) else Path()
    folder = output or Path("runs") / of_papers / wanted.name
    with RunProgress() as progress:
        if isinstance(wanted, System):
            place = Place(
                corpora=corpora_folder(corpora),
                cache=cache_folder(cache),
                runs=folder.parent,
                seed=seed,
                weights=weights,
                progress=progress.preparing,
                observer=progress,
                say=progress.say,
            )
            train_system(wanted, place, folder)
            progress.say(f"best checkpoint: {folder / BEST}")
            return
        if isinstance(wanted, ProbeRecipe):
            fit_and_save(
                wanted,
                folder,
                corpora=corpora_folder(corpora),
                cache=cache_folder(cache),
                weights=weights,
                seed=seed,
                progress=progress.preparing,
            )
            progress.say(f"checkpoint: {folder / BEST}")
            return
        material = gather(
            wanted,
            part=HELD_OUT.part,
            corpora=corpora_folder(corpora),
            cache=cache_folder(cache),
            progress=progress.preparing,
        )
        for note in material.notes:
            progress.say(note)
        trainer = Trainer(
            wanted,
            features=material.train,
            noise=material.noise,
            seed=seed,
            heard=material.heard,
        )
        run(trainer, folder=folder, development=material.development, observer=progress)
        progress.say(f"best checkpoint: {folder / BEST}")


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="ONNX artefact, shipped model, checkpoint, or recipe (folds and paper only).",
        ),
    ],
    corpus: Annotated[
        str | None,
        typer.Option(
            "--corpus",
            help="ravdess, tess, emodb, nemo, crema-d or another that is known (default: ravdess; "
            "with --protocol paper the system's own).",
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol",
            help="held-out: this very model on speakers it has not heard. "
            "folds: a model of its recipe per published fold, trained where it is not there yet. "
            "paper: a paper's system on its paper's own split; as with folds, a checkpoint that is "
            "given is not scored: the system is trained under --runs where it is not there yet.",
        ),
    ] = "held-out",
    corpora: CorporaOption = None,
    cache: CacheOption = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Draw the confusion matrix there.")
    ] = None,
    runs: Annotated[
        Path, typer.Option("--runs", metavar="DIR", help="Folder of what folds and paper train.")
    ] = Path("runs"),
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", min=1, help="Of the folds' models (default: the recipe's)."),
    ] = None,
    train_on: Annotated[
        list[str] | None,
        typer.Option(
            "--train-on", help="Corpus that they hear (default: the recipe's); repeatable."
        ),
    ] = None,
    weights: WeightsOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the folds' models.")] = 1,
    threads: ThreadsOption = 1,
) -> None:
    """Score a model on speakers that it has never heard.

    Prints the confusion matrix, the recall of each class, their unweighted mean (UAR) and the
    accuracy.

    Example: affectd evaluate crnn --corpus ravdess --protocol held-out --json ravdess.json
    """
    need_training_extra("evaluate")
    import torch

    from affectd.models.confusion_plot import save_confusion_plot
    from affectd.models.corpora import corpora_folder, corpus_named
    from affectd.models.evaluation import EvaluationError
    from affectd.models.features import cache_folder
    from affectd.models.progress import RunProgress
    from affectd.models.protocols import evaluate_folds, evaluate_held_out
    from affectd.models.spelling import nearest
    from affectd.models.subject import recipe_of, subject_named
    from affectd.models.system_protocols import (
        Place,
        evaluate_system_folds,
        evaluate_system_paper,
    )
    from affectd.models.systems import System

    if protocol not in ("folds", "held-out", "paper"):
        known = nearest(protocol, ("folds", "held-out", "paper"))
        raise EvaluationError(f"no protocol {protocol!r}; {known}")
    torch.set_num_threads(threads)
    if protocol == "paper" and corpus is not None:
        raise EvaluationError(
            "--corpus: a paper's own protocol is on the corpora of its system; see --train-on"
        )
    corpus_named(corpus := corpus or "ravdess")
    command = f"affectd evaluate {model}"
    command += f" --corpus {corpus}" if protocol != "paper" else ""
    command += f" --protocol {protocol}"
    if protocol != "held-out":
        command += "".join(f" --train-on {name}" for name in train_on or ())
        command += f" --epochs {epochs}" if epochs is not None else ""
        command += f" --seed {seed}" if seed != 1 else ""
    with RunProgress() as progress:
        if protocol == "held-out":
            evaluation = evaluate_held_out(
                subject_named(model),
                corpus=corpus,
                corpora=corpora_folder(corpora),
                cache=cache_folder(cache),
                command=command,
                progress=progress.preparing,
            )
        elif isinstance(wanted := recipe_of(model), System):
            place = Place(
                corpora=corpora_folder(corpora),
                cache=cache_folder(cache),
                runs=runs,
                seed=seed,
                weights=weights,
                progress=progress.preparing,
                observer=progress,
                say=progress.say,
            )
            system = wanted.changed(epochs=epochs, corpora=train_on)
            assert isinstance(system, System)
            if protocol == "paper":
                evaluation = evaluate_system_paper(system, place, command=command)
            else:
                evaluation = evaluate_system_folds(system, place, corpus=corpus, command=command)
        elif protocol == "paper":
            raise EvaluationError(f"{model} is no system of a paper; see --protocol folds")
        else:
            evaluation = evaluate_folds(
                recipe_of(model).changed(epochs=epochs, corpora=train_on),
                corpus=corpus,
                corpora=corpora_folder(corpora),
                cache=cache_folder(cache),
                runs=runs,
                seed=seed,
                command=command,
                progress=progress.preparing,
                observer=progress,
            )
    typer.echo(str(evaluation))
    if json_file is not None:
        evaluation.save(json_file)
    if picture is not None:
        title = f"{evaluation.model} on {evaluation.corpus}, {protocol}: UAR {evaluation.uar:.1f} %"
        save_confusion_plot(evaluation.matrix, picture, title=title)
