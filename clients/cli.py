"""The commands around the clients: watch and status."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from affectd.clients.address import ADDRESS_HELP, DEFAULT_ADDRESS

__all__ = ["status", "watch"]


def watch(
    address: Annotated[str, typer.Argument(help=ADDRESS_HELP)] = DEFAULT_ADDRESS,
    json: Annotated[bool, typer.Option("--json", help="Print one event a line as JSON.")] = False,
    token: Annotated[
        str,
        typer.Option(
            envvar="AFFECTD_TOKEN",
            help="What the daemon wants to be shown; the variable keeps it out of 'ps'.",
        ),
    ] = "",
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the view as a picture, and end.")
    ] = None,
    after: Annotated[
        int, typer.Option(min=0, help="With --svg: how many utterances to wait for.")
    ] = 5,
    once: Annotated[
        bool, typer.Option("--once", help="End when the daemon goes; do not wait for it.")
    ] = False,
) -> None:
    """Show live what a daemon hears, from wherever it can be reached.

    On a terminal it draws the probabilities; into a pipe it prints a line an utterance. When the
    daemon goes it waits for it to come back; Ctrl-C ends it.

    Example: affectd watch ws://127.0.0.1:8800 --json | jq -r 'select(.label) | .label'
    """
    from affectd.clients.watching import watch_until_told

    watch_until_told(address, token=token, json=json, svg=svg, utterances=after, reconnect=not once)


def status(
    address: Annotated[str, typer.Argument(help=ADDRESS_HELP)] = DEFAULT_ADDRESS,
    token: Annotated[
        str,
        typer.Option(
            envvar="AFFECTD_TOKEN",
            help="What the daemon wants to be shown; the variable keeps it out of 'ps'.",
        ),
    ] = "",
) -> None:
    """Print how a daemon fares, as JSON: what runs the model, what captures, and every stream.

    Example: affectd status ws://127.0.0.1:8800
    """
    import json

    from affectd.clients.address import Address
    from affectd.clients.status import fetch_status

    print(json.dumps(fetch_status(Address(address, token)), indent=2, ensure_ascii=False))
