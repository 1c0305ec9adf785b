"""``affectd send``: a file or the microphone to a daemon."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from affectd.clients.address import ADDRESS_HELP, DEFAULT_ADDRESS

__all__ = ["send"]


def send(
    source: Annotated[str, typer.Argument(metavar="FILE|mic", help="What to send.")],
    address: Annotated[str, typer.Argument(help=ADDRESS_HELP)] = DEFAULT_ADDRESS,
    stream: Annotated[
        str | None, typer.Option(help="A name for the stream.  [default: the daemon chooses]")
    ] = None,
    voice: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Whose voice it is, of those enrolled where the daemon runs."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one event a line as JSON.")] = False,
    token: Annotated[
        str,
        typer.Option(
            envvar="AFFECTD_TOKEN",
            help="What the daemon wants to be shown; the variable keeps it out of 'ps'.",
        ),
    ] = "",
) -> None:
    """Send a sound file or this machine's microphone to a daemon, and print what it hears.

    A file goes at the pace at which it was spoken. Ctrl-C ends the stream.

    Example: affectd send interview.wav ws://127.0.0.1:8800 --stream interview
    """
    from affectd.clients.sending import send_until_told
    from affectd.engine.recording import Recording

    if source == "mic":
        send_until_told(None, address, stream=stream, voice=voice, token=token, json=json)
        return
    path = Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file; 'mic' sends the microphone")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; one file at a time is sent")
    with Recording(path) as recording:
        send_until_told(recording, address, stream=stream, voice=voice, token=token, json=json)
        if recording.complaint:
            print(f"affectd: {recording.complaint}", file=sys.stderr)
