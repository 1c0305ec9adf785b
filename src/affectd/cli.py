"""The one place where the rooms meet: their commands are imported only when they are asked for."""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from affectd import __version__

__all__ = ["main"]

_COMMANDS = {
    "run": "affectd.engine.cli",
    "watch": "affectd.clients.cli",
    "send": "affectd.send",
    "status": "affectd.clients.cli",
    "analyze": "affectd.analyze",
    "enrol": "affectd.enrol",
    "voices": "affectd.enrol",
    "devices": "affectd.engine.cli",
    "doctor": "affectd.engine.cli",
    "config": "affectd.engine.cli",
    "bench": "affectd.bench.cli",
    "train": "affectd.models.cli",
    "evaluate": "affectd.models.cli",
    "export": "affectd.export.cli",
}
_PANELS = {
    "run": "Live",
    "watch": "Live",
    "send": "Live",
    "status": "Live",
    "analyze": "Files",
    "enrol": "Set-up",
    "voices": "Set-up",
    "devices": "Set-up",
    "doctor": "Set-up",
    "config": "Set-up",
    "bench": "Measure",
    "train": "Models",
    "evaluate": "Models",
    "export": "Models",
}
_EXAMPLES = {
    "run": "affectd run --source mic",
    "watch": "affectd watch",
    "send": "affectd send talk.wav",
    "status": "affectd status",
    "analyze": "affectd analyze talk.mp3 -o talk.html",
    "enrol": "affectd enrol anna",
    "voices": "affectd voices",
    "devices": "affectd devices",
    "doctor": "affectd doctor",
    "config": "affectd config --config affectd.toml",
    "bench": "affectd bench latency",
    "train": "affectd train crnn",
    "evaluate": "affectd evaluate crnn --corpus ravdess",
    "export": "affectd export runs/crnn/best.pt -o models",
}


class _Rooms(TyperGroup):
    """Looks a command up in its room when it is needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name every command, in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the command's room."""
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name)
        if not isinstance(command, typer.Typer):
            app = typer.Typer(add_completion=False)
            app.command(cmd_name, rich_help_panel=_PANELS[cmd_name])(command)
            command = app
        found: Any = typer.main.get_command(command)
        _flow(found)
        found.name = cmd_name
        found.rich_help_panel = _PANELS[cmd_name]
        # The list of commands shows the first paragraph alone; one line of use says as much.
        summary = (found.help or "").partition("\n\n")[0]
        found.short_help = f"{summary} [dim]E.g. {_EXAMPLES[cmd_name]}[/dim]"
        return found


def _flow(command: Any) -> None:
    """Let the paragraphs of a help text break where the terminal's lines end."""
    if command.help:
        paragraphs = inspect.cleandoc(command.help).split("\n\n")
        command.help = "\n\n".join(_one_line(each) for each in paragraphs)
    for each in getattr(command, "commands", {}).values():
        _flow(each)


# Typer has its own copy of Click since 0.29 and needs Click before: the class is found either way.
_UsageError: Any = next(
    each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException"
)

_app = typer.Typer(
    cls=_Rooms,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"affectd {__version__}")
        raise typer.Exit


@_app.callback()
def _affectd(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="AFFECTD_DEBUG", help="Show tracebacks.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hear how people speak: live audio in, calibrated emotion probabilities out.

    Start with 'affectd run', and 'affectd watch' in a second terminal.
    """
    if debug:
        os.environ["AFFECTD_DEBUG"] = "1"


def main() -> None:
    """Run the command line; an error that a person can mend is one line, and exit code 1."""
    try:
        with _warnings_in_one_line():
            code = _app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except _UsageError as error:
        if error.__class__.__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            # Pydantic's words for what is wrong say that something is.
            said = _one_line(error.format_message()).replace("Value error, ", "")
            print(f"affectd: {said}", file=sys.stderr)
        sys.exit(2)
    except typer.Abort:
        sys.exit(130)
    except (OSError, ValueError, ImportError) as error:
        if os.environ.get("AFFECTD_DEBUG"):
            raise
        print(f"affectd: {_describe(error)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Show affectd's own warnings as it shows errors; others as they are."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def warn(message: Warning | str, category: type[Warning], *place: Any, **rest: Any) -> None:
            if category.__module__.startswith("affectd."):
                print(f"affectd: {_one_line(str(message))}", file=sys.stderr, flush=True)
            else:
                show(message, category, *place, **rest)

        warnings.showwarning = warn
        yield


def _describe(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())
