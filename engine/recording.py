"""Sound files as a whole: what libsndfile reads, and through ffmpeg, where it is, the rest."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import soundfile

__all__ = ["Recording", "RecordingError", "seconds_of"]

Samples = npt.NDArray[np.float32]

_FFMPEG_RATE = 16_000
_BLOCK_SECONDS = 1.0
# What libsndfile logs of a WAV or AIFF file that is shorter than its header says.
_SHORT = re.compile(r"^ *(?:data|SSND) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
# A header written before the length was known, into a pipe, holds the largest number there is.
_UNKNOWN_BYTES = 0x7FFF0000
# An MP3's header counts the padding of its encoder; less than this is no loss.
_PADDING_SECONDS = 0.25
_MPG123 = re.compile(rb"Warning: Xing stream size off[^\n]*\n")
_stderr_lock = threading.Lock()


class RecordingError(OSError):
    """A file cannot be heard; the message says why and what would help."""


class Recording:
    """An open sound file; channels are averaged.

    Args:
        path: Whatever libsndfile reads, or ffmpeg where that is installed. What ffmpeg decodes
            lies in an unnamed temporary file until `close`.

    Attributes:
        path: The file.
        rate: Sampling rate, Hz.
        seconds: How long it is.
        missing_seconds: How much of what its header promises is not there; of some formats known
            only when `blocks` is at its end.

    Raises:
        RecordingError: it is missing, empty, or not audio.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._decoded: IO[bytes] | None = None
        self._file = self._open()
        self.rate: int = self._file.samplerate
        if not self._file.frames:
            self.close()
            raise RecordingError(f"{path} holds no audio")
        self.seconds: float = self._file.frames / self.rate
        self.missing_seconds = _missing_seconds(self._file, self.seconds)

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, and remove what was decoded."""
        self._file.close()
        if self._decoded:
            self._decoded.close()

    @property
    def complaint(self) -> str:
        """That it is cut off, and by how much; empty where it is whole."""
        if not self.missing_seconds:
            return ""
        missing, whole = self.missing_seconds, self.seconds + self.missing_seconds
        return f"{self.path} is cut off: the last {missing:.1f} of {whole:.1f} s are missing"

    def blocks(self, seconds: float = _BLOCK_SECONDS) -> Iterator[Samples]:
        """Yield the whole file in mono blocks, float32 ``(n,)``.

        Args:
            seconds: How long a block is.

        Raises:
            RecordingError: it breaks off.
        """
        self._file.seek(0)
        size = max(1, round(self.rate * seconds))
        heard = 0
        while (block := self._read(size)).size:
            heard += block.size
            yield block
        if (self._file.frames - heard) / self.rate > _PADDING_SECONDS:
            self.seconds, promised = heard / self.rate, self._file.frames / self.rate
            self.missing_seconds = promised - self.seconds

    def between(self, start: float, end: float) -> Samples:
        """Return the samples from one second to another, mono float32 ``(n,)``.

        Raises:
            RecordingError: the file breaks off.
        """
        first = min(max(math.floor(start * self.rate), 0), self._file.frames)
        last = min(max(math.ceil(end * self.rate), first), self._file.frames)
        self._file.seek(first)
        return self._read(last - first)

    def _read(self, frames: int) -> Samples:
        try:
            block: Samples = self._file.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            after = self._file.tell() / self.rate
            raise RecordingError(f"{self.path} breaks off after {after:.1f} s: {error}") from None
        return block.mean(axis=1) if block.shape[1] > 1 else block[:, 0].copy()

    def _open(self) -> Any:
        path = self.path
        if reason := _unreadable(path):
            raise RecordingError(f"{path} cannot be read: {reason}")
        try:
            return _open_quietly(path)
        except soundfile.LibsndfileError as error:
            why = str(error).split(": ")[-1].rstrip(".")
        ffmpeg = shutil.which("ffmpeg")
        if not ffmpeg:
            raise RecordingError(
                f"{path} cannot be read: not audio that libsndfile knows ({why}); with ffmpeg "
                "installed more formats can be heard"
            )
        self._decoded = tempfile.TemporaryFile()  # noqa: SIM115 - it lives until `close`
        command = [ffmpeg, "-nostdin", "-v", "error", "-i", f"file:{path}", "-vn", "-ac", "1"]
        command += ["-ar", str(_FFMPEG_RATE), "-f", "s16le", "-"]
        done = subprocess.run(command, stdout=self._decoded, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            self._decoded.close()
            said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it failed"]
            reason = said[-1].removeprefix(f"file:{path}: ")
            raise RecordingError(
                f"{path} cannot be read: neither libsndfile nor ffmpeg finds audio in it ({reason})"
            )
        self._decoded.seek(0)
        return soundfile.SoundFile(
            self._decoded, samplerate=_FFMPEG_RATE, channels=1, format="RAW", subtype="PCM_16"
        )


def _unreadable(path: Path) -> str:
    if not path.exists():
        return "there is no such file"
    if path.is_dir():
        return "it is a folder"
    if not os.access(path, os.R_OK):
        return "permission denied"
    if not path.stat().st_size:
        return "it is empty"
    return ""


def seconds_of(path: Path) -> float:
    """Return how long a file is, by its header.

    Raises:
        OSError: libsndfile cannot read it.
    """
    try:
        with _open_quietly(path) as file:
            return float(file.frames / file.samplerate)
    except soundfile.LibsndfileError as error:
        raise OSError(str(error)) from None


def _open_quietly(path: Path) -> Any:
    """Open what libsndfile reads, without what its MP3 decoder writes to standard error."""
    with _without_mpg123():
        return soundfile.SoundFile(os.fsencode(path))  # its name need not be UTF-8


@contextmanager
def _without_mpg123() -> Iterator[None]:
    """Keep the decoder's warning from standard error, and nothing else that is written there."""
    with _stderr_lock, tempfile.TemporaryFile() as said:
        sys.stderr.flush()
        try:
            before = os.dup(2)
        except OSError:  # there is none
            yield
            return
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            said.seek(0)
            if rest := _MPG123.sub(b"", said.read()):
                os.write(2, rest)


def _missing_seconds(file: Any, seconds: float) -> float:
    found = _SHORT.search(file.extra_info)
    if not found:
        return 0.0
    promised, there = int(found[1]), int(found[2])
    if not there < promised < _UNKNOWN_BYTES:
        return 0.0
    return seconds * (promised - there) / there if there else 0.0
