"""The benchmarks of how a model's answers hold: in altered speech, and where there is no speech."""

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
    refuse,
)
from affectd.bench.terminal import bar, print_coverage, print_robustness, report, say
from affectd.models.cli import CorporaOption

__all__ = ["coverage", "robustness", "thresholds"]


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

    Example: affectd bench robustness --model crnn-int8 --corpora ~/corpora --html robustness.html
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
        refuse(idle | {"--clean": clean}, "with --from nothing is measured")
    told = _told(told_file, "robustness") if told_file else None
    if clean or (told and not told["alterations"]):
        refuse({"--page": page_file, "--png": picture}, "with --clean nothing is altered")
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

    Example: affectd bench coverage --model crnn-int8 --corpora ~/corpora --html coverage.html
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
        refuse(idle, "with --from nothing is measured")
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


def thresholds(
    checkpoint: Checkpoints = None,
    corpora: CorporaOption = None,
    clips: Clips = 120,
    sounds: Annotated[int, typer.Option(min=1, help="Synthesised sounds of each kind.")] = 20,
    seed: Seed = 1,
    json_file: JsonFile = None,
) -> None:
    """Choose how probable an emotion must be, and how much like speech it must sound.

    Speech and other sounds are heard as they would be live, with every pair of thresholds. The pair
    is told that stays furthest from what is allowed (10 % of speech withheld, 5 % of other sounds
    named), for the worst of the models, and beside it the engine's own. Speakers who take part in
    the choice belong in no figure: give some of the folds' models here, and the others to
    'affectd bench coverage'.

    Needs PyTorch, which the extra 'train' brings.

    Example: affectd bench thresholds --checkpoint folds/fast-1.pt --corpora ~/corpora
    """
    from affectd.models.extra import need_inference_extra, need_training_extra

    need_training_extra("bench thresholds")
    need_inference_extra("bench thresholds")
    if not checkpoint:
        raise ValueError(
            "--checkpoint: the models of some folds, from bench accuracy --checkpoints"
        )

    from affectd.bench.listeners import listeners
    from affectd.bench.thresholds import measure_thresholds
    from affectd.models.corpora import corpora_folder

    with listeners("", checkpoint) as asked, bar("recordings") as advance:
        figures = measure_thresholds(
            asked,
            corpora=corpora_folder(corpora),
            most=clips,
            sounds=sounds,
            seed=seed,
            progress=advance,
        )
    report("thresholds", figures, json_file, None, None)


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
