"""Where ``affectd watch`` puts its events: lines of JSON, lines for people, a screen, a picture."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.live import Live

from affectd.clients.overview import Overview
from affectd.clients.subscription import Loss, is_last
from affectd.clients.terminal import TerminalView
from affectd.clients.wording import line_of
from affectd.engine.protocol import JSON, encode

__all__ = ["Display", "JsonLines", "Picture", "Screen", "TextLines"]

_FRAME_SECONDS = 0.1
# A stream that is over makes room for those that live; a failure is shown longer.
_ENDED_SECONDS = 30.0
_FAILED_SECONDS = 300.0
_PICTURE_COLUMNS = 110
_PICTURE_LINES = 21
_PICTURE_RESULTS = 3


class Display(Protocol):
    """Shows events."""

    done: bool
    """Whether it has all it wants."""

    def take(self, event: Mapping[str, Any]) -> None:
        """Show an event."""

    def lose(self, loss: Loss) -> None:
        """Show that the connection is gone, and will be tried again."""

    def close(self) -> None:
        """Leave everything as it was."""


class JsonLines:
    """One event a line, for a program; what is no event goes to standard error.

    Args:
        out: Where to.
    """

    done = False

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def take(self, event: Mapping[str, Any]) -> None:
        """Print an event."""
        print(encode(event, JSON), file=self._out, flush=True)

    def lose(self, loss: Loss) -> None:
        """Say so beside the events."""
        print(f"affectd: {loss.reason}; trying again", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Do nothing: every line was flushed."""


class TextLines:
    """One line an utterance or notice, for a person who reads a file or a pipe.

    Args:
        out: Where to.
    """

    done = False

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lost = False

    def take(self, event: Mapping[str, Any]) -> None:
        """Print what is worth a line."""
        self._lost = False
        if line := line_of(event):
            print(line, file=self._out, flush=True)

    def lose(self, loss: Loss) -> None:
        """Say so once, not with every attempt."""
        if not self._lost:
            print(f"{loss.reason}; trying again", file=self._out, flush=True)
        self._lost = True

    def close(self) -> None:
        """Do nothing: every line was flushed."""


class Screen:
    """The live view, drawn when something changed, and at most ten times a second.

    It takes the terminal's other screen, so that nothing scrolls and the shell's own text comes
    back afterwards. It must be made where an event loop runs.

    Args:
        overview: What to show.
        console: Where to.
    """

    done = False

    def __init__(self, overview: Overview, console: Console) -> None:
        self._overview = overview
        self._loop = asyncio.get_running_loop()
        self._pending: asyncio.TimerHandle | None = None
        self._drawn_at = 0.0
        self._ended = False
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self._live = Live(
            TerminalView(overview),
            console=console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take an event; it is seen with the next drawing."""
        self._overview.take(event)
        self._ended = event.get("type") == "bye" and event.get("reason") == "ended"
        if is_last(event) and (stream := str(event.get("stream") or "")):
            seconds = _FAILED_SECONDS if event.get("fatal") else _ENDED_SECONDS
            self._stay(stream)
            self._leaving[stream] = self._loop.call_later(seconds, self._forget, stream)
        self.change()

    def lose(self, loss: Loss) -> None:
        """Take a loss; it is seen with the next drawing."""
        self._overview.lose(loss)
        self.change()

    def change(self) -> None:
        """Draw soon; also wanted when the terminal has a new size."""
        if self._pending is None:
            wait = self._drawn_at + _FRAME_SECONDS - self._loop.time()
            self._pending = self._loop.call_later(max(wait, 0.0), self._draw)

    def close(self) -> None:
        """Give the terminal back; of a source that has ended, leave what was heard on it."""
        if self._pending:
            self._pending.cancel()
        for stream in list(self._leaving):
            self._stay(stream)
        self._live.stop()
        if self._ended:
            for line in self._overview.lines():
                self._live.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _stay(self, stream: str) -> None:
        if timer := self._leaving.pop(stream, None):
            timer.cancel()

    def _forget(self, stream: str) -> None:
        self._leaving.pop(stream, None)
        self._overview.forget(stream)
        self.change()

    def _draw(self) -> None:
        self._pending = None
        self._drawn_at = self._loop.time()
        self._live.refresh()


class Picture:
    """The view as an SVG file, once there is something to see.

    Args:
        overview: What to show.
        file: Where to.
        utterances: How many to wait for; the picture is taken in the middle of a later
            one, when an emotion is named.
    """

    def __init__(self, overview: Overview, file: Path, *, utterances: int) -> None:
        self.done = False
        self._overview = overview
        self._file = file
        self._utterances = utterances
        self._results = 0

    def take(self, event: Mapping[str, Any]) -> None:
        """Take an event, and the picture when its time has come."""
        self._overview.take(event)
        enough = self._overview.utterances >= self._utterances
        self._results = self._results + 1 if enough and event.get("type") == "emotion" else 0
        told = self._results >= _PICTURE_RESULTS and event.get("label") is not None
        self.done = told or event.get("type") == "bye"

    def lose(self, loss: Loss) -> None:
        """Take a loss; the view shows it."""
        self._overview.lose(loss)

    def close(self) -> None:
        """Write the file, if the picture was taken."""
        if not self.done:
            return
        console = Console(
            record=True,
            file=io.StringIO(),
            width=_PICTURE_COLUMNS,
            height=_PICTURE_LINES,
            force_terminal=True,
            color_system="truecolor",
        )
        console.print(TerminalView(self._overview))
        console.save_svg(str(self._file), title="affectd watch")
