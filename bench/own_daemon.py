"""A daemon in a process of its own, for a benchmark to hear from."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from affectd.engine.shipped import find_model

__all__ = ["MANY_CLIENTS", "OwnDaemon", "daemon"]

MANY_CLIENTS = {"AFFECTD_SERVER__LARGEST_CLIENTS": "20000"}
"""Environment of a daemon that admits as many as a benchmark connects."""
_END_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class OwnDaemon:
    """One that is ready."""

    pid: int
    address: str
    began: float
    """When its process was started, in seconds of the monotonic clock."""
    ready_seconds: float
    """From then to its address."""


@contextlib.contextmanager
def daemon(
    *arguments: str, model: str, environment: Mapping[str, str] | None = None
) -> Iterator[OwnDaemon]:
    """Run a daemon, and end it.

    Args:
        arguments: Of ``affectd run``.
        model: Its ``--model``; the default one where it is empty.
        environment: Variables added to this process's own, which they override.

    Raises:
        ArtefactError: there is no such model.
        OSError: the daemon does not start.
    """
    command = [sys.executable, "-m", "affectd", "run", "--port", "0", "--no-view", *arguments]
    if model:
        # Checked here, or two errors would be printed: the daemon's, and ours.
        find_model(model)
        command += ["--model", model]
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        if "ws://" not in line:
            raise OSError(f"the daemon did not start (exit code {process.wait()})")
        address = "ws://" + line.rsplit("ws://")[1].strip()
        yield OwnDaemon(process.pid, address, began, time.monotonic() - began)
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Let a daemon say goodbye and end; kill it where it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
