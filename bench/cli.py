"""``affectd bench …``: figures that anyone can repeat."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from affectd.models.cli import CacheOption, CorporaOption

__all__ = ["bench"]

bench = typer.Typer(
    help="Measure this machine: percentiles, ratios to the peers, machine and versions.",
    no_args_is_help=True,
    add_completion=False,
)


@bench.callback()
def _bench() -> None:
    """Measure this machine: percentiles, ratios to the peers, machine and versions."""


def _in_a_folder(file: Path | None) -> Path | None:
    """Refuse before the measurement what could not be written after it."""
    if file and not file.absolute().parent.is_dir():
        raise ValueError(f"{file}: there is no folder {file.absolute().parent}")
    return file


def _readable(file: Path | None) -> Path | None:
    """Refuse before the measurement what could not be compared with after it."""
    if file:
        _earlier(file)
    return file


JsonFile = Annotated[
    Path | None,
    typer.Option("--json", callback=_in_a_folder, help="Write the figures to this file, too."),
]
HtmlFile = Annotated[
    Path | None,
    typer.Option(
        "--html", callback=_in_a_folder, help="Write a report with plots to this file, too."
    ),
]
SvgFile = Annotated[
    Path | None,
    typer.Option("--svg", callback=_in_a_folder, help="Write the plots alone to this file, too."),
]
Compare = Annotated[
    Path | None,
    typer.Option(
        callback=_readable,
        help="Show beside the figures those that an earlier run wrote with --json.",
    ),
]
Encoders = Annotated[
    list[Path] | None,
    typer.Option(
        help="ONNX file, or wheel that holds one, of an encoder that takes samples or Whisper's "
        "spectrogram; may be given again."
    ),
]
Model = Annotated[str, typer.Option(help="As for 'affectd run'; empty for its default.")]
Checkpoints = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="Instead of --model: a checkpoint, as of a fold; may be given again, and each hears "
        "the speakers that it has not heard.",
    ),
]
Clips = Annotated[int, typer.Option(min=0, help="Clips of each corpus and model; 0 for all.")]
Seed = Annotated[int, typer.Option(min=0, help="Decides which clips, and every chance.")]


@bench.command()
def latency(
    windows: Annotated[
        int, typer.Option(min=10, help="Provisional windows to measure; 2,000 take 9 minutes.")
    ] = 2_000,
    microphone: Annotated[
        bool,
        typer.Option(
            "--microphone", help="Hear the speech through a virtual microphone, not from a file."
        ),
    ] = False,
    model: Model = "",
    json_file: JsonFile = None,
    html: HtmlFile = None,
    compare: Compare = None,
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
    from affectd.engine.artefact import DEFAULT_MODEL

    model = model or DEFAULT_MODEL
    logmel = measure_logmel()
    columns = ("latency", BarColumn(), MofNCompleteColumn(), "windows", TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("latency", total=windows)
        run = measure_latency(
            windows,
            model=model,
            microphone=microphone,
            progress=lambda done: progress.update(task, completed=done),
        )
    figures = {"logmel": logmel, "model": model, **run.summary()}
    _report("latency", figures, json_file, html, compare, show=_print)


@bench.command()
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
        list[str] | None, typer.Option("--protocol", help="paper or folds; both if not said.")
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
    from affectd.models.extra import need_inference_extra, need_training_extra

    need_training_extra("bench papers")
    need_inference_extra("bench papers")
    import torch

    from affectd.bench.machine import describe_machine
    from affectd.bench.papers import kept, protocols_named, remove_runs, run_papers, save
    from affectd.bench.papers_table import markdown, plot, put_into
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
            names=run or system or (),
            protocols=protocols,
            train=train or bool(run),
            most_folds=folds,
            earlier=kept(json_file),
            say=progress.say,
        )
    if runs.is_dir():  # else these are the figures that were there
        save(rows, describe_machine(), json_file)
    told = markdown(rows)
    typer.echo(told)
    if table is not None:
        put_into(table, told)
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
    told_file: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Measure nothing: tell of the figures of this file."
        ),
    ] = None,
    page_file: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE", help="Write the tables there, between their marks."),
    ] = None,
    picture: Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Draw it.")] = None,
    evaluations_folder: Annotated[
        Path | None,
        typer.Option(
            "--evaluations", metavar="DIR", help="Write what `affectd export` puts into the card."
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
    from affectd.models.progress import RunProgress
    from affectd.models.recipes import load_recipe

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
                    progress=progress.extracting,
                )
                runs.append(measure_seed(data, each, progress.say))
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


@bench.command()
def robustness(
    model: Model = "",
    checkpoint: Checkpoints = None,
    corpora: CorporaOption = None,
    clips: Clips = 120,
    seed: Seed = 1,
    json_file: JsonFile = None,
    html: HtmlFile = None,
    compare: Compare = None,
) -> None:
    """Alter clean speech in known ways, and measure what becomes of a model's answers.

    Gain, silence, cropping, a telephone, Opus, clipping, a room, and noise at 20, 10 and 5 dB; each
    clip is heard as it would be live. Told are the share of clips whose emotion stays the same and
    the UAR, then the UAR by sex and age. Without corpora the package's demo is altered: a dozen
    clips, which show that it works and prove nothing.

    Speakers whom the model has heard in training are left out where there are others, and the
    figures say which they are. A model that has heard everybody is measured by the models of its
    folds: 'affectd evaluate RECIPE --protocol folds' keeps them, and --checkpoint takes each.

    Needs PyTorch: pip install 'affectd[train]'.

    Example: affectd bench robustness --corpora ~/corpora --html robustness.html
    """
    from affectd.models.extra import need_inference_extra, need_training_extra

    need_training_extra("bench robustness")
    need_inference_extra("bench robustness")

    from affectd.bench.listeners import listeners
    from affectd.bench.robustness import measure_robustness

    with listeners(model, checkpoint or ()) as asked, _bar("clips") as advance:
        figures = measure_robustness(
            asked, corpora=_at_hand(corpora), most=clips, seed=seed, progress=advance
        )
    _report("robustness", figures, json_file, html, compare, show=_print_robustness)


@bench.command()
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
            callback=_in_a_folder,
            help="First fit the speech gate's weights, and write them there. Takes five minutes.",
        ),
    ] = None,
    json_file: JsonFile = None,
    html: HtmlFile = None,
    compare: Compare = None,
) -> None:
    """Measure how often an emotion is named, how right it is, and what is named of no speech.

    Speech and other sounds (ESC-10 where it is among the corpora, music, breath, claps and the like
    from formulas) are heard as they would be live, through voice activity and segmenter. Told are
    the share of windows in which the engine withholds an emotion, with its reasons; accuracy
    against coverage; and how far confidence lies from accuracy.

    Needs PyTorch: pip install 'affectd[train]'.

    Example: affectd bench coverage --corpora ~/corpora --html coverage.html
    """
    from affectd.models.extra import need_inference_extra, need_training_extra

    need_training_extra("bench coverage")
    need_inference_extra("bench coverage")

    from affectd.bench.coverage import measure_coverage
    from affectd.bench.gate_fitting import fit as fit_gate
    from affectd.bench.gate_fitting import gather, save
    from affectd.bench.listeners import listeners
    from affectd.models.corpora import corpora_folder

    if fit is not None:
        with _bar("recordings") as advance:
            material = gather(corpora_folder(corpora), progress=advance)
        save(fit_gate(material), fit)
        typer.echo(f"the gate's weights: {fit}", err=True)
    with listeners(model, checkpoint or ()) as asked, _bar("recordings") as advance:
        figures = measure_coverage(
            asked, corpora=_at_hand(corpora), most=clips, sounds=sounds, seed=seed, progress=advance
        )
    _report("coverage", figures, json_file, html, compare, show=_print_coverage)


@bench.command()
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
    _report("voices", told, json_file, None, compare)


@bench.command()
def page(
    streams: Annotated[int, typer.Option(min=1, max=16, help="Streams side by side.")] = 4,
    seconds: Annotated[float, typer.Option(min=1, help="How long to watch.")] = 30.0,
    json_file: JsonFile = None,
    compare: Compare = None,
) -> None:
    """Measure how evenly the web page draws in a headless Chromium, and whether its memory grows.

    Let nothing else run meanwhile; without a graphics card Chromium draws on the processor.

    Example: affectd bench page --streams 4 --seconds 60 --json page.json
    """
    from affectd.bench.page import measure_page

    _report("page", measure_page(streams, seconds=seconds), json_file, None, compare)


@bench.command()
def streams(
    counts: Annotated[
        str, typer.Option(help="Streams at once, rising; it ends where they are borne no more.")
    ] = "1,10,25,50,75,100,125,150,200,300,400,500",
    seconds: Annotated[float, typer.Option(min=2, help="How long each level is measured.")] = 20,
    pauses: Annotated[
        bool, typer.Option("--pauses", help="With the pauses between sentences.")
    ] = False,
    hops: Annotated[
        str, typer.Option(help="Seconds between windows, each measured in turn; '' for none.")
    ] = "0.1,0.25,0.5,1",
    windows: Annotated[
        str, typer.Option(help="Longest windows in seconds, each in turn; '' for none.")
    ] = "1,2,3",
    growing: Annotated[
        int, typer.Option(min=1, help="Streams that talk for --hops and --windows.")
    ] = 20,
    model: Model = "",
    json_file: JsonFile = None,
    html: HtmlFile = None,
    svg: SvgFile = None,
    compare: Compare = None,
) -> None:
    """Measure how many streams talk at once before p99 leaves 20 ms.

    Real speech at real-time pace over WebSockets, from a process of its own, until the p99 from
    the end of the block that closed a window to the client's receive call is over 20 ms. Then
    some streams talk with other hops and other windows, to show how the cost grows with them.

    Example: affectd bench streams --counts 50,100,150 --html streams.html
    """
    from affectd.bench.many import measure_growth, measure_streams

    levels = _counts(counts)
    hop_seconds, window_seconds = _seconds("--hops", hops), _seconds("--windows", windows)
    figures = measure_streams(levels, seconds=seconds, model=model, pauses=pauses, say=_say)
    figures |= measure_growth(
        hop_seconds, window_seconds, streams=growing, seconds=seconds, model=model, say=_say
    )
    _report("streams", figures, json_file, html, compare, svg=svg)


@bench.command()
def fanout(
    counts: Annotated[str, typer.Option(help="Subscribers at once.")] = "1,100,500,1000,2000",
    seconds: Annotated[float, typer.Option(min=2, help="How long each level is measured.")] = 20,
    model: Model = "",
    json_file: JsonFile = None,
    html: HtmlFile = None,
    svg: SvgFile = None,
    compare: Compare = None,
) -> None:
    """Measure how fast events of one stream reach many subscribers in another process.

    Example: affectd bench fanout --counts 2000
    """
    from affectd.bench.many import measure_fanout

    figures = measure_fanout(_counts(counts), seconds=seconds, model=model, say=_say)
    _report("fanout", figures, json_file, html, compare, svg=svg)


@bench.command()
def memory(
    subscribers: Annotated[int, typer.Option(min=1)] = 1_000,
    streams: Annotated[int, typer.Option(min=1)] = 50,
    model: Model = "",
    json_file: JsonFile = None,
    compare: Compare = None,
) -> None:
    """Measure what a subscriber and a stream take of the daemon's memory, and how soon it is ready.

    Example: affectd bench memory --json memory.json
    """
    from affectd.bench.many import measure_memory

    figures = measure_memory(subscribers, streams, model=model, say=_say)
    _report("memory", figures, json_file, None, compare)


@bench.command()
def capture(
    seconds: Annotated[float, typer.Option(min=1, help="How long both capture.")] = 60,
    threads: Annotated[
        int, typer.Option(min=0, max=64, help="Threads that compute in pure Python meanwhile.")
    ] = 1,
    json_file: JsonFile = None,
    html: HtmlFile = None,
    compare: Compare = None,
) -> None:
    """Count the samples that a capture loses beside a busy interpreter, by the kind of callback.

    Numbered samples are played into a virtual microphone and heard twice at once: by the callback
    in machine code and by an ordinary one.

    Example: affectd bench capture --seconds 60 --json capture.json
    """
    from affectd.bench.capture import measure_capture

    _report(
        "capture", measure_capture(seconds, threads=threads, say=_say), json_file, html, compare
    )


@bench.command()
def kernels(json_file: JsonFile = None, compare: Compare = None) -> None:
    """Time the log-mel kernel, and librosa, scipy, numpy, torch and kaldi-native-fbank beside it.

    Example: affectd bench kernels
    """
    from affectd.bench.kernels import measure_logmel

    _report("kernels", measure_logmel(), json_file, None, compare)


@bench.command()
def offline(
    model: Model = "",
    json_file: JsonFile = None,
    compare: Compare = None,
) -> None:
    """Measure how many seconds of audio one core hears in a second.

    Example: affectd bench offline
    """
    from affectd.bench.offline import measure_offline
    from affectd.engine.artefact import DEFAULT_MODEL

    _report("offline", measure_offline(model=model or DEFAULT_MODEL), json_file, None, compare)


@bench.command(name="model")
def model_command(
    model: Model = "",
    json_file: JsonFile = None,
    compare: Compare = None,
) -> None:
    """Time a window in the model by the size of the batch, by its lengths, and by threads.

    Example: affectd bench model --json model.json
    """
    from affectd.bench.model import measure_model
    from affectd.engine.artefact import DEFAULT_MODEL

    _report("model", measure_model(model=model or DEFAULT_MODEL), json_file, None, compare)


@bench.command()
def shared(
    train: Annotated[
        Path | None,
        typer.Option(
            "--train",
            metavar="DIR",
            help="Also train the variants and the CRNN for a short time, in this folder.",
        ),
    ] = None,
    corpora: CorporaOption = None,
    cache: CacheOption = None,
    epochs: Annotated[int, typer.Option(min=1, help="Of 4,096 windows each.")] = 6,
    json_file: JsonFile = None,
    compare: Compare = None,
) -> None:
    """Time variants of the model whose windows share work; with --train also what they hear.

    Needs PyTorch: pip install 'affectd[train]'.

    Example: affectd bench shared --train runs/shared --corpora ~/corpora
    """
    from affectd.models.extra import need_training_extra

    need_training_extra("bench shared")
    import torch

    from affectd.bench.shared import measure_shared
    from affectd.bench.shared_accuracy import measure_accuracy_shared
    from affectd.engine.artefact import DEFAULT_MODEL
    from affectd.models.corpora import corpora_folder
    from affectd.models.features import cache_folder

    torch.set_num_threads(1)
    figures = measure_shared(model=DEFAULT_MODEL)
    if train is not None:
        figures["uar"] = measure_accuracy_shared(
            corpora=corpora_folder(corpora),
            cache=cache_folder(cache),
            runs=train,
            epochs=epochs,
            say=_say,
        )
    _report("shared", figures, json_file, None, compare)


@bench.command()
def peers(
    encoder: Encoders = None,
    windows: Annotated[int, typer.Option(min=10, help="Windows by each way.")] = 100,
    json_file: JsonFile = None,
    html: HtmlFile = None,
    compare: Compare = None,
) -> None:
    """Time windows in this engine and in what others would use, interleaved, on the same speech.

    librosa and PyTorch as the papers call them, openSMILE's eGeMAPS if it is installed, and
    encoders that you name.

    Example: affectd bench peers --encoder smart-turn-v3.2-cpu.onnx --html peers.html
    """
    from affectd.bench.peers import measure_peers

    figures = measure_peers(encoders=encoder or (), rounds=windows, say=_say)
    _report("peers", figures, json_file, html, compare)


@bench.command(name="all")
def everything(
    seconds: Annotated[float, typer.Option(min=2, help="How long each level is measured.")] = 20,
    windows: Annotated[int, typer.Option(min=10, help="Windows of 'latency'.")] = 500,
    encoder: Encoders = None,
    model: Model = "",
    json_file: JsonFile = None,
    html: HtmlFile = None,
    compare: Compare = None,
) -> None:
    """Measure all of these but 'page', one after the other. What cannot run here is named.

    Example: affectd bench all --json all.json --html all.html
    """
    from affectd.bench.all import measure_all

    figures = measure_all(
        seconds=seconds, windows=windows, encoders=encoder or (), model=model, say=_say
    )
    _report("all", figures, json_file, html, compare)


def _seconds(name: str, text: str) -> list[float]:
    try:
        seconds = sorted({float(each) for each in text.split(",") if text})
    except ValueError:
        seconds = [0.0]
    if not all(0 < each < float("inf") for each in seconds):
        raise ValueError(f"{name} is {text!r}: it is seconds above 0, like 0.25,0.5,1, or nothing")
    return seconds


def _counts(text: str) -> list[int]:
    try:
        counts = sorted({int(each) for each in text.split(",")})
    except ValueError:
        counts = []
    if not counts or counts[0] < 1:
        raise ValueError(f"--counts is {text!r}: it is whole numbers from 1, like 10,50,100")
    return counts


def _at_hand(corpora: Path | None) -> Path | None:
    """Return the corpora's folder; `None` where none is named, which the demo stands in for."""
    from affectd.models.corpora import CorpusError, corpora_folder

    try:
        return corpora_folder(corpora)
    except CorpusError:
        if corpora is not None:
            raise
        _say("no corpora: the package's demo stands in for them")
        return None


@contextmanager
def _bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many are done, and how long the rest will take."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), unit, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(unit)
        yield lambda done, of: bars.update(task, completed=done, total=of)


def _say(text: str) -> None:
    print(f"measuring: {text}", file=sys.stderr, flush=True)


def _report(
    name: str,
    figures: dict[str, Any],
    json_file: Path | None,
    html: Path | None,
    compare: Path | None,
    *,
    svg: Path | None = None,
    show: Callable[[Any, dict[str, Any]], None] | None = None,
) -> None:
    from rich.console import Console

    from affectd.bench.machine import describe_machine
    from affectd.bench.report import comparison, missing_of, page, picture, table

    document = {"benchmark": name, "machine": describe_machine(), **figures}
    console = Console()
    machine = document["machine"]
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python "
        f"{machine['python']}, {machine['versions']}, load {machine['load_average']}"
    )
    if compare:
        console.print(comparison(_earlier(compare), document))
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


def _earlier(file: Path) -> dict[str, Any]:
    """Return what an earlier run wrote.

    Raises:
        ValueError: it is no such file.
    """
    try:
        document = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ValueError(f"--compare {file}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"--compare {file} is not what --json wrote: {error}") from None
    if not isinstance(document, dict) or "benchmark" not in document:
        raise ValueError(f"--compare {file} is not what --json wrote: it names no benchmark")
    return document


def _print(console: Any, figures: dict[str, Any]) -> None:
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
        f"gaps, load, errors: {figures['other_events'] or 'none'}; slip of the schedule: "
        f"{figures['slip_ms']} ms"
    )


def _print_robustness(console: Any, figures: dict[str, Any]) -> None:
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


def _print_coverage(console: Any, figures: dict[str, Any]) -> None:
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
