"""Experts taught with speech less its voice's middle, and what the engine needs to use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affectd.kernels.voice_experts import VoiceExperts
from affectd.models.experts import ABSENT, Experts, blended, experts_of
from affectd.models.folds import Without
from affectd.models.labels import LABELS
from affectd.models.probe import KINDS, Probe, columns_of, kinds_of, outputs_of
from affectd.models.probe_data import ProbeData, emotion_of
from affectd.models.trials import Trials

__all__ = [
    "PRIOR_UTTERANCES",
    "VoiceSheet",
    "VoiceTrials",
    "hold_voice_trials",
    "train_voice_experts",
    "vectors_of",
]

Doubles = npt.NDArray[np.float64]

PRIOR_UTTERANCES = 2.0
"""See `affectd.kernels.voice_experts.VoiceExperts`; chosen on development speakers."""


@dataclass(frozen=True, slots=True)
class VoiceSheet:
    """How some voices were heard by experts that had not heard them: the mean of each clip."""

    corpora: tuple[str, ...]
    """Whose experts spoke, after the mean of all."""
    scores: Doubles
    """``(clips, experts, kinds)``."""
    labels: npt.NDArray[np.int64]
    """Places in `LABELS`; -1 where a clip has none of them."""
    voices: npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class VoiceTrials:
    """Experts of each shared fold."""

    experts: tuple[Experts, ...]
    """Their scores are of vectors less their voice's middle."""
    sheets: tuple[VoiceSheet, ...]
    """Of each fold's test speakers."""

    def offsets(self, corpora: Sequence[str], *, but_fold: int | None = None) -> Doubles:
        """Return what each label adds to a voice's middle, ``(labels, experts * kinds)``.

        Args:
            corpora: Whose experts, after the mean of all.
            but_fold: Without the test speakers of this fold, for its own model.
        """
        sums = np.zeros((len(LABELS), (1 + len(corpora)) * len(KINDS)))
        counts = np.zeros((len(LABELS), 1))
        for place, sheet in enumerate(self.sheets):
            if place == but_fold or not set(corpora) <= set(sheet.corpora):
                continue
            chosen = [0, *(1 + sheet.corpora.index(name) for name in corpora)]
            scores = sheet.scores[:, chosen].reshape(len(sheet.scores), -1)
            for voice in np.unique(sheet.voices):
                own = (sheet.voices == voice) & (sheet.labels >= 0)
                means = {
                    label: scores[own & (sheet.labels == label)].mean(axis=0)
                    for label in np.unique(sheet.labels[own])
                }
                for label, mean in means.items():
                    sums[label] += mean - np.mean(list(means.values()), axis=0)
                    counts[label] += 1
        found: Doubles = sums / np.maximum(counts, 1)
        return found

    def live(
        self,
        experts: Experts,
        probe: Probe,
        *,
        labels: Sequence[str],
        but_fold: int | None = None,
    ) -> VoiceExperts:
        """Return what the engine needs to use experts.

        Args:
            experts: Of this, or trained on all.
            probe: The model that they stand beside.
            labels: Of that model.
            but_fold: As for `offsets`.
        """
        absent, voices = experts.absent, experts.voices.counts
        offsets = self.offsets(experts.corpora, but_fold=but_fold)
        each = offsets.reshape(len(offsets), *absent.shape)
        heard = blended(each, absent, voices, probe.confidence)
        bias = blended(experts.bias, absent, voices, probe.confidence)
        kept, rows = outputs_of(labels), [LABELS.index(label) for label in labels]
        return VoiceExperts(
            offsets=_half(heard[rows][:, :, kept].reshape(len(rows), -1)),
            constants=_half(np.where(absent, ABSENT, bias)[:, kept]),
            columns=columns_of(labels, kinds_of(labels)),
            prior_utterances=PRIOR_UTTERANCES,
        )


def train_voice_experts(
    data: ProbeData, probe: Probe, *, without: Without | None = None
) -> Experts:
    """Return experts of statistics less their voice's middle, one of each corpus, and their mean.

    Args:
        data: What is learnt from.
        probe: The model that they will stand beside, of the same speakers.
        without: Speakers by corpus who are not heard.
    """
    left_out = {name: tuple(speakers) for name, speakers in (without or {}).items()}
    corpora = probe.experts.corpora
    others = [data.others(name, left_out) for name in corpora]
    discriminants = data.discriminants_within_voices(left_out)
    return experts_of(
        corpora,
        [discriminants[name] for name in corpora],
        probe.experts.voices,
    ).standardised([values - values.mean(axis=0) for values in others])


def vectors_of(
    experts: Experts, probe: Probe, values: npt.NDArray[np.float32], *, labels: Sequence[str]
) -> Doubles:
    """Return the vectors that the exported network gives of windows, ``(windows, d)``.

    Args:
        experts: Of statistics less their voice's middle.
        probe: The model that they stand beside.
        values: Statistics of the windows.
        labels: Of that model.
    """
    said = experts.blended(probe.confidence).weights[:, outputs_of(labels)]
    flat = said.reshape(-1, said.shape[2])
    scores = (values - probe.experts.voices.centre) @ flat.T
    return np.concatenate([scores, probe.beliefs(values)], axis=1)


def hold_voice_trials(trials: Trials) -> VoiceTrials:
    """Train experts for each fold, and let them hear its test speakers."""
    found: list[Experts] = []
    sheets: list[VoiceSheet] = []
    for held in trials.folds:
        experts = train_voice_experts(held.data, held.probe, without=held.without)
        found.append(experts)
        sheets.append(_sheet(held.data, experts, held.without))
    return VoiceTrials(tuple(found), tuple(sheets))


def _sheet(data: ProbeData, experts: Experts, heard: Without) -> VoiceSheet:
    scores: list[Doubles] = []
    labels: list[int] = []
    voices: list[str] = []
    for name, speakers in heard.items():
        one, wanted = data.corpora[name], set(speakers)
        clips = one.features.clips
        chosen = np.array([clip.speaker in wanted for clip in clips])
        there = chosen[one.clean.owners]
        said = experts.scores(one.clean.values[there]) * one.clean.shares[there][:, None, None]
        sums = np.zeros((len(clips), *said.shape[1:]))
        np.add.at(sums, one.clean.owners[there], said)
        scores.append(sums[chosen])
        for place in np.flatnonzero(chosen):
            label = emotion_of(clips[place], LABELS)
            labels.append(LABELS.index(label) if label else -1)
            voices.append(f"{name} {clips[place].speaker}")
    return VoiceSheet(experts.corpora, np.concatenate(scores), np.array(labels), np.array(voices))


def _half(array: Doubles) -> Doubles:
    """Return numbers as an artefact keeps them: of float16."""
    return array.astype(np.float16).astype(np.float64)
