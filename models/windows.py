"""From clips to the batches that a model learns from and the windows that it is scored on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affectd.models.augmentation import mask_bands_and_frames
from affectd.models.features import FeatureSet
from affectd.models.labels import label_index
from affectd.models.noise import NoiseBank, coloured_noise
from affectd.models.recipes import Recipe
from affectd.models.windowing import MARGIN_SECONDS, Windowing

__all__ = ["Batch", "clip_weights", "noise_bank", "training_batches", "utterance_windows"]

Frames = npt.NDArray[np.float32]

_GROUP_BATCHES = 8


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows padded with zeros to the longest of them."""

    logmel: Frames
    """Normalised, float32 ``(batch, frames, bands)``."""
    frames: npt.NDArray[np.int64]
    """Valid frames of each window."""
    targets: npt.NDArray[np.int64]
    """Place of each window's label among the labels."""

    @classmethod
    def of(cls, windows: Sequence[Frames], targets: Sequence[int]) -> Batch:
        """Pad windows into a batch."""
        longest = max(len(window) for window in windows)
        logmel = np.zeros((len(windows), longest, windows[0].shape[1]), np.float32)
        for row, window in zip(logmel, windows, strict=True):
            row[: len(window)] = window
        frames = np.array([len(window) for window in windows], np.int64)
        return cls(logmel, frames, np.array(targets, np.int64))


def clip_weights(features: FeatureSet, recipe: Recipe) -> npt.NDArray[np.float64]:
    """Return how likely each clip is to be drawn.

    Every class is drawn equally often. Within it, a corpus is drawn by the square root of its
    number of clips, times its weight in the recipe; within that, every clip alike.

    Returns:
        float64 ``(clips,)``, summing to one.
    """
    cells: dict[tuple[str, str], list[int]] = {}
    for index, clip in enumerate(features.clips):
        assert clip.label is not None
        cells.setdefault((clip.label, clip.corpus), []).append(index)
    weights = np.zeros(len(features))
    by_class: dict[str, float] = {}
    for (label, corpus), members in cells.items():
        share = recipe.corpora[corpus] * len(members) ** 0.5
        weights[members] = share / len(members)
        by_class[label] = by_class.get(label, 0.0) + share
    for (label, _), members in cells.items():
        weights[members] /= by_class[label] * len(by_class)
    return weights


def noise_bank(recipe: Recipe, recordings: FeatureSet | None) -> NoiseBank:
    """Return white and pink noise, and the recordings where there are some.

    White and pink noise count as much as ten recordings each.
    """
    coloured = coloured_noise(recipe.front_end, seconds=30, seed=0)
    recorded = [recordings.logmel(index) for index in range(len(recordings))] if recordings else []
    return NoiseBank((*(coloured * (10 if recorded else 1)), *recorded))


def training_batches(
    features: FeatureSet,
    *,
    recipe: Recipe,
    labels: Sequence[str],
    noise: NoiseBank,
    rng: np.random.Generator,
) -> Iterator[Batch]:
    """Yield one epoch of augmented batches of windows of similar length.

    Args:
        features: The clips to learn from, all of them labelled.
        recipe: What to draw and how to disturb it.
        labels: The model's outputs.
        noise: What to add.
        rng: Decides everything.
    """
    settings, augmentation, windowing = recipe.optimiser, recipe.augmentation, recipe.windowing
    weights = clip_weights(features, recipe)
    left = settings.steps_per_epoch
    while left:
        batches = min(left, _GROUP_BATCHES)
        left -= batches
        drawn = rng.choice(len(features), batches * settings.batch, p=weights)
        windows: list[Frames] = []
        for index in drawn:
            first, last = features.speech[index]
            window = augmentation.window(
                features.logmel(index),
                (int(first), int(last)),
                front_end=recipe.front_end,
                window_frames=windowing.window_frames,
                minimum_frames=windowing.minimum_frames,
                noise=noise,
                rng=rng,
            )
            windows.append(
                mask_bands_and_frames(
                    windowing.normalise(window),
                    masks=augmentation.masks,
                    mask_bands=augmentation.mask_bands,
                    mask_frames=augmentation.mask_frames,
                    rng=rng,
                )
            )
        targets = [label_index(str(features.clips[index].label), labels) for index in drawn]
        by_length = np.argsort([len(window) for window in windows], kind="stable")
        groups = by_length.reshape(batches, settings.batch)
        for group in groups[rng.permutation(batches)]:
            yield Batch.of([windows[i] for i in group], [targets[i] for i in group])


def utterance_windows(features: FeatureSet, index: int, windowing: Windowing) -> list[Frames]:
    """Return the windows that an utterance is scored on, as the engine would cut them.

    One window where the utterance is no longer than a window; else one that ends at the first full
    window, then one every hop, and one at the end.

    Returns:
        Normalised, each float32 ``(frames, bands)``.
    """
    front_end = windowing.front_end
    speech = features.utterance(
        index,
        margin_frames=round(MARGIN_SECONDS / front_end.frame_seconds),
        minimum_frames=windowing.minimum_frames,
    )
    full = windowing.window_frames
    hop = windowing.hop_seconds / front_end.frame_seconds
    hops = int(max(len(speech) - full, 0) / hop)
    ends = sorted(
        {min(full + round(n * hop), len(speech)) for n in range(hops + 1)} | {len(speech)}
    )
    return [windowing.normalise(speech[max(end - full, 0) : end]) for end in ends]
