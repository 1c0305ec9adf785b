"""The benchmarks of a recipe that has a probe: its accuracy, and what it gains to know a voice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from affectd.bench.marked import check_marks
from affectd.bench.options import (
    Compare,
    FromFile,
    JsonFile,
    PageFile,
    PngFile,
    earlier,
    in_a_folder,
    refuse,
)
from affectd.bench.terminal import report
from affectd.models.cli import CacheOption, CorporaOption

__all__ = ["accuracy", "voices"]

Seeds = Annotated[
    list[int] | None,
    typer.Option("--seed", min=0, help="Of the disturbed windows; repeatable (default: 1 2 3)."),
]
_SEEDS = (1, 2, 3)


def accuracy(
    model: Annotated[
        str | None, typer.Option("--model", help="A recipe with a probe (default: accurate).")
    ] = None,
    seed: Seeds = None,
    corpora: CorporaOption = None,
    cache: CacheOption = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="DIR", help="Folder of the encoder's weights."),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            callback=in_a_folder,
            help="Where the figures are kept (default: bench/results/accuracy-MODEL.json).",
        ),
    ] = None,
    told_file: FromFile = None,
    page_file: PageFile = None,
    picture: PngFile = None,
    evaluations_folder: Annotated[
        Path | None,
        typer.Option(
            "--evaluations", metavar="DIR", help="Write what `affectd export` puts into the card."
        ),
    ] = None,
    checkpoints_folder: Annotated[
        Path | None,
        typer.Option(
            "--checkpoints",
            metavar="DIR",
            help="Write the folds' models of the first seed, for --checkpoint of other benchmarks.",
        ),
    ] = None,
) -> None:
    """Score a recipe on speakers and on corpora that it has not heard: the published folds.

    One model leaves out the first fold of every corpus, the next the second, and so on; more leave
    one corpus out each. One that has heard everybody is tried on corpora that the recipe lacks.

    Example: affectd bench accuracy --model accurate --corpora ~/corpora --weights ~/weights
    """
    from affectd.models.extra import need_inference_extra, need_training_extra

    need_training_extra("bench accuracy")
    need_inference_extra("bench accuracy")
    import torch

    from affectd.bench.accuracy import (
        UNSEEN,
        markdown,
        measure_alone,
        measure_seed,
        summary,
    )
    from affectd.bench.accuracy_file import evaluations, load, save
    from affectd.bench.accuracy_page import command_of, plot, put_into
    from affectd.bench.machine import describe_machine
    from affectd.models.corpora import corpora_folder
    from affectd.models.features import cache_folder
    from affectd.models.probe_recipe import ProbeRecipe
    from affectd.models.probe_training import fold_checkpoints
    from affectd.models.progress import RunProgress
    from affectd.models.recipes import load_recipe
    from affectd.models.trial_data import gather_trial_data
    from affectd.models.trials import hold_trials

    torch.set_num_threads(1)

    def measured() -> dict[str, Any]:
        recipe = load_recipe(model or "accurate")
        if not isinstance(recipe, ProbeRecipe):
            raise ValueError(f"recipe {model} has no probe; see affectd evaluate --protocol folds")
        if page_file is not None:
            check_marks(page_file, command_of(recipe.name))
        runs: list[dict[str, Any]] = []
        alone: dict[str, Any] = {}
        with RunProgress() as progress:
            for each in seed or _SEEDS:
                data = gather_trial_data(
                    recipe,
                    corpora=corpora_folder(corpora),
                    cache=cache_folder(cache),
                    weights=weights,
                    seed=each,
                    published=True,
                    foreign=UNSEEN,
                    progress=progress.preparing,
                )
                trials = hold_trials(data)
                runs.append(measure_seed(trials, each, progress.say))
                if checkpoints_folder is not None and len(runs) == 1:
                    for place, one in enumerate(fold_checkpoints(trials, seed=each), 1):
                        one.save(checkpoints_folder / f"{recipe.name}-{place}.pt")
                alone = alone or measure_alone(data, progress.say)
                # Gigabytes, before the next ones are gathered.
                del data, trials
        return {
            "benchmark": "accuracy",
            "model": recipe.name,
            "command": command_of(recipe.name),
            "epochs": 1,
            "machine": describe_machine(),
            "summary": summary(runs),
            "alone": alone,
            "runs": runs,
        }

    if told_file is not None:
        idle = {"--model": model, "--seed": seed, "--corpora": corpora, "--cache": cache}
        idle |= {"--weights": weights, "--checkpoints": checkpoints_folder}
        refuse(idle, "with --from nothing is measured")
        told = load(told_file)
    else:
        told = measured()
        json_file = json_file or Path(f"bench/results/accuracy-{told['model']}.json")
    if json_file is not None:
        save(told, json_file)
    if page_file is not None:
        put_into(page_file, told)
    if picture is not None:
        plot(told, picture)
    if evaluations_folder is not None:
        evaluations_folder.mkdir(parents=True, exist_ok=True)
        for one in evaluations(told):
            one.save(evaluations_folder / f"{told['model']}-{one.corpus}-folds.json")
    typer.echo(markdown(told))


def voices(
    model: Annotated[
        str | None, typer.Option("--model", help="A recipe with a probe (default: accurate).")
    ] = None,
    seed: Seeds = None,
    development: Annotated[
        bool,
        typer.Option(
            "--development",
            help="Leave out whom the first fold of each corpus tests: for choosing settings.",
        ),
    ] = False,
    corpora: CorporaOption = None,
    cache: CacheOption = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="DIR", help="Folder of the encoder's weights."),
    ] = None,
    told_file: FromFile = None,
    json_file: JsonFile = None,
    page_file: PageFile = None,
    picture: PngFile = None,
    compare: Compare = None,
) -> None:
    """Measure what it gains to know a voice, on speakers that a recipe has not heard.

    Each test speaker of the published folds is got to know by 5, 10 or 20 utterances whose emotions
    nobody tells, by 20 of which 16 are neutral, by 3 that are known to be neutral, or by one
    emotion alone; then what else the speaker says is guessed, with and without that.

    Example: affectd bench voices --model accurate --corpora ~/corpora --weights ~/weights
    """
    from affectd.models.extra import need_training_extra

    need_training_extra("bench voices")
    import torch

    from affectd.bench.machine import describe_machine
    from affectd.bench.voices import development as only_development
    from affectd.bench.voices import measure_voices, over_seeds
    from affectd.bench.voices_page import command_of, plot, put_into, table
    from affectd.models.corpora import corpora_folder
    from affectd.models.features import cache_folder
    from affectd.models.probe_recipe import ProbeRecipe
    from affectd.models.progress import RunProgress
    from affectd.models.recipes import load_recipe
    from affectd.models.trial_data import gather_trial_data

    torch.set_num_threads(1)

    def measured() -> dict[str, Any]:
        recipe = load_recipe(model or "accurate")
        if not isinstance(recipe, ProbeRecipe):
            raise ValueError(
                f"recipe {model} has no probe: there are no vectors to know a voice by"
            )
        if page_file is not None:
            check_marks(page_file, command_of(recipe.name, development=development))
        runs: list[dict[str, Any]] = []
        with RunProgress() as progress:
            for each in seed or _SEEDS:
                data = gather_trial_data(
                    recipe,
                    corpora=corpora_folder(corpora),
                    cache=cache_folder(cache),
                    weights=weights,
                    seed=each,
                    progress=progress.preparing,
                )
                some = only_development(data) if development else data
                runs.append(measure_voices(some, seed=each, say=progress.say))
                # Gigabytes, before the next ones are gathered.
                del data, some
        told = {"model": recipe.name, "development": development, **over_seeds(runs)}
        return told | {"machine": describe_machine()}

    def show(console: Any, figures: dict[str, Any]) -> None:
        console.print(table(figures), markup=False)

    if told_file is not None:
        idle: dict[str, Any] = {
            "--model": model,
            "--seed": seed,
            "--corpora": corpora,
            "--cache": cache,
        }
        idle |= {"--weights": weights, "--development": development}
        refuse(idle, "with --from nothing is measured")
        told = earlier(told_file, "--from")
        if told["benchmark"] != "voices":
            raise ValueError(f"{told_file} holds no figures of affectd bench voices")
    else:
        told = measured()
    report("voices", told, json_file, None, compare, show=show)
    if picture is not None:
        plot(told, picture)
    if page_file is not None:
        put_into(page_file, told)
