"""A probe: discriminants of what an encoder says, in closed form, learnt in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from affectd.models.architectures import build
from affectd.models.discriminant import Discriminant, Matrix
from affectd.models.experts import ABSENT, Confidence, Experts, judge_from, shares
from affectd.models.labels import LABELS
from affectd.models.pooled_whisper import PooledWhisper
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.voice_space import VoiceSpace
from affectd.models.whisper_trunk import Trunk

__all__ = [
    "KINDS",
    "LinearProbe",
    "Probe",
    "columns_of",
    "empty_network",
    "kinds_of",
    "merged",
    "outputs_of",
]

KINDS: tuple[str, ...] = (*LABELS, "calm", "bored")
"""What a probe tells apart in training."""


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
            experts.scores(values),
            experts.distances(values),
            experts.absent,
            experts.voices.counts,
            self.confidence,
        )
        return merged(scores, among)

    def beliefs(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return how far each expert is believed, float64 ``(windows, experts)``."""
        return shares(self.experts.distances(values), self.confidence)

    def network(self, recipe: ProbeRecipe, trunk: Trunk, voice: Experts) -> PooledWhisper:
        """Return encoder and probe as one network with the labels of the recipe.

        Args:
            recipe: Of the probe.
            trunk: The encoder.
            voice: Experts of statistics less their voice's middle, beside the probe's own.

        Raises:
            ValueError: a corpus has more voices than the recipe allows for.
        """
        network = empty_network(recipe)
        network.trunk.load_state_dict(trunk.state_dict())
        confidence, voice_space = self.confidence, self.experts.voices
        experts, apart = self.experts.blended(confidence), voice.blended(confidence)
        kept = outputs_of(recipe.labels)
        # All statistics vary alike, for the sake of quantisation.
        centre, scale = voice_space.centre, voice_space.scale
        judge, known = experts.weights[:, kept] / scale, apart.weights[:, kept] / scale
        # Of the statistics less the centre.
        said = experts.bias + experts.weights @ centre + ABSENT * experts.absent
        state = {
            "centre": centre,
            "scale": scale,
            "voice.weight": known.reshape(-1, known.shape[2]),
            # Whatever is added falls away with the voice's middle.
            "voice.bias": np.zeros(known.shape[0] * known.shape[1]),
            "judge.weight": judge.reshape(-1, judge.shape[2]),
            "judge.bias": said[:, kept].reshape(-1),
            "axes.weight": confidence.slope * voice_space.directions,
            "voices": confidence.slope * _in_rows(voice_space, network),
            "allowance": confidence.slope * voice_space.allowance,
            "reach": confidence.slope * confidence.reach,
        }
        network.load_state_dict(
            network.state_dict()
            | {
                name: torch.from_numpy(np.asarray(value, np.float32))
                for name, value in state.items()
            }
        )
        return network.eval()


def kinds_of(labels: Sequence[str]) -> tuple[str, ...]:
    """Return what the network of a model with some labels says: these, and what is beside them."""
    return (*labels, *KINDS[len(LABELS) :])


def outputs_of(labels: Sequence[str]) -> list[int]:
    """Return the places of `kinds_of` among `KINDS`."""
    return [KINDS.index(each) for each in kinds_of(labels)]


def columns_of(among: Sequence[str], kinds: Sequence[str] = KINDS) -> tuple[tuple[int, ...], ...]:
    """Return which of some kinds count for each of some emotions.

    Calm counts as neutral where it is not among them.
    """
    neutral = [kinds.index(each) for each in ("neutral", "calm")]
    return tuple(
        tuple(neutral) if each == "neutral" and "calm" not in among else (kinds.index(each),)
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


def _in_rows(known: VoiceSpace, network: PooledWhisper) -> Matrix:
    """Return the places of each corpus's voices in as many rows as the network has for them."""
    rows = network.options.voices
    found: list[Matrix] = []
    for place, corpus in enumerate(known.corpora):
        own = known.places[known.owners == place]
        if len(own) > rows:
            raise ValueError(
                f"{corpus} has {len(own)} voices, and the network room for {rows}; "
                "raise options.voices"
            )
        # A voice that is there twice is no nearer.
        found += [own, np.repeat(own[:1], rows - len(own), axis=0)]
    return np.concatenate(found)


def empty_network(recipe: ProbeRecipe) -> PooledWhisper:
    """Return the recipe's network before anything is learnt."""
    network = build(
        recipe.architecture,
        bands=recipe.front_end.columns,
        classes=len(recipe.labels),
        options=recipe.options,
        windowing=recipe.windowing,
    )
    assert isinstance(network, PooledWhisper)
    return network
