"""Recordings that a client sends to be heard at once: in a process of their own, after the live.

A recording takes all the processor it can get for seconds or minutes. In the daemon's own process
each of its windows could make a live one wait, so it is heard in another, which the system serves
last (nice 10). ``python -m affectd.engine.offline MODEL RATE`` reads raw s16le from standard input
and writes one event a line to standard output.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from affectd.engine.analysis import Hearing
from affectd.engine.classifier import Classifier
from affectd.engine.segmenter import SegmenterSettings
from affectd.engine.session import SessionSettings
from affectd.engine.smoothing import SmoothingSettings
from affectd.engine.voice import VoiceSettings

__all__ = ["Listener", "main"]

_BLOCK_BYTES = 32_768
_NICE = 10
_LONGEST_LINE = 1 << 18


class Listener:
    """A process that hears one recording.

    Args:
        model: The artefact.
        rate: Sampling rate, Hz.
        settings: As for the live streams.
    """

    def __init__(self, model: Path, *, rate: int, settings: SessionSettings) -> None:
        given = {name: asdict(getattr(settings, name)) for name in ("voice", "segmenter")}
        given["smoothing"] = asdict(settings.smoothing)
        self._arguments = [str(model), str(rate), json.dumps(given)]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Safe path: nothing is imported from wherever the daemon was started.
            *("-P", "-m", "affectd.engine.offline", *self._arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LONGEST_LINE,
        )

    async def feed(self, pcm: bytes) -> None:
        """Hand over samples, s16le; returns when they can be taken.

        Raises:
            ConnectionError: the process is gone.
        """
        assert self._process
        assert self._process.stdin
        self._process.stdin.write(pcm)
        await self._process.stdin.drain()

    def end(self) -> None:
        """Say that there are no more samples."""
        assert self._process
        assert self._process.stdin
        self._process.stdin.close()

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the events, as on the wire, until all was heard.

        Raises:
            OSError: the process failed.
        """
        assert self._process
        assert self._process.stdout
        async for line in self._process.stdout:
            yield json.loads(line)
        if await self._process.wait():
            raise OSError("hearing the recording failed")

    async def close(self) -> None:
        """End the process, whatever it does."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def main() -> None:
    """Hear standard input."""
    os.nice(_NICE)
    model, rate, given = sys.argv[1:]
    tables = json.loads(given)
    settings = SessionSettings(
        voice=VoiceSettings(**tables["voice"]),
        segmenter=SegmenterSettings(**tables["segmenter"]),
        smoothing=SmoothingSettings(**tables["smoothing"]),
    )
    hearing = Hearing("recording", Classifier(Path(model)), rate=int(rate), settings=settings)
    while pcm := sys.stdin.buffer.read(_BLOCK_BYTES):
        samples = np.frombuffer(pcm[: len(pcm) - len(pcm) % 2], "<i2").astype(np.float32)
        _print(hearing.feed(samples / np.float32(32768)))
    _print(hearing.finish())


def _print(events: list[Any]) -> None:
    for event in events:
        print(json.dumps(event.to_wire(), separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main()
