"""Where the baselines of named voices are kept: a small file each, of statistics, no audio."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any

from affectd.engine.artefact import Metadata
from affectd.engine.voice_baseline import VoiceBaseline, VoiceError

__all__ = ["VoiceFiles", "check_voice_name", "voices_folder"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_FORMAT_VERSION = 2
_SUFFIX = ".json"
_LARGEST_BYTES = 1 << 18


def voices_folder() -> Path:
    """Return the folder of named voices: ``$XDG_DATA_HOME/affectd/voices``, or in the home."""
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "affectd" / "voices"


def check_voice_name(name: str) -> str:
    """Return a name that no path could be hidden in.

    Raises:
        VoiceError: it is none.
    """
    if not _NAME.fullmatch(name):
        raise VoiceError(
            f"{name[:80]!r} is no name of a voice: 1 to 64 of A-Z a-z 0-9 _ - are, beginning with "
            "a letter or a digit"
        )
    return name


class VoiceFiles:
    """The named voices on this machine.

    Args:
        folder: Where they lie; by default `voices_folder`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or voices_folder()

    def path(self, name: str) -> Path:
        """Return the file of a voice, whether it is there or not.

        Raises:
            VoiceError: the name is none.
        """
        return self.folder / f"{check_voice_name(name)}{_SUFFIX}"

    def state(self, name: str) -> tuple[int, int] | None:
        """Return what changes whenever a voice's file does; `None` where it has none.

        Raises:
            VoiceError: the name is none.
        """
        try:
            found = self.path(name).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def names(self) -> list[str]:
        """Return the voices there are."""
        found = (each.name.removesuffix(_SUFFIX) for each in self.folder.glob(f"*{_SUFFIX}"))
        return sorted(name for name in found if _NAME.fullmatch(name))

    def baseline(self, name: str, artefact: Metadata) -> VoiceBaseline:
        """Return the baseline of a voice; of one that has no file, a new one.

        Raises:
            VoiceError: the name is none, the file is damaged or of another model, or the model
                knows nothing of voices.
        """
        path = self.path(name)
        fresh = VoiceBaseline(artefact)
        assert artefact.voice_experts
        try:
            values = self.read(name)
        except FileNotFoundError:
            return fresh
        if values.get("voice_experts") != artefact.voice_experts.digest:
            raise VoiceError(
                f"{path} was learnt by another model ({values.get('model')}) and means nothing to "
                f"{artefact.title}: enrol {name} again with this one, or remove the file"
            )
        try:
            return VoiceBaseline(artefact, kept=values)
        except VoiceError as error:
            raise VoiceError(f"{path} is damaged: {error}") from None

    def read(self, name: str) -> dict[str, Any]:
        """Return what a voice's file says.

        Raises:
            FileNotFoundError: there is none.
            VoiceError: it is damaged, or cannot be read.
        """
        path = self.path(name)
        try:
            with path.open("rb") as file:
                values = json.loads(file.read(_LARGEST_BYTES))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise VoiceError(f"{path} cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError):
            raise VoiceError(f"{path} is damaged: it is no JSON") from None
        if not isinstance(values, dict) or values.get("format_version") != _FORMAT_VERSION:
            raise VoiceError(
                f"{path} is no voice's file of this version of affectd: enrol {name} again, or "
                "remove it"
            )
        return values

    def save(self, name: str, artefact: Metadata, kept: dict[str, Any]) -> Path:
        """Keep a baseline, for its owner's eyes alone; the file is the old one or the new, whole.

        Args:
            name: Of the voice.
            artefact: The model's contract.
            kept: `VoiceBaseline.kept`.

        Raises:
            OSError: it cannot be written.
            VoiceError: the name is none.
        """
        path = self.path(name)
        assert artefact.voice_experts
        values = {
            "format_version": _FORMAT_VERSION,
            "model": artefact.name,
            "voice_experts": artefact.voice_experts.digest,
            **kept,
        }
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = path.with_name(f".{name}.{os.getpid()}.tmp")
        with contextlib.suppress(FileNotFoundError):
            unfinished.unlink()
        try:
            handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(values, file)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        return path

    def remove(self, name: str) -> None:
        """Forget a voice.

        Raises:
            VoiceError: there is none of that name.
        """
        try:
            self.path(name).unlink()
        except FileNotFoundError:
            raise VoiceError(f"there is no voice {name!r} in {self.folder}") from None
