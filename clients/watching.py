"""From a daemon's events to a display, until the daemon, the reader or a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from affectd.clients.address import Address
from affectd.clients.display import Display, JsonLines, Picture, Screen, TextLines
from affectd.clients.overview import Overview
from affectd.clients.subscriber import subscribe

__all__ = ["watch_until_told"]


def watch_until_told(
    address: str,
    *,
    token: str = "",
    json: bool = False,
    svg: Path | None = None,
    utterances: int = 5,
    reconnect: bool = True,
) -> None:
    """Show what a daemon hears on standard output.

    Args:
        address: Where it is.
        token: What to show it.
        json: Print the events as they are.
        svg: Save one picture there instead.
        utterances: How many to wait for before that.
        reconnect: Whether to wait for the daemon when it has gone.

    Raises:
        AddressError: the address is none.
        SubscriptionError: there are no events to be had.
        OSError: the picture cannot be written.
    """
    if svg and json:
        raise ValueError("--json and --svg exclude each other: choose one")
    if svg and svg.suffix != ".svg":
        raise ValueError(f"--svg {svg}: the picture is an SVG file, NAME.svg")
    if svg and not svg.absolute().parent.is_dir():
        raise ValueError(f"--svg {svg}: there is no folder {svg.absolute().parent}")
    # A terminal that knows no block characters gets question marks, but no traceback.
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        asyncio.run(_watch(address, token, json, svg, utterances, reconnect))
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    except BrokenPipeError:
        # Who read the pipe has gone, as 'head' does; Python must not try to flush at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _watch(
    address: str, token: str, json: bool, svg: Path | None, utterances: int, reconnect: bool
) -> None:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    assert task is not None
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, task.cancel)
    overview = Overview(Address(address, token).shown)
    display = _display(overview, json, svg, utterances)
    events = subscribe(address, token=token, reconnect=reconnect, on_loss=display.lose)
    if isinstance(display, Screen):
        loop.add_signal_handler(signal.SIGWINCH, display.change)
    try:
        async with events:
            async for event in events:
                display.take(event)
                if display.done:
                    break
    finally:
        display.close()


def _display(overview: Overview, json: bool, svg: Path | None, utterances: int) -> Display:
    if svg:
        return Picture(overview, svg, utterances=utterances)
    if json:
        return JsonLines(sys.stdout)
    console = Console()
    if console.is_terminal and not console.is_dumb_terminal:
        return Screen(overview, console)
    return TextLines(sys.stdout)
