"""What an encoder says of corpora, and the sums that discriminants of it need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from affectd.models.clips import Clip
from affectd.models.discriminant import (
    Discriminant,
    Moments,
    Scatter,
    fit_discriminant,
    scatter_within,
    within_voices,
)
from affectd.models.experts import Confidence, experts_of
from affectd.models.features import FeatureSet
from affectd.models.probe import KINDS, LinearProbe, Probe
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.voice_space import Voice, VoiceSpace, voice_space
from affectd.models.whisper_trunk import Trunk
from affectd.models.window_statistics import WindowStatistics

__all__ = ["CorpusMaterial", "ProbeData", "Scores", "emotion_of", "train_probe"]

_NATIVE = {"calm": ("calm",), "bored": ("bored", "boredom")}
"""Emotions that the shipped models do not tell apart, as the corpora write them."""

_REMEMBERED = 2
"""Of how many encoders the sums are kept."""


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
        return self.features.speakers()


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of clips."""

    logits: npt.NDArray[np.float64]
    """``(clips, classes)``."""
    truth: npt.NDArray[np.int64]
    """The place of each clip's emotion among the classes."""
    clips: tuple[Clip, ...]
    parts: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 1, len(KINDS))))
    """What each expert says, ``(clips, experts, kinds)``; see `affectd.models.experts`."""
    distances: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    """How far the clips lie from each corpus's voices, ``(clips, corpora)``."""


class ProbeData:
    """The corpora of a recipe, and the sums that every fold shares.

    Args:
        recipe: What is trained.
        corpora: By name.
        trunk: The encoder that was listened to.
        recent: Those of several encoders that have summed up lately, which they share: the sums of
            one are gigabytes, and only a few of them are kept.
    """

    def __init__(
        self,
        recipe: ProbeRecipe,
        corpora: Mapping[str, CorpusMaterial],
        trunk: Trunk,
        *,
        recent: list[ProbeData] | None = None,
    ) -> None:
        self.recipe, self.corpora, self.trunk = recipe, dict(corpora), trunk
        # The same for all folds: it moves numbers near zero, and cancels out in every result.
        self._origin = np.mean(
            [one.clean.values.mean(axis=0) for one in self.corpora.values()], axis=0
        ).astype(np.float32)
        self._sums: dict[str, tuple[Moments, dict[str, Moments]]] = {}
        self._recent = [] if recent is None else recent

    def speakers(self) -> dict[str, tuple[str, ...]]:
        """Return who speaks, by corpus."""
        return {name: one.speakers() for name, one in self.corpora.items()}

    def discriminant_alone(self, corpus: str, without: Mapping[str, Iterable[str]]) -> Discriminant:
        """Return a discriminant of a corpus's statistics that no other corpus has helped to make.

        Args:
            corpus: The one.
            without: Speakers by corpus who are not heard.

        Raises:
            ValueError: all of its speakers are left out, or those who are heard have spoken fewer
                than two emotions.
        """
        if corpus not in self.heard(without):
            raise ValueError(f"every speaker of {corpus} is left out: nothing to learn from")
        return self._discriminant(self._scatter(corpus, without))

    def discriminants(self, without: Mapping[str, Iterable[str]]) -> dict[str, Discriminant]:
        """Return a discriminant of each corpus's statistics, the others helping as the recipe says.

        Args:
            without: Speakers by corpus who are not heard.

        Raises:
            ValueError: every speaker is left out, or those of a corpus who are heard have spoken
                fewer than two emotions.
        """
        if not (heard := self.heard(without)):
            raise ValueError("every speaker is left out: nothing to learn from")
        helped = self._helped(heard, lambda name: self._scatter(name, without))
        return {name: self._discriminant(one) for name, one in helped}

    def discriminants_within_voices(
        self, without: Mapping[str, Iterable[str]]
    ) -> dict[str, Discriminant]:
        """Return the same of statistics less their voice's middle.

        Their centre is that of each voice: they take vectors that lie around zero.

        Args:
            without: Speakers by corpus who are not heard.

        Raises:
            ValueError: those of a corpus who are heard have spoken fewer than two emotions.
        """

        def scatter_of(name: str) -> Scatter:
            everyone, voices = self._heard(name, without)
            return scatter_within(within_voices(everyone, voices), count=len(voices))

        shrinkage = self.recipe.probe.shrinkage
        helped = self._helped(self.heard(without), scatter_of)
        return {name: fit_discriminant(one, shrinkage=shrinkage) for name, one in helped}

    def voice_space(self, without: Mapping[str, Iterable[str]]) -> VoiceSpace:
        """Return where the voices lie that are heard, undisturbed."""
        found: dict[str, list[Voice]] = {}
        for name in self.heard(without):
            one = self.corpora[name]
            speakers = np.array([clip.speaker for clip in one.features.clips])[one.clean.owners]
            silent = set(without.get(name, ()))
            found[name] = [
                Voice(one.clean.values[own], one.clean.shares[own], moments)
                for speaker, moments in self._moments(name)[1].items()
                if speaker not in silent and (own := speakers == speaker).any()
            ]
        return voice_space(found)

    def heard(self, without: Mapping[str, Iterable[str]]) -> list[str]:
        """Return the corpora of which somebody is heard."""
        return [
            name
            for name, one in self.corpora.items()
            if not set(one.speakers()) <= set(without.get(name, ()))
        ]

    def others(self, corpus: str, without: Mapping[str, Iterable[str]]) -> npt.NDArray[np.float32]:
        """Return clean windows of all corpora but one, or of that where there is no other.

        Args:
            corpus: The one.
            without: Speakers by corpus who are not heard.
        """
        parts: dict[str, npt.NDArray[np.float32]] = {}
        for name, one in self.corpora.items():
            left_out = set(without.get(name, ()))
            heard = np.array([clip.speaker not in left_out for clip in one.features.clips])
            if (chosen := heard[one.clean.owners]).any():
                parts[name] = one.clean.values[chosen]
        others = [values for name, values in parts.items() if name != corpus]
        return np.concatenate(others) if others else parts[corpus]

    def score(
        self,
        probe: Probe | LinearProbe,
        corpus: str,
        *,
        among: tuple[str, ...],
        speakers: Iterable[str],
    ) -> Scores:
        """Score the clips of some speakers, the mean over each clip's windows.

        Args:
            probe: One that has not heard them.
            corpus: Whose clips.
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
        values = one.clean.values[heard]
        shares = one.clean.shares[heard][:, None]
        sums = np.zeros((len(chosen), len(among)))
        np.add.at(sums, owners[heard], probe.logits(values, among) * shares)
        parts, distances = self._said(probe, values, owners[heard], shares, len(chosen))
        return Scores(
            logits=sums[chosen],
            truth=np.array([among.index(str(emotions[i])) for i in np.flatnonzero(chosen)]),
            clips=tuple(one.features.clips[i] for i in np.flatnonzero(chosen)),
            parts=parts[chosen],
            distances=distances[chosen],
        )

    @staticmethod
    def _said(
        probe: Probe | LinearProbe,
        values: npt.NDArray[np.float32],
        owners: npt.NDArray[np.int64],
        shares: npt.NDArray[np.float64],
        clips: int,
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the mean over each clip's windows of what experts say, and of the distances."""
        if isinstance(probe, LinearProbe):
            return np.zeros((clips, 1, len(KINDS))), np.zeros((clips, 0))
        said = probe.experts.scores(values)
        apart = probe.experts.distances(values)
        parts, distances = np.zeros((clips, *said.shape[1:])), np.zeros((clips, apart.shape[1]))
        np.add.at(parts, owners, said * shares[:, :, None])
        np.add.at(distances, owners, apart * shares)
        return parts, distances

    def _discriminant(self, scatter: Scatter) -> Discriminant:
        settings = self.recipe.probe
        found = fit_discriminant(
            scatter, shrinkage=settings.shrinkage, strangeness=settings.strangeness
        )
        return replace(found, centre=found.centre + self._origin)

    def _helped(
        self, names: Iterable[str], scatter_of: Callable[[str], Scatter]
    ) -> Iterator[tuple[str, Scatter]]:
        """Yield the scatter of each corpus with the others beside it, as the recipe says.

        Where corpora do not help each other, only one of them is there at a time: a matrix has
        100 MB.
        """
        settings = self.recipe.probe
        if not (settings.covariance or settings.kinship):
            yield from ((name, scatter_of(name)) for name in names)
            return
        scatters = {name: scatter_of(name) for name in names}
        for name, scatter in scatters.items():
            others = [other for each, other in scatters.items() if each != name]
            yield (
                name,
                scatter.beside(others, covariance=settings.covariance, kinship=settings.kinship),
            )

    def _scatter(self, corpus: str, without: Mapping[str, Iterable[str]]) -> Scatter:
        return scatter_within(*self._heard(corpus, without))

    def _heard(
        self, corpus: str, without: Mapping[str, Iterable[str]]
    ) -> tuple[Moments, list[Moments]]:
        """Return the sums over a corpus, and those over each of its speakers."""
        everyone, speakers = self._moments(corpus)
        silent = {each for each in without.get(corpus, ()) if each in speakers}
        left_out = [speakers[each] for each in sorted(silent)]
        summed = everyone - _sum(left_out) if left_out else everyone
        return summed, [each for speaker, each in speakers.items() if speaker not in silent]

    def _moments(self, name: str) -> tuple[Moments, dict[str, Moments]]:
        self._recent[:] = [self, *(one for one in self._recent if one is not self)]
        for forgotten in self._recent[_REMEMBERED:]:
            forgotten._sums.clear()
        del self._recent[_REMEMBERED:]
        if name not in self._sums:
            one = self.corpora[name]
            clips = one.features.clips
            kinds = np.array([KINDS.index(str(emotion_of(clip, KINDS))) for clip in clips])
            speakers = np.array([clip.speaker for clip in clips])
            sums: dict[str, Moments] = {}
            for speaker in one.speakers():
                parts: list[Moments] = []
                for view in (one.clean, *one.drawn):
                    chosen = (speakers == speaker)[view.owners]
                    parts.append(
                        Moments.of(
                            view.values[chosen] - self._origin,
                            kinds[view.owners[chosen]],
                            len(KINDS),
                            weights=view.shares[chosen],
                        )
                    )
                sums[speaker] = _sum(parts)
            self._sums[name] = (
                _sum(list(sums.values())),
                {speaker: each.in_single_precision() for speaker, each in sums.items()},
            )
        return self._sums[name]


def _sum(parts: list[Moments]) -> Moments:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def train_probe(
    data: ProbeData,
    *,
    without: Mapping[str, Iterable[str]] | None = None,
    confidence: Confidence | None = None,
) -> Probe:
    """Learn from every corpus of the recipe.

    Args:
        data: Of the recipe.
        without: Speakers by corpus who are not heard.
        confidence: Whom to believe how far; without it, every expert alike, whatever is heard.
    """
    left_out = {name: tuple(speakers) for name, speakers in (without or {}).items()}
    discriminants = data.discriminants(left_out)
    heard = list(discriminants)
    experts = experts_of(
        heard, list(discriminants.values()), data.voice_space(left_out)
    ).standardised([data.others(name, left_out) for name in heard])
    return Probe(experts, confidence or Confidence(sharpness=1.0, slope=0.0, reach=0.0))
