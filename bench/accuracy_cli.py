"""The benchmarks of what is said: accuracy, robustness, coverage, voices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from affectd.bench.options import (
    Checkpoints,
    Clips,
    Compare,
    FromFile,
    HtmlFile,
    JsonFile,
    Model,
    PageFile,
    PngFile,
    Seed,
    earlier,
    in_a_folder,
)
from affectd.bench.terminal import bar, print_coverage, print_robustness, report, say
from affectd.models.cli import CacheOption, CorporaOption

__all__ = ["accuracy", "coverage", "robustness", "voices"]


def accuracy(
    model: Annotated[str, typer.Option("--model", help="A recipe with a probe.")] = "accurate",
    seed: Annotated[
        list[int] | None,
        typer.Option(
            "--seed", min=0, help="Of the disturbed windows; repeatable (default: 1 2 3)."
        ),
    ] = None,
    corpora: CorporaOption = None,
    cache: CacheOption = None,
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

    One model leaves out the first fold of every corpus, the next the second, and so on; four more
    leave one corpus out.

    Example: affectd bench accuracy --model accurate --corpora ~/corpora --weights ~/weights
    """
    from affectd.models.extra import need_inference_extra, need_training_extra

    need_training_extra("bench accuracy")
    need_inference_extra("bench accuracy")
    import torch

    from affectd.bench.accuracy import (
        evaluations,
        load,
        markdown,
        measure_alone,
        measure_seed,
        save,
        summary,
    )
    from affectd.bench.accuracy_page import plot, put_into
    from affectd.bench.machine import describe_machine
    from affectd.models.corpora import corpora_folder
    from affectd.models.features import cache_folder
    from affectd.models.probe import gather_probe_data
    from affectd.models.probe_recipe import ProbeRecipe
    from affectd.models.probe_training import fold_checkpoints
    from affectd.models.progress import RunProgress
    from affectd.models.recipes import load_recipe
    from affectd.models.trials import hold_trials

    torch.set_num_threads(1)

    def measured() -> dict[str, Any]:
        recipe = load_recipe(model)
        if not isinstance(recipe, ProbeRecipe):
            raise ValueError(f"recipe {model} has no probe; see affectd evaluate --protocol folds")
        runs: list[dict[str, Any]] = []
        alone: dict[str, Any] = {}
        with RunProgress() as progress:
            for each in seed or [1, 2, 3]:
                data = gather_probe_data(
                    recipe,
                    corpora=corpora_folder(corpora),
                    cache=cache_folder(cache),
                    weights=weights,
                    seed=each,
                    published=True,
                    progress=progress.extracting,
                )
                trials = hold_trials(data)
                runs.append(measure_seed(data, each, progress.say, trials=trials))
                if checkpoints_folder is not None and len(runs) == 1:
                    for place, one in enumerate(fold_checkpoints(data, trials, seed=each), 1):
                        one.save(checkpoints_folder / f"{model}-{place}.pt")
                alone = alone or measure_alone(data, progress.say)
        return {
            "benchmark": "accuracy",
            "model": recipe.name,
            "command": f"affectd bench accuracy --model {model}",
            "epochs": 1,
            "machine": describe_machine(),
            "summary": summary(runs),
            "alone": alone,
            "runs": runs,
        }

    if told_file is not None:
        _refuse({"--checkpoints": checkpoints_folder}, "with --from nothing is trained")
        told = load(told_file)
    else:
        told = measured()
        save(told, json_file or Path(f"bench/results/accuracy-{told['model']}.json"))
    if page_file is not None:
        put_into(page_file, told)
    if picture is not None:
        plot(told, picture)
    if evaluations_folder is not None:
        evaluations_folder.mkdir(parents=True, exist_ok=True)
        for one in evaluations(told):
            one.save(evaluations_folder / f"{told['model']}-{one.corpus}-folds.json")
    typer.echo(markdown(told))


def robustness(
    model: Model = "",
    checkpoint: Checkpoints = None,
    corpora: CorporaOption = None,
    clips: Clips = 120,
    clean: Annotated[
        bool, typer.Option("--clean", help="Alter nothing: score clips as they are heard live.")
    ] = False,
    seed: Seed = 1,
    told_file: FromFile = None,
    json_file: JsonFile = None,
    html: HtmlFile = None,
    picture: PngFile = None,
    page_file: PageFile = None,
    compare: Compare = None,
) -> None:
    """Alter clean speech in known ways, and measure what becomes of a model's answers.

    Gain, silence, cropping, a telephone, Opus, clipping, a room, and noise at 20, 10 and 5 dB; each
    clip is heard as it would be live. Told are the share of clips whose emotion stays the same and
    the UAR, then the UAR by sex and age. Without corpora the package's demo is altered: a dozen
    clips, which show that it works and prove nothing.

    Speakers whom the model has heard in training are left out where there are others, and the
    figures say which they are. A model that has heard everybody is measured by the models of its
    folds: 'bench accuracy --checkpoints DIR' keeps those of fast and accurate, 'affectd evaluate
    RECIPE --protocol folds' those of others, and --checkpoint takes each.

    Needs PyTorch, which the extra 'train' brings.

    Example: affectd bench robustness --corpora ~/corpora --html robustness.html
    """
    from affectd.models.extra import need_inference_extra, need_training_extra

    def measured() -> dict[str, Any]:
        need_training_extra("bench robustness")
        need_inference_extra("bench robustness")

        from affectd.bench.listeners import listeners
        from affectd.bench.robustness import measure_robustness

        with listeners(model, checkpoint or ()) as asked, bar("clips") as advance:
            return measure_robustness(
                asked,
                corpora=_at_hand(corpora),
                most=clips,
                seed=seed,
                clean=clean,
                progress=advance,
            )

    if told_file:
        idle = {"--model": model, "--checkpoint": checkpoint, "--corpora": corpora}
        _refuse(idle | {"--clean": clean}, "with --from nothing is measured")
    told = _told(told_file, "robustness") if told_file else None
    if clean or (told and not told["alterations"]):
        _refuse({"--page": page_file, "--png": picture}, "with --clean nothing is altered")
    report(
        "robustness",
        told or measured(),
        json_file,
        html,
        compare,
        png=picture,
        marked=page_file,
        show=print_robustness,
    )


def coverage(
    model: Model = "",
    checkpoint: Checkpoints = None,
    corpora: CorporaOption = None,
    clips: Clips = 120,
    sounds: Annotated[int, typer.Option(min=1, help="Synthesised sounds of each kind.")] = 20,
    seed: Seed = 1,
    fit: Annotated[
        Path | None,
        typer.Option(
            "--fit",
            metavar="FILE",
            callback=in_a_folder,
            help="First fit the speech gate's weights, and write them there. Takes five minutes.",
        ),
    ] = None,
    told_file: FromFile = None,
    json_file: JsonFile = None,
    html: HtmlFile = None,
    picture: PngFile = None,
    page_file: PageFile = None,
    compare: Compare = None,
) -> None:
    """Measure how often an emotion is named, how right it is, and what is named of no speech.

    Speech and other sounds (ESC-10 where it is among the corpora, music, breath, claps and the like
    from formulas) are heard as they would be live, through voice activity and segmenter. Told are
    the share of windows in which the engine withholds an emotion, with its reasons; accuracy
    against coverage; and how far confidence lies from accuracy.

    Needs PyTorch, which the extra 'train' brings.

    Example: affectd bench coverage --corpora ~/corpora --html coverage.html
    """
    from affectd.models.extra import need_inference_extra, need_training_extra

    def measured() -> dict[str, Any]:
        need_training_extra("bench coverage")
        need_inference_extra("bench coverage")

        from affectd.bench.coverage import measure_coverage
        from affectd.bench.gate_fitting import fit as fit_gate
        from affectd.bench.gate_fitting import gather, save
        from affectd.bench.listeners import listeners
        from affectd.models.corpora import corpora_folder

        if fit is not None:
            with bar("recordings") as advance:
                material = gather(corpora_folder(corpora), progress=advance)
            save(fit_gate(material), fit)
            typer.echo(f"the gate's weights: {fit}", err=True)
        with listeners(model, checkpoint or ()) as asked, bar("recordings") as advance:
            return measure_coverage(
                asked,
                corpora=_at_hand(corpora),
                most=clips,
                sounds=sounds,
                seed=seed,
                progress=advance,
            )

    if told_file:
        idle = {"--model": model, "--checkpoint": checkpoint, "--corpora": corpora, "--fit": fit}
        _refuse(idle, "with --from nothing is measured")
    report(
        "coverage",
        _told(told_file, "coverage") if told_file else measured(),
        json_file,
        html,
        compare,
        png=picture,
        marked=page_file,
        show=print_coverage,
    )


def voices(
    model: Annotated[str, typer.Option("--model", help="A recipe with a probe.")] = "accurate",
    seed: Seed = 1,
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
        Path, typer.Option("--weights", metavar="DIR", help="Folder of the encoder's weights.")
    ] = Path(),
    json_file: JsonFile = None,
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

    from affectd.bench.voices import development as only_development
    from affectd.bench.voices import measure_voices
    from affectd.models.corpora import corpora_folder
    from affectd.models.features import cache_folder
    from affectd.models.probe import gather_probe_data
    from affectd.models.probe_recipe import ProbeRecipe
    from affectd.models.progress import RunProgress
    from affectd.models.recipes import load_recipe

    torch.set_num_threads(1)
    recipe = load_recipe(model)
    if not isinstance(recipe, ProbeRecipe):
        raise ValueError(f"recipe {model} has no probe: there are no vectors to know a voice by")
    with RunProgress() as progress:
        data = gather_probe_data(
            recipe,
            corpora=corpora_folder(corpora),
            cache=cache_folder(cache),
            weights=weights,
            seed=seed,
            progress=progress.extracting,
        )
        some = only_development(data) if development else data
        figures = measure_voices(some, seed=seed, say=progress.say)
    told = {"model": recipe.name, "development": development, **figures}
    report("voices", told, json_file, None, compare)


def _told(file: Path, benchmark: str) -> dict[str, Any]:
    """Return the figures that a file keeps of a benchmark.

    Raises:
        ValueError: it is no such file, or of another one.
    """
    from affectd.bench.robustness_page import tables

    told = earlier(file, "--from")
    if told["benchmark"] != benchmark:
        raise ValueError(f"--from {file} is of bench {told['benchmark']}, not of {benchmark}")
    try:
        tables(told)
    except KeyError as error:
        raise ValueError(f"--from {file} is not what --json wrote: it lacks {error}") from None
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"--from {file} is not what --json wrote: {error}") from None
    return told


def _refuse(idle: dict[str, Any], why: str) -> None:
    """Refuse options that would do nothing.

    Raises:
        ValueError: one of them is given.
    """
    if given := next((option for option, value in idle.items() if value), None):
        raise ValueError(f"{given}: {why}")


def _at_hand(corpora: Path | None) -> Path | None:
    """Return the corpora's folder; `None` where none is named, which the demo stands in for."""
    from affectd.models.corpora import CorpusError, corpora_folder

    try:
        return corpora_folder(corpora)
    except CorpusError:
        if corpora is not None:
            raise
        say("no corpora: the package's demo stands in for them")
        return None
