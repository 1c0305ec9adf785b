"""The commands around the live engine: run, devices, doctor, config."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["config", "devices", "doctor", "run"]

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", envvar="AFFECTD_CONFIG", help="TOML file with settings."),
]


def run(  # one parameter a flag
    source: Annotated[
        str | None,
        typer.Option(
            help="demo, mic, - for raw s16le on standard input, a sound file, or none where only "
            "clients send audio."
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="Microphone: its name, a part of it, or its number in 'devices'."),
    ] = None,
    rate: Annotated[
        int | None, typer.Option(help="Hz of standard input, or to ask of the microphone.")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; other than this machine's own, only "
            "with a token (AFFECTD_TOKEN)."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 for any that is free.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="fast (the default), accurate, light, open, crnn-int8, or a file."),
    ] = None,
    processor: Annotated[
        str | None,
        typer.Option(
            help="What runs the model: cpu, cuda (an NVIDIA GPU), or auto: where there is a GPU, "
            "the faster of both."
        ),
    ] = None,
    pace: Annotated[
        str | None, typer.Option(help="real: files play as spoken; fast: as fast as it goes.")
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="Host whose web pages may connect; may be given again."),
    ] = None,
    voice: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose voice the source is: what is known of it counts, and is kept, as "
            "statistics.",
        ),
    ] = None,
    voice_baseline: Annotated[
        bool | None,
        typer.Option(
            "--voice-baseline",
            help="Hear every stream beside its voice's own baseline, which grows as it speaks.",
            show_default=False,
        ),
    ] = None,
    view: Annotated[
        bool | None,
        typer.Option(help="Show here what is heard.  [default: if this is a terminal]"),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Hear a source and stream its emotions to WebSocket clients.

    Without options it plays the demo: real speech from inside the package, in a loop. On a terminal
    it shows what it hears; elsewhere it prints its address alone, and 'affectd watch' the rest.

    Example: affectd run --source mic --port 8800
    """
    from affectd.engine.configuration import load_configuration
    from affectd.engine.daemon import Daemon, watch_command

    flags = {
        "source": source,
        "device": device,
        "rate": rate,
        "host": host,
        "port": port,
        "model": model,
        "processor": processor,
        "pace": pace,
        "origins": tuple(origin) if origin else None,
        "voice_name": voice,
        "voice_baseline": voice_baseline,
    }
    configuration = load_configuration(config, flags)
    _refuse_idle_flags(configuration.source, device=device, rate=rate, pace=pace)
    if configuration.voice_name and configuration.source == "none":
        raise ValueError("--voice does nothing with --source none: publishers name their own")
    if configuration.voice_name and configuration.source == "demo":
        raise ValueError("--voice is of one person, and several speak in the demo: see --source")
    if configuration.source == "-" and sys.stdin.isatty():
        raise ValueError("--source - reads audio from a pipe, and standard input is a terminal")
    shown = view if view is not None else sys.stdout.isatty()
    viewers: list[subprocess.Popen[bytes]] = []

    def ready(address: str) -> None:
        source = {
            "-": "standard input",
            "mic": "the microphone",
            "demo": "the demo",
            "none": "its clients",
        }
        heard = source.get(configuration.source, configuration.source)
        seen = "" if shown else f" ('{watch_command(address)}' shows it)"
        print(f"affectd listens to {heard}{seen}, and answers at {address}", flush=True)
        print(f"its page: {address.replace('ws://', 'http://')}/; Ctrl-C ends it", flush=True)
        if shown:
            viewers.append(_view(address, configuration.token))

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            daemon = Daemon(configuration, ready=ready, say=_say, viewed=shown)
            runner.run(daemon.run())
    finally:
        for viewer in viewers:
            _end(viewer)


def _refuse_idle_flags(source: str, **flags: object) -> None:
    """Refuse what was asked for on the command line and would do nothing."""
    used = {"mic": ("device", "rate"), "-": ("rate",)}.get(source, ("pace",))
    for name, value in flags.items():
        if value is not None and name not in used:
            raise ValueError(f"--{name} does nothing with --source {source}")


def _say(text: str) -> None:
    print(f"affectd: {text}", file=sys.stderr, flush=True)


def _view(address: str, token: str) -> subprocess.Popen[bytes]:
    """Show the events in this terminal, from a process of its own.

    Drawing takes milliseconds of Python many times a second: in this process each of them could
    make a window wait.
    """
    environment = {**os.environ, **({"AFFECTD_TOKEN": token} if token else {})}
    # Listening on every address is no address to connect to.
    address = address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    # Safe path: nothing is imported from the current folder.
    command = [sys.executable, "-P", "-m", "affectd", "watch", address, "--once"]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)


def _end(viewer: subprocess.Popen[bytes]) -> None:
    try:
        viewer.wait(timeout=1.0)  # it ends by itself when the daemon says goodbye
    except subprocess.TimeoutExpired:
        viewer.terminate()
        viewer.wait()


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def devices() -> None:
    """List the microphones that 'affectd run --source mic --device …' can hear.

    Example: affectd devices
    """
    from affectd.engine.microphone import input_devices
    from affectd.engine.sources import SourceError

    found = input_devices()
    if not found:
        raise SourceError("PortAudio lists no input device")
    for each in found:
        mark = "*" if each.default else " "
        print(f"{mark} {each.index:3}  {each.name}  ({each.channels} channels, {each.rate} Hz)")


def doctor() -> None:
    """Check what affectd needs on this machine, and say what would help.

    A dash marks what affectd can do without.

    Example: affectd doctor
    """
    from affectd.engine.doctor import examine

    checks = examine()
    for check in checks:
        mark = "ok " if check.ok else "-  " if check.optional else "NO "
        print(f"{mark} {check.name}: {check.finding}")
    if not all(check.ok or check.optional for check in checks):
        raise typer.Exit(1)


def config(config: ConfigFile = None) -> None:
    """Print the settings in effect, from the file, the environment and the defaults, as JSON.

    Example: AFFECTD_PORT=8800 affectd config --config affectd.toml
    """
    from affectd.engine.configuration import load_configuration

    configuration = load_configuration(config, {})
    settings: dict[str, Any] = {}
    for name in type(configuration).model_fields:
        value = getattr(configuration, name)
        settings[name] = asdict(value) if is_dataclass(value) else value  # type: ignore[arg-type]
    if settings["token"]:
        settings["token"] = "(set)"  # noqa: S105 - it is the hiding of one
    print(json.dumps(settings, indent=2))
