"""``affectd analyze``: files in, tables, pictures and subtitles out."""

from __future__ import annotations

import glob
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from affectd.clients.manner import LANGUAGES, Style, manner, tells_emotion
from affectd.clients.records import csv_of, json_lines_of
from affectd.clients.subtitles import SubtitleFormat, Subtitles, write_cues
from affectd.clients.summary import emotion_profiles, summary_table, utterance_table
from affectd.clients.timeline import Timeline, page_of
from affectd.engine.shipped import DEFAULT_MODEL

__all__ = ["analyze"]

Format = Literal["table", "jsonl", "csv", "parquet", "png", "html", "vtt", "srt"]

_SUFFIXES = {
    *(".aac", ".aif", ".aifc", ".aiff", ".amr", ".au", ".avi", ".caf", ".flac", ".m4a", ".m4v"),
    *(".mka", ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".mpeg", ".mpg", ".oga", ".ogg", ".ogv"),
    *(".opus", ".rf64", ".snd", ".ts", ".w64", ".wav", ".wave", ".webm", ".wma", ".wmv"),
}
"""What is looked for in folders; a file that is named may have any other."""
_BINARY = ("parquet", "png")
_ONE_FILE_EACH = ("vtt", "srt")
_TABLE_COLUMNS = 120


def analyze(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="Sound files, folders, or globs.")
    ],
    format: Annotated[  # noqa: A002 - named as people know it
        Format | None,
        typer.Option(help="What to write.  [default: as the suffix of -o says, else table]"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="Where to; a folder for the subtitles of several files.",
        ),
    ] = None,
    subtitles: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="SRT or WebVTT to annotate by the speech under it."),
    ] = None,
    style: Annotated[
        Style, typer.Option(help="How subtitles tell an emotion.", rich_help_panel="Subtitles")
    ] = "word",
    language: Annotated[
        str,
        typer.Option(help=f"Of the words: {', '.join(LANGUAGES)}.", rich_help_panel="Subtitles"),
    ] = "en",
    model: Annotated[
        str,
        typer.Option(envvar="AFFECTD_MODEL", help="A shipped model's name, or an artefact's file."),
    ] = DEFAULT_MODEL,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Files at once.  [default: one a processor]")
    ] = None,
) -> None:
    """Hear files as fast as it goes: how they sound, and when.

    Whatever libsndfile reads, and through ffmpeg, where it is installed, the rest. What cannot be
    read is named and skipped.

    Example: affectd analyze talk.mp4 --subtitles talk.srt --language de -o talk.de.srt
    """
    describe = manner(style, language)
    given = Subtitles.read(subtitles) if subtitles else None
    chosen = _format(format, output, given)
    files, named = _found(paths)
    if given and len(files) != 1:
        raise ValueError(f"--subtitles goes with one recording, and here are {len(files)}")
    _check_output(chosen, output, files)
    targets = _targets(chosen, output, files)
    read = [*files, Path(model), *([subtitles] if subtitles else [])]
    _spare(set(targets.values()), read)
    _need(chosen)

    from affectd.recognizer import Recognizer

    recognizer = Recognizer(model)
    began = time.monotonic()
    with _progress(files) as heard:
        timelines, skipped = _hear(recognizer, files, heard, jobs or _processors())
    seconds = time.monotonic() - began
    if not timelines:
        raise ValueError("none of the files could be heard")

    if given:
        spans = [(cue.start, cue.end) for cue in given.cues]
        found = recognizer.under(files[0], spans, timelines[0])
        told = [tells_emotion(cue.words) for cue in given.cues]
        prefixes = [
            describe(each.label) if each and each.label and not already else ""
            for each, already in zip(found, told, strict=True)
        ]
        _write(given.annotated(prefixes), output)
        _say_told(sum(told))
    elif chosen in _ONE_FILE_EACH:
        heard_files = [file for file in files if file not in skipped]
        places = [targets.get(file) for file in heard_files]
        _write_subtitles(timelines, chosen, places, describe)  # type: ignore[arg-type]
    elif chosen == "table":
        _write_tables(timelines, output)
    elif chosen in _BINARY:
        assert output
        output.write_bytes(_bytes_of(timelines, chosen))
    else:
        as_text: dict[str, Callable[[list[Timeline]], str]] = {
            "jsonl": json_lines_of,
            "csv": csv_of,
            "html": page_of,
        }
        _write(as_text[chosen](timelines), output)
    _say_speed(timelines, seconds)
    if not named.isdisjoint(skipped):
        raise typer.Exit(1)  # it was asked for by name


def _format(wanted: Format | None, output: Path | None, given: Subtitles | None) -> Format:
    suffix = output.suffix.removeprefix(".").lower() if output else ""
    if given:
        if wanted and wanted != given.format:
            raise ValueError(
                f"--format {wanted} does not go with --subtitles: they stay {given.format}"
            )
        if not wanted and suffix not in ("", "txt", given.format):
            raise ValueError(
                f"-o {output} does not go with --subtitles: they stay {given.format}, as in "
                f"{output.with_suffix('.' + given.format)}"  # type: ignore[union-attr]
            )
        return given.format
    if wanted:
        if suffix in get_args(Format) and suffix != wanted:
            raise ValueError(f"-o {output} ends as {suffix} does, and --format says {wanted}")
        return wanted
    if suffix in get_args(Format):
        return suffix  # type: ignore[return-value]
    if output and suffix not in ("", "txt"):
        raise ValueError(f"-o {output}: say with --format which of {', '.join(get_args(Format))}")
    return "table"


def _check_output(chosen: Format, output: Path | None, files: Sequence[Path]) -> None:
    if chosen in _BINARY and output is None:
        raise ValueError(f"--format {chosen} needs -o FILE: it is no text")
    if chosen in _ONE_FILE_EACH and len(files) > 1 and (output is None or output.is_file()):
        raise ValueError(f"--format {chosen} of {len(files)} files needs -o FOLDER")
    folder = output.absolute().parent if output else None
    if folder and not folder.is_dir():
        raise ValueError(f"-o {output}: there is no folder {folder}")
    if output and output.is_dir() and chosen not in _ONE_FILE_EACH:
        raise ValueError(f"-o {output} is a folder; {chosen} goes into one file")


def _targets(chosen: Format, output: Path | None, files: Sequence[Path]) -> dict[Path, Path]:
    """Return where each file's subtitles go; for the other formats the one file for all."""
    if output is None:
        return {}
    if chosen not in _ONE_FILE_EACH or not (output.is_dir() or len(files) > 1):
        return dict.fromkeys(files, output)
    targets: dict[Path, Path] = {}
    taken: set[Path] = set()
    for file in files:
        target = output / f"{file.stem}.{chosen}"
        number = 1
        while target in taken:  # several of one name, from several folders
            of_several = f"-{number}" if number > 1 else ""
            target = output / f"{file.parent.name}-{file.name}{of_several}.{chosen}"
            number += 1
        taken.add(target)
        targets[file] = target
    return targets


def _spare(targets: Iterable[Path], sources: Sequence[Path]) -> None:
    """Refuse to write over what is read, by whatever name."""
    for target in targets:
        for source in sources:
            if target.exists() and source.exists() and target.samefile(source):
                raise ValueError(f"-o {target}: it would be written over {source}, which is read")


def _need(chosen: Format) -> None:
    """Refuse at once what would fail after all the work."""
    wanted = {"parquet": ("pandas", "pyarrow"), "png": ("matplotlib",)}.get(chosen, ())
    from importlib.util import find_spec

    for name in wanted:
        if find_spec(name) is None:
            raise ImportError(f"--format {chosen} needs {name}: pip install 'affectd[files]'")


def _found(paths: Sequence[str]) -> tuple[list[Path], set[Path]]:
    """Return the files that are named, in folders, or matched; and those that are named."""
    files: dict[Path, None] = {}
    named = set()
    for name in paths:
        path = Path(name).expanduser()
        if path.is_dir():
            inside = sorted(
                each
                for each in path.rglob("*")
                if each.suffix.lower() in _SUFFIXES
                and each.is_file()
                and not each.name.startswith(".")
            )
            if not inside:
                raise ValueError(f"{path} holds no sound files")
            files.update(dict.fromkeys(inside))
        elif not path.exists() and glob.has_magic(name):
            matched = sorted(glob.glob(str(path), recursive=True))
            if not matched:
                raise ValueError(f"nothing matches {name!r}")
            files.update(dict.fromkeys(Path(each) for each in matched if Path(each).is_file()))
        else:
            files[path] = None
            named.add(path)
    return list(files), named


def _hear(
    recognizer: object, files: Sequence[Path], heard: Callable[[float], None], jobs: int
) -> tuple[list[Timeline], list[Path]]:
    from affectd.recognizer import Recognizer

    assert isinstance(recognizer, Recognizer)

    def hear(path: Path) -> Timeline | Exception:
        try:
            return recognizer.timeline(path, heard=heard)
        except (OSError, ValueError) as error:
            return error

    timelines, skipped = [], []
    # The model and the kernels leave the interpreter's lock alone, and one model serves all: it
    # lends every thread memory of its own.
    with ThreadPoolExecutor(min(jobs, len(files))) as pool:
        for path, result in zip(files, pool.map(hear, files), strict=True):
            if isinstance(result, Timeline):
                timelines.append(result)
                if result.complaint:
                    print(f"affectd: {result.complaint}", file=sys.stderr, flush=True)
                continue
            skipped.append(path)
            text = " ".join(str(result).split())
            named = text if str(path) in text else f"{path}: {text}"
            print(f"affectd: skipped: {named}", file=sys.stderr, flush=True)
    return timelines, skipped


@contextmanager
def _progress(files: Sequence[Path]) -> Iterator[Callable[[float], None]]:
    """Show how far it is, with the time left, where somebody looks at it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    from affectd.engine.recording import seconds_of

    total = 0.0
    for path in files:
        try:
            total += seconds_of(path)
        except OSError:
            continue  # ffmpeg's, or nobody's
    columns = (TextColumn("hearing"), BarColumn(), TimeRemainingColumn(elapsed_when_finished=True))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("hearing", total=total or None)
        yield lambda seconds: progress.advance(task, seconds)


def _write_tables(timelines: list[Timeline], output: Path | None) -> None:
    def draw(console: Console) -> None:
        console.print(utterance_table(timelines))
        console.print()
        console.print(summary_table(emotion_profiles(timelines)))

    if output is None:
        terminal = Console()
        draw(terminal if terminal.is_terminal else Console(width=_TABLE_COLUMNS))
        return
    with output.open("w", encoding="utf-8") as file:
        draw(Console(file=file, width=_TABLE_COLUMNS))


def _write_subtitles(
    timelines: Sequence[Timeline],
    kind: SubtitleFormat,
    targets: Sequence[Path | None],
    describe: Callable[[str], str],
) -> None:
    for timeline, target in zip(timelines, targets, strict=True):
        if target:
            target.parent.mkdir(exist_ok=True)
        _write(write_cues(timeline.utterances, kind, describe), target)


def _bytes_of(timelines: list[Timeline], chosen: Format) -> bytes:
    if chosen == "parquet":
        from affectd.frame import parquet_bytes

        return parquet_bytes(timelines)
    from affectd.clients.timeline_picture import save_png

    out = BytesIO()
    save_png(timelines, out)
    return out.getvalue()


def _write(text: str, output: Path | None) -> None:
    # As bytes: line ends stay what they are.
    if output:
        output.write_bytes(text.encode())
    else:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()


def _say_told(cues: int) -> None:
    if cues:
        some = "1 cue tells an emotion already, and stays as it is"
        many = f"{cues} cues tell an emotion already, and stay as they are"
        print(f"affectd: {some if cues == 1 else many}", file=sys.stderr)


def _say_speed(timelines: Sequence[Timeline], seconds: float) -> None:
    audio = sum(timeline.seconds for timeline in timelines)
    files = f"{len(timelines)} file{'s' if len(timelines) > 1 else ''}"
    print(
        f"affectd: {files}, {audio:.1f} s of audio in {seconds:.1f} s: "
        f"{audio / max(seconds, 1e-9):.0f} s of audio per second",
        file=sys.stderr,
    )


def _processors() -> int:
    count = getattr(os, "sched_getaffinity", None)
    return len(count(0)) if count else os.cpu_count() or 1
