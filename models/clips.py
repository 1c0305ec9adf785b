"""One recorded utterance and what its corpus says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

__all__ = ["AUDIO_SUFFIXES", "Clip", "Sex", "UnreadableClipError", "read_audio"]

Sex = Literal["female", "male"]

AUDIO_SUFFIXES: frozenset[str] = frozenset(
    {f".{name.lower()}" for name in soundfile.available_formats()}
    | {".opus", ".oga", ".aif", ".mp3"}
)
"""The file name endings that libsndfile may be able to read, lower case."""


class UnreadableClipError(ValueError):
    """A clip's file cannot be used; the message names the file and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One utterance of a corpus.

    Equal clips are the same recording in the same corpus.
    """

    corpus: str
    """Name of the corpus, as in `affectd.models.corpora.CORPORA`."""
    name: str
    """The corpus's own name of the clip, without folder and extension."""
    path: Path
    """The audio file, or the log-mel file that `row` points into."""
    row: int | None = None
    """Row in a file of log-mel features; `None` where `path` is audio."""
    speaker: str
    sex: Sex | None
    label: str | None
    """One of `affectd.models.labels.LABELS`, or `None` where the emotion is none of them."""
    native: str
    """The emotion as the corpus writes it."""
    licence: str
    text: str | None = None
    """What is said, where the corpus tells."""
    intensity: str | None = None
    """How strongly the emotion is acted, as the corpus writes it."""


def read_audio(path: Path, *, sample_rate: int) -> npt.NDArray[np.float32]:
    """Read a sound file as mono at a rate.

    Args:
        path: Anything that libsndfile reads. Channels are averaged.
        sample_rate: Hz; another rate is resampled with soxr at its high quality.

    Returns:
        float32 ``(samples,)``, nominally within ±1.

    Raises:
        UnreadableClipError: the file is missing, empty, not audio, or holds NaN or infinity.
    """
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise UnreadableClipError(f"{path}: {error}") from None
    mono: npt.NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    if not mono.size:
        raise UnreadableClipError(f"{path}: it holds no samples")
    if not np.isfinite(mono).all():
        position = int(np.flatnonzero(~np.isfinite(mono))[0])
        raise UnreadableClipError(f"{path}: sample {position} is {mono[position]}")
    if rate != sample_rate:
        mono = soxr.resample(mono, rate, sample_rate)
    return np.ascontiguousarray(mono, np.float32)
