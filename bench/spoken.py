"""The labelled speech that a benchmark plays: of the corpora at hand, or of the package's demo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from affectd.export.speech import demo_clips
from affectd.models.clips import Clip
from affectd.models.corpora import CORPORA, CorpusError
from affectd.models.layouts import emodb

__all__ = ["demo_speech", "spoken_clips"]


def spoken_clips(
    corpora: Path, knows: Callable[[Clip], bool], *, labels: Sequence[str], most: int, seed: int
) -> tuple[dict[str, list[Clip]], dict[str, bool]]:
    """Return clips of every corpus whose audio is at hand, evenly over speakers and emotions.

    Speakers whom a model has heard in training tell how it remembers: they are taken only where it
    has heard those of all corpora at hand.

    Args:
        corpora: The folder of the corpora.
        knows: Whether the model has heard who speaks.
        labels: The emotions that the model tells apart.
        most: Clips of a corpus; 0 for all.
        seed: Decides which.

    Returns:
        Clips by corpus, and by corpus whether their speakers were heard in training.

    Raises:
        CorpusError: no corpus is at hand.
    """
    found: dict[str, list[Clip]] = {}
    heard: dict[str, bool] = {}
    for corpus in CORPORA.values():
        try:
            listed = corpus.list(corpora).labelled
        except CorpusError:
            continue  # any corpus will do, none has to be there
        clips = [clip for clip in listed if clip.row is None and clip.label in labels]
        strangers = [clip for clip in clips if not knows(clip)]
        if clips:
            heard[corpus.name] = not strangers
            found[corpus.name] = _evenly(strangers or clips, most, seed)
    if not found:
        raise CorpusError(f"{corpora} holds no corpus with audio; known are {', '.join(CORPORA)}")
    strange = [name for name in found if not heard[name]] or [*found]
    return {name: found[name] for name in strange}, {name: heard[name] for name in strange}


def demo_speech(
    knows: Callable[[Clip], bool], *, labels: Sequence[str], most: int = 0, seed: int = 0
) -> tuple[dict[str, list[Clip]], dict[str, bool]]:
    """Return the demo's clips of EmoDB, as `spoken_clips` does."""
    files = demo_clips()
    if not files:
        raise ValueError("the package lacks its demo: give --corpora DIR")
    clips = [clip for clip in emodb(files[0].parent) if clip.label in labels]
    strangers = [clip for clip in clips if not knows(clip)]
    return {"emodb": _evenly(strangers or clips, most, seed)}, {"emodb": not strangers}


def _evenly(clips: Sequence[Clip], most: int, seed: int) -> list[Clip]:
    """Return so many clips, in turn over speakers and emotions."""
    rng = np.random.default_rng(seed)
    turn: dict[tuple[str, str | None], int] = {}
    placed: list[tuple[int, int]] = []
    for index in rng.permutation(len(clips)):
        cell = (clips[index].speaker, clips[index].label)
        turn[cell] = turn.get(cell, 0) + 1
        placed.append((turn[cell], int(index)))
    placed.sort(key=lambda each: each[0])
    chosen = placed[: most or len(placed)]
    return [clips[index] for index in sorted(index for _, index in chosen)]
