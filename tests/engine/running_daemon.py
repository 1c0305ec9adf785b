"""The real daemon in a process of its own, and a client that keeps what it receives."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from websockets.sync.client import ClientConnection, connect

from affectd.engine.protocol import JSON

START_SECONDS = 90


class RunningDaemon:
    """A daemon and its first client."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address

    def connect(self, **options: Any) -> ClientConnection:
        options = {"subprotocols": [JSON], "compression": None, **options}
        return connect(self.address, **options)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)


@contextlib.contextmanager
def running_daemon(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[RunningDaemon]:
    process = subprocess.Popen(
        [sys.executable, "-m", "affectd", "run", "--port", "0", "--no-view", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        if "ws://" not in line:
            assert process.stderr
            raise AssertionError(f"no address: {line!r} {process.stderr.read()!r}")
        yield RunningDaemon(process, "ws://" + line.rsplit("ws://")[1].strip())
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def events_until(
    client: ClientConnection, kind: str, *, count: int = 1, seconds: float = 120
) -> list[dict[str, Any]]:
    """Receive until so many events of a kind have come; the time is a safety net alone."""
    events: list[dict[str, Any]] = []
    while sum(event["type"] == kind for event in events) < count:
        events.append(json.loads(client.recv(timeout=seconds)))
    return events


def all_events(client: ClientConnection) -> list[dict[str, Any]]:
    """Receive until the daemon says goodbye."""
    return events_until(client, "bye")


def of_type(events: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]
