"""``affectd enrol`` and ``affectd voices``: whose voices are known on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from affectd.engine.shipped import DEFAULT_MODEL, find_model

__all__ = ["enrol", "voices"]

_PATIENCE_SECONDS = 60.0
_QUIETEST_DB = -60.0
_METER = 10


def enrol(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the voice: A-Z a-z 0-9 _ -")],
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE…]", help="Recordings of it.  [default: the microphone]"),
    ] = None,
    model: Annotated[
        str,
        typer.Option(envvar="AFFECTD_MODEL", help="A shipped model's name, or an artefact's file."),
    ] = DEFAULT_MODEL,
    device: Annotated[
        str | None,
        typer.Option(help="Microphone: its name, a part of it, or its number in 'devices'."),
    ] = None,
) -> None:
    """Get to know a voice by about 20 s of neutral speech.

    'affectd run --source mic --voice NAME' then hears it beside itself.

    Nobody else may speak, and what is said should be said as one reads a list. A small file of
    statistics is kept, which only this model can use; no audio is. What was known of the voice
    before is replaced.

    Example: affectd enrol anna
    """
    if recordings and device:
        raise ValueError("--device does nothing with files")

    from affectd.engine.classifier import Classifier
    from affectd.engine.enrolment import WANTED_SECONDS, Enrolment, blocks_of
    from affectd.engine.recording import Recording
    from affectd.engine.voice_files import VoiceFiles, check_voice_name
    from affectd.kernels.samples import BadSampleError

    check_voice_name(name)
    files = VoiceFiles()
    enrolment = Enrolment(name, Classifier(find_model(model)), files=files)
    if recordings:
        for path in recordings:
            try:
                with Recording(path.expanduser()) as recording:
                    for _ in enrolment.hear(recording.blocks(), recording.rate):
                        pass
            except BadSampleError as error:
                raise ValueError(f"{path}: {error}") from error
    else:
        from affectd.engine.microphone import MicrophoneSource

        microphone = MicrophoneSource(device)
        print(
            f"Please speak for about {WANTED_SECONDS:.0f} s, as one reads a list of words.",
            flush=True,
        )
        with _meter(WANTED_SECONDS) as show:

            def wanted() -> Iterator[npt.NDArray[np.float32]]:
                until = time.monotonic() + _PATIENCE_SECONDS
                with closing(blocks_of(microphone)) as blocks:
                    for block in blocks:
                        yield block
                        show(enrolment.seconds, block)
                        if enrolment.seconds >= WANTED_SECONDS or time.monotonic() > until:
                            return

            for _ in enrolment.hear(wanted(), microphone.rate):
                pass
    path = enrolment.save()
    print(
        f"{name}: learnt from {enrolment.utterances} utterances, {enrolment.seconds:.1f} s of "
        f"speech; kept in {path}"
    )


def voices(
    remove: Annotated[
        str | None, typer.Option(metavar="NAME", help="Forget this voice: delete its file.")
    ] = None,
) -> None:
    """List the voices that are known on this machine, or forget one.

    Example: affectd voices --remove anna
    """
    from affectd.engine.voice_files import VoiceFiles

    files = VoiceFiles()
    if remove is not None:
        files.remove(remove)
        print(f"{remove}: forgotten")
        return
    if not (names := files.names()):
        print(f"no voices are known in {files.folder}; 'affectd enrol NAME' adds one")
    for name in names:
        try:
            known = files.read(name)
            told = f"{sum(known['counts']):.0f} utterances, heard by {known['model']}"
        except (KeyError, TypeError):
            told = "its file is of another version of affectd, or damaged: enrol it again"
        except (OSError, ValueError) as error:
            told = str(error)
        print(f"{name}: {told}")


@contextmanager
def _meter(wanted_seconds: float) -> Iterator[Callable[[float, npt.NDArray[np.float32]], None]]:
    """Show how much was said, and how loud it is, where somebody looks at it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda seconds, block: None
        return
    columns = (BarColumn(), TextColumn("{task.completed:.0f} s of speech  {task.fields[level]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("speech", total=wanted_seconds, level="")

        def show(seconds: float, block: npt.NDArray[np.float32]) -> None:
            power = float(np.mean(np.square(block, dtype=np.float64))) if block.size else 0.0
            level_db = max(10 * np.log10(power + 1e-12), _QUIETEST_DB)
            bars = round(_METER * (1 - level_db / _QUIETEST_DB))
            progress.update(
                task,
                completed=min(seconds, wanted_seconds),
                level="▮" * bars + "▯" * (_METER - bars),
            )

        yield show
