"""The labelled speech that a benchmark plays: of the corpora at hand, or of the package's demo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from affectd.bench.listeners import Listener
from affectd.export.speech import demo_clips
from affectd.models.clips import Clip
from affectd.models.corpora import CORPORA, CorpusError
from affectd.models.layouts import emodb

__all__ = ["demo_speech", "speech_for", "spoken_clips"]


def speech_for(
    listeners: Sequence[Listener], corpora: Path | None, *, most: int, seed: int
) -> tuple[list[tuple[Listener, Clip]], dict[str, bool]]:
    """Return what each model is to hear; of several, only speakers whom it has not heard.

    Args:
        listeners: One model, or several of one recipe.
        corpora: The folder of the corpora; the package's demo where there is none.
        most: Clips of each corpus and model; 0 for all.
        seed: Decides which.

    Returns:
        Models and clips, and by corpus whether its speakers were heard in training.

    Raises:
        CorpusError: the folder holds no corpus, or the models have heard everybody.
    """
    chosen: list[tuple[Listener, Clip]] = []
    heard: dict[str, bool] = {}
    for listener in listeners:
        labels = listener.classifier.metadata.labels
        found, known = (
            spoken_clips(corpora, listener.knows, labels=labels, most=most, seed=seed)
            if corpora
            else demo_speech(listener.knows, labels=labels, most=most, seed=seed)
        )
        for name, clips in found.items():
            if len(listeners) > 1 and known[name]:
                continue  # another model of the same recipe has not heard them
            chosen += [(listener, clip) for clip in clips]
            heard[name] = known[name]
    if not chosen:
        raise CorpusError("the models have heard every speaker: nobody is left to measure on")
    return chosen, heard


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
