"""A linear probe: a discriminant of what a frozen encoder says, learnt in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from affectd.models.architectures import build
from affectd.models.clips import Clip
from affectd.models.corpora import NOISE, corpus_named
from affectd.models.discriminant import Discriminant, Moments, fit_discriminant
from affectd.models.features import FeatureSet, extract
from affectd.models.labels import LABELS
from affectd.models.material import Progress
from affectd.models.pooled_whisper import PooledWhisper
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.window_statistics import Disturbed, WindowStatistics, window_statistics
from affectd.models.windows import noise_bank

__all__ = [
    "CorpusMaterial",
    "Probe",
    "ProbeData",
    "Scores",
    "emotion_of",
    "empty_network",
    "gather_probe_data",
    "train_probe",
]

_NATIVE = {"calm": ("calm",), "bored": ("bored", "boredom")}
"""Emotions that the shipped models do not tell apart, as the corpora write them."""

Left = Callable[[Clip], bool]
"""Says of a clip whether it is left out of training."""


def emotion_of(clip: Clip, labels: Iterable[str]) -> str | None:
    """Return which of some labels a clip has; `None` if it has none of them.

    Calm counts as neutral where it is none of the labels, and bored speech has no other label.
    """
    known = tuple(labels)
    for emotion, natives in _NATIVE.items():
        if emotion in known and clip.native in natives:
            return emotion
    return clip.label if clip.label in known else None


@dataclass(frozen=True, slots=True)
class CorpusMaterial:
    """One corpus as a probe hears it."""

    features: FeatureSet
    clean: WindowStatistics
    """Of the windows that each clip is scored on."""
    drawn: tuple[WindowStatistics, ...]
    """Of windows drawn and disturbed as the recipe says."""

    def speakers(self) -> tuple[str, ...]:
        """Return who speaks."""
        return tuple(sorted({clip.speaker for clip in self.features.clips}))


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of clips."""

    logits: npt.NDArray[np.float64]
    """``(clips, classes)``."""
    truth: npt.NDArray[np.int64]
    """The place of each clip's emotion among the classes."""
    clips: tuple[Clip, ...]


class ProbeData:
    """The corpora of a recipe, and the sums that every fold shares.

    Args:
        recipe: What is trained.
        corpora: By name.
    """

    def __init__(self, recipe: ProbeRecipe, corpora: Mapping[str, CorpusMaterial]) -> None:
        self.recipe, self.corpora = recipe, dict(corpora)
        # The same for all folds: it moves numbers near zero, and cancels out in every result.
        self._origin = np.mean(
            [one.clean.values.mean(axis=0) for one in self.corpora.values()], axis=0
        ).astype(np.float32)
        self._sums: dict[tuple[str, tuple[str, ...], bool], tuple[Moments, dict[str, Moments]]] = {}

    def fit(
        self,
        labels: tuple[str, ...],
        *,
        corpora: Iterable[str],
        without: Mapping[str, Iterable[str]],
        relative: bool = False,
    ) -> Discriminant:
        """Return the discriminant of all speakers of some corpora but a few.

        Each clip weighs the weight of its corpus over the square root of the corpus's clips.

        Args:
            labels: The classes.
            corpora: Who is heard.
            without: Speakers by corpus who are not heard.
            relative: Whether each speaker's own mean is taken away before.
        """
        parts: list[Moments] = []
        for name in corpora:
            everyone, speakers = self._moments(name, labels, relative)
            left_out = [speakers[each] for each in without.get(name, ()) if each in speakers]
            if len(left_out) == len(speakers):
                continue
            summed = everyone - _sum(left_out) if left_out else everyone
            weight = self.recipe.corpora.get(name, 1.0) / summed.counts.sum() ** 0.5
            parts.append(summed * weight)
        if not parts:
            raise ValueError("every speaker is left out: nothing to learn from")
        found = fit_discriminant(parts, shrinkage=self.recipe.probe.shrinkage)
        return Discriminant(found.centre + self._origin, found.scale, found.weights, found.bias)

    def score(
        self,
        probe: Discriminant,
        corpus: str,
        *,
        labels: tuple[str, ...],
        among: tuple[str, ...],
        speakers: Iterable[str],
    ) -> Scores:
        """Score the clips of some speakers, the mean over each clip's windows.

        Args:
            probe: One that was fitted to `labels`.
            corpus: Whose clips.
            labels: The probe's classes.
            among: The classes that are guessed among; clips of others are left out.
            speakers: Whose clips of the corpus.
        """
        one = self.corpora[corpus]
        wanted = set(speakers)
        emotions = [emotion_of(clip, among) for clip in one.features.clips]
        chosen = np.array(
            [
                emotion is not None and clip.speaker in wanted
                for clip, emotion in zip(one.features.clips, emotions, strict=True)
            ]
        )
        owners = one.clean.owners
        heard = chosen[owners]
        sums = np.zeros((len(chosen), len(among)))
        columns = [labels.index(label) for label in among]
        scores = probe(one.clean.values[heard])[:, columns]
        np.add.at(sums, owners[heard], scores * one.clean.shares[heard][:, None])
        return Scores(
            logits=sums[chosen],
            truth=np.array([among.index(str(emotions[i])) for i in np.flatnonzero(chosen)]),
            clips=tuple(one.features.clips[i] for i in np.flatnonzero(chosen)),
        )

    def _moments(
        self, name: str, labels: tuple[str, ...], relative: bool
    ) -> tuple[Moments, dict[str, Moments]]:
        key = (name, labels, relative)
        if key not in self._sums:
            one = self.corpora[name]
            clips = one.features.clips
            targets = np.array(
                [
                    -1 if (emotion := emotion_of(clip, labels)) is None else labels.index(emotion)
                    for clip in clips
                ]
            )
            speakers = np.array([clip.speaker for clip in clips])
            sums: dict[str, Moments] = {}
            for speaker in one.speakers():
                parts: list[Moments] = []
                for view in (one.clean, *one.drawn):
                    chosen = (speakers == speaker)[view.owners] & (targets >= 0)[view.owners]
                    if not chosen.any():
                        continue
                    vectors = view.values[chosen] - self._origin
                    classes = targets[view.owners[chosen]]
                    shares = view.shares[chosen]
                    if relative:
                        vectors = vectors - _middle(vectors, classes, shares)
                    parts.append(Moments.of(vectors, classes, len(labels), weights=shares))
                if parts:
                    sums[speaker] = _sum(parts)
            self._sums[key] = (_sum(list(sums.values())), sums)
        return self._sums[key]


def _middle(
    vectors: npt.NDArray[np.float32],
    classes: npt.NDArray[np.int64],
    shares: npt.NDArray[np.float64],
) -> npt.NDArray[np.float32]:
    """Return the mean over the classes' means: as if the speaker had spoken all equally often."""
    means = [
        np.average(vectors[classes == each], axis=0, weights=shares[classes == each])
        for each in np.unique(classes)
    ]
    middle: npt.NDArray[np.float32] = np.mean(means, axis=0).astype(np.float32)
    return middle


def _sum(parts: list[Moments]) -> Moments:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


@dataclass(frozen=True, slots=True)
class Probe:
    """What was learnt: the scores of a window, and its scores to be compared within a speaker."""

    labels: tuple[str, ...]
    absolute: Discriminant
    relative: Discriminant

    def network(self, recipe: ProbeRecipe, weights: Path) -> PooledWhisper:
        """Return encoder and probe as one network.

        Raises:
            WeightsError: the encoder's weights are not there.
        """
        network = empty_network(recipe, len(self.labels))
        network.take_weights(weights)
        first, second = self.absolute, self.relative
        with torch.no_grad():
            network.centre.copy_(torch.from_numpy(first.centre))
            network.scale.copy_(torch.from_numpy(first.scale))
            network.classify.weight.copy_(torch.from_numpy(first.weights))
            network.classify.bias.copy_(torch.from_numpy(first.bias))
            network.compare.weight.copy_(
                torch.from_numpy(second.weights * (second.scale / first.scale))
            )
            shift = (second.weights * second.scale) @ (first.centre - second.centre)
            network.compare.bias.copy_(torch.from_numpy(second.bias + shift))
        return network.eval()


def empty_network(recipe: ProbeRecipe, classes: int) -> PooledWhisper:
    """Return the recipe's network before anything is learnt."""
    network = build(
        recipe.architecture,
        bands=recipe.front_end.columns,
        classes=classes,
        options=recipe.options,
        windowing=recipe.windowing,
    )
    assert isinstance(network, PooledWhisper)
    return network


def gather_probe_data(
    recipe: ProbeRecipe,
    *,
    corpora: Path,
    cache: Path,
    weights: Path,
    seed: int,
    progress: Progress | None = None,
) -> ProbeData:
    """Return what a probe learns from; what the encoder says is computed once and kept.

    Args:
        recipe: Names the corpora.
        corpora: The folder that holds them.
        cache: The folder of features and statistics.
        weights: The folder of the encoder's weights.
        seed: Of the disturbed windows.
        progress: Told how far it is.

    Raises:
        CorpusError: a corpus cannot be used.
        WeightsError: the encoder's weights are not there.
    """
    network = empty_network(recipe, len(LABELS))
    network.take_weights(weights)
    network.eval()

    def advancing(name: str) -> Callable[[int, int], None]:
        def advance(done: int, of: int) -> None:
            if progress is not None:
                progress(name, done, of)

        return advance

    def features_of(name: str, clips: tuple[Clip, ...]) -> FeatureSet:
        return extract(
            clips, front_end=recipe.front_end, cache=cache, workers=2, advance=advancing(name)
        )

    recordings = None
    if recipe.noise and recipe.probe.drawn and (corpora / NOISE.name).is_dir():
        recordings = features_of(NOISE.name, NOISE.list(corpora).clips)
    noise = noise_bank(recipe, recordings) if recipe.probe.drawn else None
    found: dict[str, CorpusMaterial] = {}
    for name in recipe.corpora:
        clips = tuple(
            clip
            for clip in corpus_named(name).list(corpora).clips
            if emotion_of(clip, (*LABELS, *_NATIVE)) is not None
        )
        features = features_of(name, clips)
        clean, *drawn = (
            window_statistics(
                features,
                network=network,
                recipe=recipe,
                cache=cache,
                disturbed=disturbed,
                advance=advancing(f"{name}, encoded"),
            )
            for disturbed in (
                None,
                *(
                    Disturbed(noise, seed + 1000 * view)
                    for view in range(recipe.probe.drawn)
                    if noise is not None
                ),
            )
        )
        found[name] = CorpusMaterial(features, clean, tuple(drawn))
    return ProbeData(recipe, found)


def train_probe(
    data: ProbeData,
    *,
    labels: tuple[str, ...] = LABELS,
    without: Mapping[str, Iterable[str]] | None = None,
) -> Probe:
    """Learn from every corpus of the recipe.

    Args:
        data: Of the recipe.
        labels: The classes.
        without: Speakers by corpus who are not heard.
    """
    absolute, relative = (
        data.fit(labels, corpora=data.recipe.corpora, without=without or {}, relative=relative)
        for relative in (False, True)
    )
    return Probe(labels, absolute, relative)
