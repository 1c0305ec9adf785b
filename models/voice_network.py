"""How the network that knows voices is trained, beside a probe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from affectd.kernels.voice_middle import VoiceMiddle
from affectd.kernels.voice_network import Member, VoiceNetwork
from affectd.models.calibration import softmax

__all__ = ["TOLD_WEIGHT", "WEIGHT", "Voices", "train_voice_network"]

Matrix = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

WEIGHT = 1.0
"""How much of what the voice changes is added to the logits; chosen on development speakers."""
TOLD_WEIGHT = 0.5
"""The same for a voice known by neutral utterances alone, which say little of its other moods."""

_HIDDEN = 192
_MEMBERS = 2
_EPOCHS = 14
_BELIEF_EPOCHS = 6
_BELIEF_PARTS = 5
_BATCH = 256
_RATE = 2e-3
_DECAY = 0.05
_DROPOUT = 0.5
_SMOOTHING = 0.1
_ACQUAINTANCES = 60
_UNKNOWN = 0.3
_PRIOR_UTTERANCES = 3.0


@dataclass(frozen=True, slots=True)
class Voices:
    """What is learnt from: vectors of many voices in many moods."""

    vectors: Matrix
    """``(n, d)``."""
    emotions: npt.NDArray[np.int64]
    voices: npt.NDArray[np.str_]
    likely: Doubles
    """How likely each is to be drawn, adding up to one, ``(n,)``."""
    neutral: int
    """Which emotion is the neutral one."""
    count: int
    """How many emotions there are."""
    columns: Sequence[Sequence[int]]
    """Which of the emotions count for each label that the model tells apart."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The label of each; -1 where its emotion counts for none, ``(n,)``."""
        label_of = np.full(self.count, -1)
        for label, own in enumerate(self.columns):
            label_of[list(own)] = label
        labels: npt.NDArray[np.int64] = label_of[self.emotions]
        return labels


def train_voice_network(voices: Voices, *, seed: int) -> VoiceNetwork:
    """Learn from vectors less shifts, each from an acquaintance with the voice drawn by chance.

    A voice is got to know by a few utterances at random, by mostly neutral ones, by three that are
    known to be neutral, or not at all, and what emotion they have is believed as a network says
    that has not heard the voice: as it will be live.

    Args:
        voices: What is learnt from.
        seed: Decides first weights and every draw.
    """
    offsets = _offsets(voices)
    beliefs = _beliefs(voices, seed)
    rng = np.random.default_rng(seed)
    shifts: dict[str, Matrix] = {}
    for voice in np.unique(voices.voices):
        own = np.flatnonzero(voices.voices == voice)
        shifts[str(voice)] = _shifts(voices, own, beliefs, offsets, rng)
    names = voices.voices

    def met(places: npt.NDArray[np.int64], chance: np.random.Generator) -> Matrix:
        known = np.stack(
            [shifts[str(name)][chance.integers(len(shifts[str(name)]))] for name in names[places]]
        )
        known[chance.random(len(places)) < _UNKNOWN] = 0
        apart: Matrix = voices.vectors[places] - known
        return apart

    everyone = np.arange(len(voices.vectors))
    members = tuple(
        _train(voices, everyone, met, epochs=_EPOCHS, seed=100 * seed + number)
        for number in range(_MEMBERS)
    )
    return _network(voices, members, offsets)


def _network(voices: Voices, members: Sequence[Member], offsets: Doubles) -> VoiceNetwork:
    return VoiceNetwork(
        members=tuple(members),
        offsets=offsets,
        columns=tuple(tuple(own) for own in voices.columns),
        prior_utterances=_PRIOR_UTTERANCES,
        weight=WEIGHT,
        told_weight=TOLD_WEIGHT,
    )


def _offsets(voices: Voices) -> Doubles:
    """Return what each label adds to the middle of a voice, the mean over voices."""
    sums = np.zeros((len(voices.columns), voices.vectors.shape[1]))
    counts = np.zeros((len(voices.columns), 1))
    labels = voices.labels
    for voice in np.unique(voices.voices):
        own = (voices.voices == voice) & (labels >= 0)
        means = {
            int(kind): voices.vectors[own & (labels == kind)].mean(axis=0)
            for kind in np.unique(labels[own])
        }
        if not means:
            continue
        middle = np.mean(list(means.values()), axis=0)
        for kind, mean in means.items():
            sums[kind] += mean - middle
            counts[kind] += 1
    # As an artefact keeps it.
    found: Doubles = (sums / np.maximum(counts, 1)).astype(np.float16).astype(np.float64)
    return found


def _beliefs(voices: Voices, seed: int) -> Doubles:
    """Return posteriors of each vector by a network that has not heard its voice."""
    names = np.random.default_rng(seed).permutation(np.unique(voices.voices))
    count = len(voices.columns)
    found = np.full((len(voices.vectors), count), 1 / count)
    for part in range(min(_BELIEF_PARTS, len(names))):
        apart = np.isin(voices.voices, names[part::_BELIEF_PARTS])
        if apart.all():
            break  # with one voice there is nobody to learn from
        member = _train(
            voices,
            np.flatnonzero(~apart),
            lambda places, _: voices.vectors[places],
            epochs=_BELIEF_EPOCHS,
            seed=seed + part,
        )
        alone = _network(voices, [member], np.zeros((count, voices.vectors.shape[1])))
        found[apart] = softmax(alone.scores(voices.vectors[apart]))
    return found


def _shifts(
    voices: Voices,
    own: npt.NDArray[np.int64],
    beliefs: Doubles,
    offsets: Doubles,
    rng: np.random.Generator,
) -> Matrix:
    """Return the shifts of one voice after many acquaintances, ``(acquaintances, d)``."""
    neutral = own[voices.emotions[own] == voices.neutral]
    others = own[voices.emotions[own] != voices.neutral]
    told = next(label for label, kinds in enumerate(voices.columns) if voices.neutral in kinds)
    found: list[Doubles] = []
    for number in range(_ACQUAINTANCES):
        kind = number % 6
        known = kind == 5 and neutral.size > 0
        if known:
            heard = rng.permutation(neutral)[:3]
        elif kind == 4:
            heard = np.concatenate((rng.permutation(neutral)[:16], rng.permutation(others)[:4]))
        else:
            count = int(rng.integers(1, 30)) if kind == 3 else (5, 10, 20)[kind % 3]
            heard = rng.permutation(own)[: min(count, max(1, len(own) // 2))]
        middle = VoiceMiddle.unknown(offsets, prior_utterances=_PRIOR_UTTERANCES)
        for place in heard:
            if known:
                middle.hear_told(voices.vectors[place], told)
            else:
                middle.hear(voices.vectors[place], beliefs[place])
        found.append(middle.shift)
    return np.array(found, np.float32)


def _train(
    voices: Voices,
    places: npt.NDArray[np.int64],
    vectors_of: Callable[[npt.NDArray[np.int64], np.random.Generator], Matrix],
    *,
    epochs: int,
    seed: int,
) -> Member:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    widen = nn.Linear(voices.vectors.shape[1], _HIDDEN)
    classify = nn.Linear(_HIDDEN, voices.count)
    network = nn.Sequential(nn.Dropout(_DROPOUT), widen, nn.ReLU(), nn.Dropout(_DROPOUT), classify)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    steps = max(epochs * len(places) // 2 // _BATCH, 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    likely = voices.likely[places] / voices.likely[places].sum()
    emotions = torch.from_numpy(voices.emotions)
    for drawn in rng.choice(places, (steps, _BATCH), p=likely):
        heard = torch.from_numpy(np.ascontiguousarray(vectors_of(drawn, rng), np.float32))
        loss = nn.functional.cross_entropy(
            network(heard), emotions[drawn], label_smoothing=_SMOOTHING
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
        schedule.step()
    return Member(*(_half(array) for layer in (widen, classify) for array in layer.parameters()))


def _half(parameter: torch.Tensor) -> Matrix:
    """Return a layer's weights as an artefact keeps them: of float16."""
    array: Matrix = parameter.detach().numpy().astype(np.float16).astype(np.float32)
    return array
