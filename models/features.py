"""Log-mel features of clips, computed once and kept in one memory-mapped file per corpus."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.kernels.speech_bounds import CONSTANTS, bounds_within, with_margin
from affectd.models.clips import Clip, UnreadableClipError, read_audio
from affectd.models.replacing import replacing
from affectd.models.resynthesis import made_of, resynthesised

__all__ = ["FeatureSet", "cache_folder", "extract"]

Frames = npt.NDArray[np.float32]

_CACHE_VERSION = 1
_CREMA_D_FRONT_END = FrontEnd()
"""What CREMA-D's log-mel file was computed with, but for its frames being centred."""


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Clips with their log-mel frames."""

    clips: tuple[Clip, ...]
    frames: npt.NDArray[np.float16]
    """dB, float16 ``(all frames, bands)``: the clips one after the other, memory-mapped."""
    starts: npt.NDArray[np.int64]
    """Where each clip starts in `frames`."""
    lengths: npt.NDArray[np.int64]
    """The frames of each clip."""
    speech: npt.NDArray[np.int64]
    """First frame of speech and one past the last, within the clip, ``(clips, 2)``."""
    unreadable: tuple[str, ...] = ()
    """One line for each clip that could not be read."""

    def __len__(self) -> int:
        return len(self.clips)

    def speakers(self) -> tuple[str, ...]:
        """Return who speaks."""
        return tuple(sorted({clip.speaker for clip in self.clips}))

    def logmel(self, index: int) -> Frames:
        """Return a whole clip with its silent ends, dB, float32 ``(frames, bands)``."""
        start = self.starts[index]
        return self.frames[start : start + self.lengths[index]].astype(np.float32)

    def utterance(self, index: int, *, margin_frames: int, minimum_frames: int) -> Frames:
        """Return a clip without its silent ends.

        Args:
            index: Which clip.
            margin_frames: How much of the silence is kept on either side.
            minimum_frames: A shorter utterance is widened to this, as far as the clip reaches.

        Returns:
            dB, float32 ``(frames, bands)``.
        """
        first, last = (int(value) for value in self.speech[index])
        first, last = with_margin(
            (first, last),
            int(self.lengths[index]),
            margin_frames=margin_frames,
            minimum_frames=minimum_frames,
        )
        return self.logmel(index)[first:last]

    def select(self, wanted: Callable[[Clip], bool]) -> FeatureSet:
        """Return the clips that a predicate wants; the frames are shared, not copied."""
        chosen = np.array([i for i, clip in enumerate(self.clips) if wanted(clip)], np.int64)
        return FeatureSet(
            tuple(self.clips[i] for i in chosen),
            self.frames,
            self.starts[chosen],
            self.lengths[chosen],
            self.speech[chosen],
            self.unreadable,
        )

    def of_speakers(self, corpus: str, speakers: Collection[str]) -> FeatureSet:
        """Return the clips of some speakers of a corpus."""
        return self.select(lambda clip: clip.corpus == corpus and clip.speaker in speakers)

    def of_corpus(self, corpus: str) -> FeatureSet:
        """Return the clips of one corpus."""
        return self.select(lambda clip: clip.corpus == corpus)

    @classmethod
    def join(cls, parts: Iterable[FeatureSet]) -> FeatureSet:
        """Return several corpora as one set, in memory.

        Raises:
            ValueError: there is none, or they differ in their number of bands.
        """
        sets = list(parts)
        if not sets:
            raise ValueError("no features to join")
        if len({part.frames.shape[1] for part in sets}) > 1:
            raise ValueError("features of different front ends cannot be joined")
        shifts = np.cumsum([0, *(len(part.frames) for part in sets[:-1])])
        return cls(
            tuple(clip for part in sets for clip in part.clips),
            np.concatenate([part.frames for part in sets]),
            np.concatenate([part.starts + shift for part, shift in zip(sets, shifts, strict=True)]),
            np.concatenate([part.lengths for part in sets]),
            np.concatenate([part.speech for part in sets]),
            tuple(line for part in sets for line in part.unreadable),
        )


def cache_folder(option: Path | None = None) -> Path:
    """Return where features are kept: the option, or the user's cache folder."""
    if option is not None:
        return option
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "affectd" / "features"


def extract(
    clips: Sequence[Clip],
    *,
    front_end: FrontEnd,
    cache: Path,
    workers: int = 1,
    resynthesise: bool = False,
    advance: Callable[[int, int], None] | None = None,
) -> FeatureSet:
    """Return the features of a corpus's clips, from the cache where they are there.

    Clips that cannot be read are left out and named in `FeatureSet.unreadable`.

    Args:
        clips: Of one corpus.
        front_end: What to compute.
        cache: Folder of the cache; one pair of files is added per corpus, front end and list of
            clips, and where sound is made another one.
        workers: Processes that read audio, or make it.
        resynthesise: Whether CREMA-D's log-mel file is made sound again for other front ends than
            its own; see `affectd.models.resynthesis`.
        advance: Told how many clips are done, and of how many.

    Raises:
        ValueError: there is no clip, none of them could be read, or features made for another
            front end are asked for.
    """
    if not clips:
        raise ValueError("no clips to compute features of")
    corpus = clips[0].corpus.replace("/", "-")
    of_another = front_end != _CREMA_D_FRONT_END and any(clip.row is not None for clip in clips)
    resynthesise = resynthesise and of_another
    key = _key(clips, front_end, resynthesise)
    frames_path = cache / f"{corpus}-{key}.npy"
    index_path = cache / f"{corpus}-{key}.npz"
    if not (frames_path.exists() and index_path.exists()):
        cache.mkdir(parents=True, exist_ok=True)
        computed = _computed(clips, front_end, workers, resynthesise)
        _fill(clips, computed, front_end, frames_path, index_path, advance)
    with np.load(index_path, allow_pickle=False) as index:
        failures: dict[str, str] = json.loads(str(index["unreadable"]))
        lengths, speech = index["lengths"], index["speech"]
    readable = tuple(clip for clip in clips if clip.name not in failures)
    if not readable:
        raise ValueError(
            f"none of {len(clips)} clips could be read: {next(iter(failures.values()))}"
        )
    frames = np.load(frames_path, mmap_mode="r", allow_pickle=False)
    starts = np.cumsum([0, *lengths[:-1]]).astype(np.int64)
    return FeatureSet(readable, frames, starts, lengths, speech, tuple(failures.values()))


def _key(clips: Sequence[Clip], front_end: FrontEnd, resynthesise: bool) -> str:
    sizes = {path: path.stat().st_size for path in {clip.path for clip in clips} if path.exists()}
    told = {
        "version": _CACHE_VERSION + bool(front_end.extras),
        "front_end": front_end.to_dict(),
        "speech": list(CONSTANTS),
        **(made_of(clips) if resynthesise else {}),
        "clips": [(clip.name, clip.path.name, clip.row, sizes.get(clip.path)) for clip in clips],
    }
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _fill(
    clips: Sequence[Clip],
    found: Iterator[npt.NDArray[np.float16] | str],
    front_end: FrontEnd,
    frames_path: Path,
    index_path: Path,
    advance: Callable[[int, int], None] | None,
) -> None:
    parts: list[npt.NDArray[np.float16]] = []
    lengths: list[int] = []
    speech: list[tuple[int, int]] = []
    failures: dict[str, str] = {}
    for done, (clip, computed) in enumerate(zip(clips, found, strict=True), 1):
        if isinstance(computed, str):
            failures[clip.name] = computed
        else:
            parts.append(computed)
            lengths.append(len(computed))
            speech.append(bounds_within(computed, front_end))
        if advance is not None:
            advance(done, len(clips))
    # A run that is interrupted leaves nothing that looks complete.
    with replacing(frames_path) as unfinished, unfinished.open("wb") as file:
        np.save(
            file, np.concatenate(parts) if parts else np.zeros((0, front_end.columns), np.float16)
        )
    with replacing(index_path) as unfinished, unfinished.open("wb") as file:
        np.savez(
            file,
            lengths=np.array(lengths, np.int64),
            speech=np.array(speech, np.int64).reshape(-1, 2),
            unreadable=np.array(json.dumps(failures)),
        )


def _computed(
    clips: Sequence[Clip], front_end: FrontEnd, workers: int, resynthesise: bool
) -> Iterator[npt.NDArray[np.float16] | str]:
    tasks = [(clip.path, clip.row, front_end, resynthesise) for clip in clips]
    if workers <= 1 or (not resynthesise and all(clip.row is not None for clip in clips)):
        yield from map(_compute, tasks)
        return
    # A forked process hangs in PyTorch's threads where this one has used them.
    with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(_compute, tasks, chunksize=16)


def _compute(task: tuple[Path, int | None, FrontEnd, bool]) -> npt.NDArray[np.float16] | str:
    path, row, front_end, resynthesise = task
    if row is not None:
        if front_end != _CREMA_D_FRONT_END and not resynthesise:
            return f"{path}: its log-mel features were made for another front end"
        decibels = _crema_d(path, row)
        if isinstance(decibels, str) or front_end == _CREMA_D_FRONT_END:
            return decibels
        samples = resynthesised(decibels.astype(np.float32), _CREMA_D_FRONT_END)
    else:
        try:
            samples = read_audio(path, sample_rate=front_end.sample_rate)
        except UnreadableClipError as error:
            return str(error)
    frames = _logmel(front_end).batch(samples)
    if not len(frames):
        return f"{path}: {samples.size} samples are shorter than one frame"
    return frames.astype(np.float16)


@cache
def _logmel(front_end: FrontEnd) -> LogMel:
    return LogMel(front_end)


def _crema_d(path: Path, row: int) -> npt.NDArray[np.float16] | str:
    levels, active = _crema_d_arrays(path)
    # dB below the clip's own maximum; the frames after the active ones are padding.
    decibels = levels[row, :, : active[row]].T.astype(np.float32) * (80 / 255) - 80
    if not decibels.size:
        return f"{path}: row {row} holds no frames"
    return decibels.astype(np.float16)


@cache
def _crema_d_arrays(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int16]]:
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["logmel_u8"], arrays["active_frames"]
