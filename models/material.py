"""What a run learns from and is judged on: features of the right speakers of the right corpora."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from affectd.kernels.front_end import FrontEnd
from affectd.models.checkpoint import Heard
from affectd.models.clips import Clip
from affectd.models.corpora import NOISE, CorpusError, corpus_named
from affectd.models.features import FeatureSet, extract
from affectd.models.folds import HEARD_NOISE
from affectd.models.labels import LABELS
from affectd.models.noise import NoiseBank
from affectd.models.recipes import Recipe
from affectd.models.windows import noise_bank

__all__ = ["Material", "Progress", "features_of", "gather"]

Progress = Callable[[str, int, int], None]
"""Told what is made ready, how much of it is done, and how much there is."""

_NAMED = 5
"""Of the clips that cannot be read, so many are named in a note."""
Part = Callable[[str, str], str]
"""Says of a corpus's speaker ``"train"``, ``"development"``, or anything else: not to be used."""


@dataclass(frozen=True, slots=True)
class Material:
    """The data of one run."""

    train: FeatureSet
    development: FeatureSet | None
    """`None` where no speaker is set aside for it."""
    noise: NoiseBank
    heard: tuple[Heard, ...]
    notes: tuple[str, ...]
    """What a person should know: incomplete corpora, clips that could not be read."""


def features_of(
    names: Iterable[str],
    *,
    corpora: Path,
    cache: Path,
    front_end: FrontEnd,
    progress: Progress | None = None,
) -> tuple[FeatureSet, tuple[str, ...]]:
    """Return the labelled clips of corpora with their features, and notes on what is missing.

    Args:
        names: The corpora.
        corpora: The folder that holds them.
        cache: The folder of the feature cache.
        front_end: What to compute.
        progress: Told how far it is.

    Raises:
        CorpusError: a corpus is unknown, missing, empty, or laid out in another way.
    """
    sets: list[FeatureSet] = []
    notes: list[str] = []
    for name in names:
        listing = corpus_named(name).list(corpora)
        if not listing.complete:
            notes.append(str(listing))
        if own := listing.unlabelled_own:
            told = ", ".join(f"{label!r} ({count})" for label, count in own.items())
            if not listing.labelled:
                raise CorpusError(
                    f"corpus {name}: none of its labels is known: {told}; known are "
                    f"{', '.join(LABELS)}"
                )
            notes.append(f"{name}: clips left out whose label is not known: {told}")
        features = _extract(name, listing.labelled, cache, front_end, progress)
        if features.unreadable:
            named = features.unreadable[:_NAMED]
            more = len(features.unreadable) - len(named)
            notes.append(
                f"{name}: {len(features.unreadable)} clips left out that cannot be read: "
                f"{'; '.join(named)}{f'; and {more} more' if more else ''}"
            )
        sets.append(features)
    return FeatureSet.join(sets), tuple(notes)


def gather(
    recipe: Recipe,
    *,
    part: Part,
    corpora: Path,
    cache: Path,
    progress: Progress | None = None,
) -> Material:
    """Return everything a run needs.

    Args:
        recipe: Names the corpora.
        part: Says what each speaker is for.
        corpora: The folder that holds the corpora.
        cache: The folder of the feature cache.
        progress: Told how far it is.

    Raises:
        CorpusError: a corpus cannot be used, or no clip is left to learn from.
    """
    features, notes = features_of(
        recipe.corpora, corpora=corpora, cache=cache, front_end=recipe.front_end, progress=progress
    )

    def chosen(name: str) -> FeatureSet:
        return features.select(
            lambda clip: clip.label in recipe.labels and part(clip.corpus, clip.speaker) == name
        )

    train, development = chosen("train"), chosen("development")
    if not len(train):
        raise CorpusError("no clip is left to train on: every speaker is held out")
    recordings = None
    if recipe.noise:
        if (corpora / NOISE.name).is_dir():
            clips = NOISE.list(corpora).clips
            clips = tuple(clip for clip in clips if clip.speaker in HEARD_NOISE)
            recordings = _extract(NOISE.name, clips, cache, recipe.front_end, progress)
        else:
            notes = (*notes, f"no {NOISE.name}: augmenting with white and pink noise alone")
    heard = tuple(
        Heard(
            corpus=name,
            licence=corpus_named(name).licence,
            clips=sum(clip.corpus == name for clip in train.clips),
            speakers=tuple(
                sorted(
                    {
                        clip.speaker
                        for clip in (*train.clips, *development.clips)
                        if clip.corpus == name
                    }
                )
            ),
        )
        for name in recipe.corpora
    )
    noise = noise_bank(recipe, recordings)
    return Material(train, development if len(development) else None, noise, heard, notes)


def _extract(
    name: str,
    clips: tuple[Clip, ...],
    cache: Path,
    front_end: FrontEnd,
    progress: Progress | None,
) -> FeatureSet:
    def advance(done: int, of: int) -> None:
        if progress is not None:
            progress(f"features of {name}", done, of)

    return extract(
        clips, front_end=front_end, cache=cache, workers=os.cpu_count() or 1, advance=advance
    )
