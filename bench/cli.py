"""``affectd bench …``: figures that anyone can repeat."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from affectd.bench.accuracy_cli import accuracy, voices
from affectd.bench.options import (
    Compare,
    Encoders,
    HtmlFile,
    JsonFile,
    Model,
    SvgFile,
)
from affectd.bench.papers_cli import papers
from affectd.bench.robustness_cli import coverage, robustness, thresholds
from affectd.bench.terminal import print_latency, report, say
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
    # Daemons and clients are ended on the way out, which a signal would cut off.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


for command in (papers, accuracy, robustness, coverage, thresholds, voices):
    bench.command()(command)


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
    from affectd.engine.shipped import DEFAULT_MODEL

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
    report("latency", figures, json_file, html, compare, show=print_latency)


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

    report("page", measure_page(streams, seconds=seconds), json_file, None, compare)


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
    figures = measure_streams(levels, seconds=seconds, model=model, pauses=pauses, say=say)
    figures |= measure_growth(
        hop_seconds, window_seconds, streams=growing, seconds=seconds, model=model, say=say
    )
    report("streams", figures, json_file, html, compare, svg=svg)


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

    figures = measure_fanout(_counts(counts), seconds=seconds, model=model, say=say)
    report("fanout", figures, json_file, html, compare, svg=svg)


@bench.command()
def memory(
    subscribers: Annotated[int, typer.Option(min=1)] = 1_000,
    streams: Annotated[int, typer.Option(min=1)] = 50,
    minutes: Annotated[
        float, typer.Option(min=0, help="Also watch for so long how it grows; 0 for not at all.")
    ] = 0,
    model: Model = "",
    json_file: JsonFile = None,
    html: HtmlFile = None,
    compare: Compare = None,
) -> None:
    """Measure what a subscriber and a stream take of the daemon's memory, and how soon it is ready.

    With --minutes also whether it grows while as many streams talk, and twice as many clients
    listen, who go every half minute, and others come.

    Example: affectd bench memory --streams 20 --minutes 60 --html memory.html
    """
    from affectd.bench.endurance import measure_endurance
    from affectd.bench.many import measure_memory

    figures = measure_memory(subscribers, streams, model=model, say=say)
    if minutes:
        figures["endurance"] = measure_endurance(minutes, streams=streams, model=model, say=say)
    report("memory", figures, json_file, html, compare)


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

    report("capture", measure_capture(seconds, threads=threads, say=say), json_file, html, compare)


@bench.command()
def kernels(json_file: JsonFile = None, compare: Compare = None) -> None:
    """Time the log-mel kernel, and librosa, scipy, numpy, torch and kaldi-native-fbank beside it.

    Example: affectd bench kernels
    """
    from affectd.bench.kernels import measure_logmel

    report("kernels", measure_logmel(), json_file, None, compare)


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
    from affectd.engine.shipped import DEFAULT_MODEL

    report("offline", measure_offline(model=model or DEFAULT_MODEL), json_file, None, compare)


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
    from affectd.engine.shipped import DEFAULT_MODEL

    report("model", measure_model(model=model or DEFAULT_MODEL), json_file, None, compare)


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

    Needs PyTorch, which the extra 'train' brings.

    Example: affectd bench shared --train runs/shared --corpora ~/corpora
    """
    from affectd.models.extra import need_training_extra

    need_training_extra("bench shared")
    import torch

    from affectd.bench.shared import measure_shared
    from affectd.bench.shared_accuracy import measure_accuracy_shared
    from affectd.models.corpora import corpora_folder
    from affectd.models.features import cache_folder

    torch.set_num_threads(1)
    figures = measure_shared()
    if train is not None:
        figures["uar"] = measure_accuracy_shared(
            corpora=corpora_folder(corpora),
            cache=cache_folder(cache),
            runs=train,
            epochs=epochs,
            say=say,
        )
    report("shared", figures, json_file, None, compare)


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

    figures = measure_peers(encoders=encoder or (), rounds=windows, say=say)
    report("peers", figures, json_file, html, compare)


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
        seconds=seconds, windows=windows, encoders=encoder or (), model=model, say=say
    )
    report("all", figures, json_file, html, compare)


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
