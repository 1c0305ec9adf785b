"""A probe: discriminants of what a frozen encoder says, in closed form, learnt in seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from affectd.models.architectures import build
from affectd.models.clean_speech import clean_speech
from affectd.models.clips import Clip
from affectd.models.corpora import NOISE, corpus_named
from affectd.models.discriminant import Discriminant, Moments, fit_discriminant, within_voices
from affectd.models.distilling import distil
from affectd.models.experts import ABSENT, Confidence, Experts, experts_of, judge_from, shares
from affectd.models.features import FeatureSet, extract
from affectd.models.folds import HEARD_NOISE, shared_folds
from affectd.models.kept import keep
from affectd.models.labels import LABELS
from affectd.models.material import Progress
from affectd.models.noise import NoiseBank
from affectd.models.pooled_whisper import PooledWhisper, PooledWhisperOptions
from affectd.models.probe_recipe import DistillingSettings, ProbeRecipe
from affectd.models.pruning import PRUNING_VERSION, prune
from affectd.models.quantised_trunk import padded
from affectd.models.whisper_trunk import HIDDEN, WIDTH, Trunk, read_trunk
from affectd.models.window_statistics import Disturbed, WindowStatistics, window_statistics
from affectd.models.windows import noise_bank, utterance_windows

__all__ = [
    "KINDS",
    "CorpusMaterial",
    "LinearProbe",
    "Probe",
    "ProbeData",
    "Scores",
    "columns_of",
    "emotion_of",
    "empty_network",
    "encoders_on_trial",
    "gather_probe_data",
    "merged",
    "train_probe",
]

_NATIVE = {"calm": ("calm",), "bored": ("bored", "boredom")}
"""Emotions that the shipped models do not tell apart, as the corpora write them."""

_LISTENED_TO = 100
"""Windows of each corpus that an encoder is pruned by."""

_REMEMBERED = 3
"""Of how many encoders the sums are kept: gigabytes."""

Without = Mapping[str, tuple[str, ...]]
"""Speakers by corpus who are left out."""

KINDS: tuple[str, ...] = (*LABELS, *_NATIVE)
"""What a probe tells apart in training."""


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
        return _speakers(self.features)


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
    likeness: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    """How like each corpus the clips are, ``(clips, corpora)``."""


class ProbeData:
    """The corpora of a recipe, and the sums that every fold shares.

    Args:
        recipe: What is trained.
        corpora: By name.
        trunk: The encoder that was listened to.
        folds: The test speakers by corpus of each model on trial; the shared folds of the speakers
            if not said.
        unheard: Whom the encoder has not learnt from; what it has not learnt at all from labels or
            corpora at hand, it has learnt from nobody.
        others: The same corpora as other encoders hear them, which have not learnt from everybody.
    """

    def __init__(
        self,
        recipe: ProbeRecipe,
        corpora: Mapping[str, CorpusMaterial],
        trunk: Trunk,
        *,
        folds: Sequence[Without] | None = None,
        unheard: Without | None = None,
        others: Sequence[ProbeData] = (),
    ) -> None:
        self.recipe, self.corpora, self.trunk = recipe, dict(corpora), trunk
        speakers = {name: one.speakers() for name, one in self.corpora.items()}
        self.folds = tuple(shared_folds(speakers) if folds is None else folds)
        self.unheard = dict(unheard or {})
        self.as_others_hear_them = tuple(others)
        # The same for all folds: it moves numbers near zero, and cancels out in every result.
        self._origin = np.mean(
            [one.clean.values.mean(axis=0) for one in self.corpora.values()], axis=0
        ).astype(np.float32)
        self._sums: dict[str, tuple[Moments, dict[str, Moments]]] = {}
        self._recent: list[ProbeData] = []

    def unlearnt(self, without: Mapping[str, Iterable[str]]) -> ProbeData:
        """Return the corpora as an encoder hears them that has not learnt from some speakers.

        An encoder whose weights stayed as they came has learnt from none of them.

        Raises:
            ValueError: every encoder has learnt from one of them.
        """
        if self.recipe.distilling is None:
            return self
        for one in (self, *self.as_others_hear_them):
            if all(set(who) <= set(one.unheard.get(name, ())) for name, who in without.items()):
                self._recent = [one, *(each for each in self._recent if each is not one)]
                for forgotten in self._recent[_REMEMBERED:]:
                    forgotten._sums.clear()
                del self._recent[_REMEMBERED:]
                return one
        raise ValueError("every encoder has learnt from a speaker who is left out")

    def moments(self, without: Mapping[str, Iterable[str]]) -> list[Moments]:
        """Return what a probe learns from, corpus by corpus, each times its weight.

        Each clip weighs the weight of its corpus over the square root of the corpus's clips.

        Args:
            without: Speakers by corpus who are not heard.
        """
        return [everyone for everyone, _ in self._heard(without).values()]

    def discriminant(self, without: Mapping[str, Iterable[str]]) -> Discriminant:
        """Return a discriminant of the statistics of all speakers but a few."""
        moments, voices = self._parts(without)
        settings = self.recipe.probe
        found = fit_discriminant(
            moments,
            shrinkage=settings.shrinkage,
            voices=voices,
            strangeness=settings.strangeness,
        )
        return replace(found, centre=found.centre + self._origin)

    def discriminant_within_voices(
        self, corpus: str, without: Mapping[str, Iterable[str]]
    ) -> Discriminant:
        """Return a discriminant of a corpus's statistics less their voice's middle.

        Its centre is that of each voice: it takes vectors that lie around zero.
        """
        alone = {name: one.speakers() for name, one in self.corpora.items() if name != corpus}
        everyone, voices = self._heard({**alone, corpus: without.get(corpus, ())})[corpus]
        apart = within_voices(everyone, voices)
        return fit_discriminant([apart], shrinkage=self.recipe.probe.shrinkage)

    def place(self, without: Mapping[str, Iterable[str]]) -> Discriminant:
        """Return a discriminant of the corpora, each as likely as another."""
        moments, _ = self._parts(without)
        counts = np.array([each.counts.sum() for each in moments])
        total = Moments(
            np.ones(len(moments)),
            np.stack(
                [each.sums.sum(0) / count for each, count in zip(moments, counts, strict=True)]
            ),
            np.sum(
                [each.squares / count for each, count in zip(moments, counts, strict=True)], axis=0
            ),
        )
        if len(moments) == 1:
            # There is nothing that it could be told apart from.
            width = total.sums.shape[1]
            return Discriminant(np.zeros(width), np.ones(width), np.zeros((1, width)), np.zeros(1))
        found = fit_discriminant([total], shrinkage=self.recipe.probe.shrinkage_of_place)
        return replace(found, centre=found.centre + self._origin)

    def linear(self, without: Mapping[str, Iterable[str]]) -> LinearProbe:
        """Return a discriminant of all speakers but a few, and nothing else."""
        return LinearProbe(self.discriminant(without))

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
        parts, likeness = self._said(probe, values, owners[heard], shares, len(chosen))
        return Scores(
            logits=sums[chosen],
            truth=np.array([among.index(str(emotions[i])) for i in np.flatnonzero(chosen)]),
            clips=tuple(one.features.clips[i] for i in np.flatnonzero(chosen)),
            parts=parts[chosen],
            likeness=likeness[chosen],
        )

    @staticmethod
    def _said(
        probe: Probe | LinearProbe,
        values: npt.NDArray[np.float32],
        owners: npt.NDArray[np.int64],
        shares: npt.NDArray[np.float64],
        clips: int,
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the mean over each clip's windows of what experts say, and of the likeness."""
        if isinstance(probe, LinearProbe):
            return np.zeros((clips, 1, len(KINDS))), np.zeros((clips, 0))
        said = probe.experts.scores(values)
        alike = probe.experts.likeness(values)
        parts, likeness = np.zeros((clips, *said.shape[1:])), np.zeros((clips, alike.shape[1]))
        np.add.at(parts, owners, said * shares[:, :, None])
        np.add.at(likeness, owners, alike * shares)
        return parts, likeness

    def _parts(
        self, without: Mapping[str, Iterable[str]]
    ) -> tuple[list[Moments], list[list[Moments]]]:
        heard = list(self._heard(without).values())
        if not heard:
            raise ValueError("every speaker is left out: nothing to learn from")
        return [everyone for everyone, _ in heard], [voices for _, voices in heard]

    def _heard(
        self, without: Mapping[str, Iterable[str]]
    ) -> dict[str, tuple[Moments, list[Moments]]]:
        """Return the sums over each corpus, weighted, and those over each of its speakers."""
        found: dict[str, tuple[Moments, list[Moments]]] = {}
        for name in self.corpora:
            everyone, speakers = self._moments(name)
            silent = {each for each in without.get(name, ()) if each in speakers}
            if len(silent) == len(speakers):
                continue
            left_out = [speakers[each] for each in sorted(silent)]
            summed = everyone - _sum(left_out) if left_out else everyone
            weight = self.recipe.corpora[name] / summed.counts.sum() ** 0.5
            voices = [each for speaker, each in speakers.items() if speaker not in silent]
            found[name] = (summed * weight, voices)
        return found

    def _moments(self, name: str) -> tuple[Moments, dict[str, Moments]]:
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


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """A discriminant alone, of the statistics as they are: what one corpus is told apart by."""

    discriminant: Discriminant

    def logits(
        self, values: npt.NDArray[np.float32], among: Sequence[str] = KINDS
    ) -> npt.NDArray[np.float64]:
        """Return logits of windows for some emotions, float64 ``(windows, emotions)``."""
        scores = self.discriminant(values)
        chosen: npt.NDArray[np.float64] = scores[:, [KINDS.index(each) for each in among]]
        return chosen


@dataclass(frozen=True, slots=True)
class Probe:
    """What was learnt."""

    experts: Experts
    confidence: Confidence

    def logits(
        self, values: npt.NDArray[np.float32], among: Sequence[str] = KINDS
    ) -> npt.NDArray[np.float64]:
        """Return logits of windows for some emotions, float64 ``(windows, emotions)``.

        Calm counts as neutral where it is not asked for.
        """
        experts = self.experts
        scores = judge_from(
            experts.scores(values), experts.likeness(values), experts.absent, self.confidence
        )
        return merged(scores, among)

    def beliefs(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return how far each expert is believed, float64 ``(windows, experts)``."""
        return shares(self.experts.likeness(values), self.confidence)

    def network(self, recipe: ProbeRecipe, trunk: Trunk, voice: Experts) -> PooledWhisper:
        """Return encoder and probe as one network with the classes of the shipped models.

        Args:
            recipe: Of the probe.
            trunk: The encoder.
            voice: Experts of statistics less their voice's middle, beside the probe's own.
        """
        network = empty_network(recipe)
        network.trunk.load_state_dict(trunk.state_dict())
        experts, confidence = self.experts, self.confidence
        # All statistics vary alike, for the sake of quantisation.
        centre, scale = experts.place.centre, experts.place.scale
        sharpness = confidence.sharpness[:, None]
        judge = experts.weights * sharpness[:, :, None] / scale
        known = voice.weights * sharpness[:, :, None] / scale
        # Of the statistics less the centre.
        said = (experts.bias + experts.weights @ centre) * sharpness
        place = experts.place.weights * experts.place.scale
        state = {
            "centre": centre,
            "scale": scale,
            "voice.weight": known.reshape(-1, known.shape[2]),
            # Whatever is added falls away with the voice's middle.
            "voice.bias": np.zeros(known.shape[0] * known.shape[1]),
            "judge.weight": judge.reshape(-1, judge.shape[2]),
            "judge.bias": (said + ABSENT * experts.absent).reshape(-1),
            "near.weight": confidence.slope * place / scale,
            "near.bias": confidence.slope * (experts.place.bias - confidence.margin),
            "company": confidence.company,
        }
        network.load_state_dict(
            network.state_dict()
            | {
                name: torch.from_numpy(np.asarray(value, np.float32))
                for name, value in state.items()
            }
        )
        return network.eval()


def columns_of(among: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return which of `KINDS` count for each of some emotions.

    Calm counts as neutral where it is not among them.
    """
    neutral = [KINDS.index(each) for each in ("neutral", "calm")]
    return tuple(
        tuple(neutral) if each == "neutral" and "calm" not in among else (KINDS.index(each),)
        for each in among
    )


def merged(
    scores: npt.NDArray[np.float64], among: Sequence[str] = KINDS
) -> npt.NDArray[np.float64]:
    """Return the scores of some emotions; see `columns_of`.

    Args:
        scores: Of all of `KINDS`, ``(n, kinds)``.
        among: The emotions.
    """
    return np.stack(
        [np.logaddexp.reduce(scores[:, list(own)], axis=1) for own in columns_of(among)], axis=1
    )


def empty_network(recipe: ProbeRecipe) -> PooledWhisper:
    """Return the recipe's network before anything is learnt."""
    network = build(
        recipe.architecture,
        bands=recipe.front_end.columns,
        classes=len(LABELS),
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
    published: bool = False,
    progress: Progress | None = None,
) -> ProbeData:
    """Return what a probe learns from; what the encoder says is computed once and kept.

    Args:
        recipe: Names the corpora.
        corpora: The folder that holds them.
        cache: The folder of features and statistics.
        weights: The folder of the encoder's weights.
        seed: Of the disturbed windows.
        published: Whether no other folds will do than those that are published.
        progress: Told how far it is.

    Raises:
        CorpusError: a corpus cannot be used.
        ValueError: the folds must be the published ones, and a corpus has none, or lacks some of
            their speakers.
        WeightsError: the encoder's weights are not there.
    """

    def advancing(what: str) -> Callable[[int, int], None]:
        def advance(done: int, of: int) -> None:
            if progress is not None:
                progress(what, done, of)

        return advance

    def features_of(name: str, clips: tuple[Clip, ...]) -> FeatureSet:
        return extract(
            clips,
            front_end=recipe.front_end,
            cache=cache,
            workers=2,
            advance=advancing(f"features of {name}"),
        )

    disturbs = recipe.probe.drawn or recipe.distilling
    recordings = None
    if recipe.noise and disturbs and (corpora / NOISE.name).is_dir():
        recorded = NOISE.list(corpora).clips
        recordings = features_of(
            NOISE.name, tuple(clip for clip in recorded if clip.speaker in HEARD_NOISE)
        )
    noise = noise_bank(recipe, recordings) if disturbs else NoiseBank(())
    heard = {
        name: features_of(
            name,
            tuple(
                clip
                for clip in corpus_named(name).list(corpora).clips
                if emotion_of(clip, KINDS) is not None
            ),
        )
        for name in recipe.corpora
    }
    network = empty_network(recipe).eval()
    speakers = {name: _speakers(features) for name, features in heard.items()}
    folds = shared_folds(speakers, published=published)

    def data_of(trunk: Trunk, **told: Any) -> ProbeData:
        network.trunk.load_state_dict(trunk.state_dict())
        found: dict[str, CorpusMaterial] = {}
        for name, features in heard.items():
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
                    *(Disturbed(noise, seed + 1000 * view) for view in range(recipe.probe.drawn)),
                )
            )
            found[name] = CorpusMaterial(features, clean, tuple(drawn))
        return ProbeData(recipe, found, trunk, folds=folds, **told)

    first = _trunk(recipe, network, heard.values(), weights, cache)
    if recipe.distilling is None:
        return data_of(first)
    teacher = _teacher(recipe.distilling, weights)
    clean = {
        name: clean_speech(
            features,
            teacher=teacher,
            stride=first.stride,
            recipe=recipe,
            cache=cache,
            advance=advancing(f"{name}, heard clean"),
        )
        for name, features in heard.items()
    }

    def learnt_without(unheard: Without) -> Trunk:
        return distil(
            first,
            clean,
            without=unheard,
            recipe=recipe,
            noise=noise,
            cache=cache,
            progress=progress,
        )

    return data_of(
        learnt_without({}),
        others=[
            data_of(learnt_without(unheard), unheard=unheard)
            for unheard in encoders_on_trial(folds, speakers)
        ],
    )


def encoders_on_trial(folds: Sequence[Without], speakers: Without) -> list[Without]:
    """Return whom each encoder must not have learnt from that is tried on somebody.

    One encoder serves every other fold: it has learnt from nobody whom any of these tests. Then
    one knows nothing of each corpus.

    Args:
        folds: The test speakers by corpus of each.
        speakers: All of them, by corpus.
    """
    halves = [
        {
            name: tuple(one for fold in folds[first::2] for one in fold.get(name, ()))
            for name in speakers
        }
        for first in range(min(2, len(folds)))
    ]
    whole = [{name: who} for name, who in speakers.items()] if len(speakers) > 1 else []
    return [*halves, *whole]


def _speakers(features: FeatureSet) -> tuple[str, ...]:
    return tuple(sorted({clip.speaker for clip in features.clips}))


def _teacher(settings: DistillingSettings, weights: Path) -> Trunk:
    blocks = len(settings.layers) - 1
    teacher = Trunk(blocks).eval()
    teacher.load_state_dict(read_trunk(weights, blocks=blocks))
    return teacher


def _trunk(
    recipe: ProbeRecipe,
    network: PooledWhisper,
    heard: Iterable[FeatureSet],
    weights: Path,
    cache: Path,
) -> Trunk:
    """Return the encoder as it comes, pruned where the recipe says so; that is done once and kept.

    Where something lies ahead of its blocks, that says what they say, as yet.
    """
    options = network.options
    whole = Trunk(options.blocks, stride=options.stride).eval()
    whole.load_state_dict(read_trunk(weights, blocks=options.blocks))
    narrow = whole
    if options.hidden != HIDDEN:
        narrow = _pruned(recipe, options, whole, heard, cache)
    found = Trunk(
        options.blocks, stride=options.stride, hidden=options.hidden, ahead=options.ahead
    ).eval()
    ahead = {"ahead.weight": torch.eye(WIDTH), "ahead.bias": torch.zeros(WIDTH)}
    found.load_state_dict(narrow.state_dict() | (ahead if options.ahead else {}))
    return found


def _pruned(
    recipe: ProbeRecipe,
    options: PooledWhisperOptions,
    whole: Trunk,
    heard: Iterable[FeatureSet],
    cache: Path,
) -> Trunk:
    inputs: list[npt.NDArray[np.float32]] = []
    frames: list[int] = []
    for features in heard:
        count = min(_LISTENED_TO, len(features))
        for index in np.linspace(0, len(features) - 1, count).astype(int):
            window = utterance_windows(features, int(index), recipe.windowing)[-1]
            inputs.append(padded(window))
            frames.append(len(window))
    windows, lengths = torch.from_numpy(np.stack(inputs)), torch.tensor(frames)
    digest = hashlib.sha256(windows.numpy().tobytes() + lengths.numpy().tobytes())
    for name, tensor in sorted(whole.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    digest.update(f"{PRUNING_VERSION} {options.stride} {options.hidden}".encode())
    state = keep(
        cache / f"trunk-{digest.hexdigest()[:16]}.pt",
        lambda: prune(whole, windows, lengths, hidden=options.hidden).state_dict(),
    )
    pruned = Trunk(options.blocks, stride=options.stride, hidden=options.hidden)
    pruned.load_state_dict(state)
    return pruned


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
    heard = data.heard(left_out)
    experts = experts_of(
        heard,
        [
            data.discriminant(
                {each: one.speakers() for each, one in data.corpora.items() if each != name}
                | {name: left_out.get(name, ())}
            )
            for name in heard
        ],
        data.place(left_out),
    ).standardised([data.others(name, left_out) for name in heard])
    alike = Confidence(np.ones(1 + len(heard)), 0.0, 0.0)
    return Probe(experts, confidence or alike)
