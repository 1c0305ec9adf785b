"""Sound files as a whole: what libsndfile reads, and through ffmpeg, where it is, the rest."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import soundfile

__all__ = ["Recording", "RecordingError"]

Samples = npt.NDArray[np.float32]

_FFMPEG_RATE = 16_000
_BLOCK_SECONDS = 1.0


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

    def blocks(self) -> Iterator[Samples]:
        """Yield the whole file in mono blocks of a second, float32 ``(n,)``.

        Raises:
            RecordingError: it breaks off.
        """
        self._file.seek(0)
        size = max(1, round(self.rate * _BLOCK_SECONDS))
        while (block := self._read(size)).size:
            yield block

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
            raise RecordingError(f"{self.path} breaks off: {error}") from None
        return block.mean(axis=1) if block.shape[1] > 1 else block[:, 0].copy()

    def _open(self) -> Any:
        path = self.path
        if reason := _unreadable(path):
            raise RecordingError(f"{path} cannot be read: {reason}")
        try:
            return soundfile.SoundFile(os.fsencode(path))  # its name need not be UTF-8
        except soundfile.LibsndfileError:
            pass
        ffmpeg = shutil.which("ffmpeg")
        if not ffmpeg:
            raise RecordingError(
                f"{path} cannot be read: not audio that libsndfile knows; with ffmpeg installed "
                "more formats can be heard"
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
