"""A daemon in a process of its own, for a benchmark to hear from."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

from affectd.engine.shipped import find_model

__all__ = ["daemon"]

_END_SECONDS = 30.0
_MANY = {"AFFECTD_SERVER__LARGEST_CLIENTS": "20000"}
"""As many clients as a benchmark likes."""


@contextlib.contextmanager
def daemon(
    *arguments: str, model: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[int, str, float]]:
    """Run a daemon; yield its process, its address, and how long it took to be ready.

    Args:
        arguments: Of ``affectd run``.
        model: Its ``--model``; the default one where it is empty.
        environment: What is set beside, or in place of, what this process has.

    Raises:
        ArtefactError: there is no such model.
        OSError: the daemon does not start.
    """
    command = [sys.executable, "-m", "affectd", "run", "--port", "0", "--no-view", *arguments]
    if model:
        # Said here, and once: the daemon would say so, too, and we that it did not start.
        find_model(model)
        command += ["--model", model]
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **_MANY, **(environment or {})},
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        if "ws://" not in line:
            raise OSError(f"the daemon did not start (exit code {process.wait()})")
        yield process.pid, "ws://" + line.rsplit("ws://")[1].strip(), time.monotonic() - began
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
