"""Who of a system's clips is learnt from, decided on, and tested on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from affectd.models.clips import Clip
from affectd.models.features import FeatureSet
from affectd.models.folds import voice_of
from affectd.models.systems import SplitPlan, System

__all__ = ["Division", "divide", "divide_by_speakers", "relabelled"]

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Division:
    """Places of the clips of each part in their set."""

    train: Places
    development: Places
    test: Places


def relabelled(features: FeatureSet, system: System) -> FeatureSet:
    """Return the clips that belong to a system's classes, labelled as it labels them."""
    named = tuple(
        replace(clip, label=label) if (label := _label(clip, system)) is not None else None
        for clip in features.clips
    )
    kept = np.array([place for place, clip in enumerate(named) if clip is not None], np.int64)
    return FeatureSet(
        tuple(clip for clip in named if clip is not None),
        features.frames,
        features.starts[kept],
        features.lengths[kept],
        features.speech[kept],
        features.unreadable,
    )


def _label(clip: Clip, system: System) -> str | None:
    emotion = "calm" if clip.native == "calm" and "calm" in system.emotions else clip.label
    if emotion not in system.emotions:
        return None
    if not system.sex_in_label:
        return emotion
    return f"{clip.sex} {emotion}" if clip.sex else None


def divide(clips: tuple[Clip, ...], plan: SplitPlan) -> Division:
    """Divide clips as a paper does, the same way for the same clips.

    Args:
        clips: All of them, labelled.
        plan: The shares, and whether each class is divided alike.

    Raises:
        ValueError: there are too few clips for it.
    """
    rng = np.random.default_rng(plan.seed)
    wanted = np.array(
        [place for place, clip in enumerate(clips) if clip.speaker not in plan.left_out], np.int64
    )
    if wanted.size <= plan.test_clips:
        raise ValueError(
            f"{plan.test_clips} clips are to be tested on, and {wanted.size} are at hand: none is "
            "left to train on"
        )
    groups: dict[str, list[int]] = {}
    for place in rng.permutation(wanted):
        key = str(clips[place].label) if plan.stratified else ""
        groups.setdefault(key, []).append(int(place))
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    tested = plan.test_clips / max(wanted.size, 1)
    for _, members in sorted(groups.items()):
        count = len(members)
        if plan.test_clips:
            test = round(tested * count)
            development = round(plan.development * (count - test))
        else:
            development = round(plan.development * count)
            test = max(count - round(plan.train * count) - development, 0)
        parts[2].extend(members[:test])
        parts[1].extend(members[test : test + development])
        parts[0].extend(members[test + development :])
    return _sorted(*parts)


def divide_by_speakers(
    clips: tuple[Clip, ...], *, corpus: str, test: tuple[str, ...], development: float, seed: int
) -> Division:
    """Divide so that the test speakers are in no other part, in whichever corpus they speak.

    Args:
        clips: All of them.
        corpus: Whose speakers are tested on.
        test: Those.
        development: Share of the other speakers' clips, at random, that is decided on.
        seed: Decides which.
    """
    tested = [
        place
        for place, clip in enumerate(clips)
        if clip.corpus == corpus and clip.speaker in set(test)
    ]
    silent = {voice_of(corpus, speaker) for speaker in test}
    rest = np.array(
        [
            place
            for place, clip in enumerate(clips)
            if voice_of(clip.corpus, clip.speaker) not in silent
        ],
        np.int64,
    )
    rest = np.random.default_rng(seed).permutation(rest)
    held = round(development * rest.size)
    return _sorted(rest[held:].tolist(), rest[:held].tolist(), tested)


def _sorted(train: list[int], development: list[int], test: list[int]) -> Division:
    return Division(*(np.array(sorted(part), np.int64) for part in (train, development, test)))
