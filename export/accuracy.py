"""What quantisation costs on labelled speech, and the temperature fitted again after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from affectd.models.calibration import fit_temperature
from affectd.models.clips import Clip
from affectd.models.features import FeatureSet
from affectd.models.labels import label_index
from affectd.models.metrics import Confusion
from affectd.models.scoring import Scorer, confusion, score_utterances
from affectd.models.windowing import Windowing

__all__ = ["Accuracy", "measure_accuracy", "temperature_of"]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How a graph does on speakers that the model has not heard."""

    labels: tuple[str, ...]
    by_corpus: Mapping[str, Confusion]

    @property
    def total(self) -> Confusion:
        """The guesses on all corpora."""
        first, *others = self.by_corpus.values()
        return sum(others, first)

    @property
    def uar(self) -> float:
        """UAR over all clips, percent."""
        return 100 * self.total.uar


def measure_accuracy(
    scorer: Scorer, features: FeatureSet, *, windowing: Windowing, labels: Sequence[str]
) -> Accuracy:
    """Score clips as the engine does an utterance.

    Args:
        scorer: Runs the graph.
        features: The clips; those with a label that the model has not are left out.
        windowing: How the model's windows are cut.
        labels: The model's outputs.

    Raises:
        ValueError: no clip has one of the labels.
    """
    known = _labelled(features, labels)
    logits = score_utterances(scorer, known, windowing)
    by_corpus: dict[str, Confusion] = {}
    for corpus in sorted({clip.corpus for clip in known.clips}):
        inside = np.array([clip.corpus == corpus for clip in known.clips])
        by_corpus[corpus] = confusion(logits[inside], known.of_corpus(corpus), labels)
    return Accuracy(tuple(labels), by_corpus)


def temperature_of(
    scorer: Scorer, features: FeatureSet, *, windowing: Windowing, labels: Sequence[str]
) -> float:
    """Return the temperature that fits a graph's probabilities on labelled clips best."""
    known = _labelled(features, labels)
    truth = np.array([label_index(str(clip.label), labels) for clip in known.clips])
    return fit_temperature(score_utterances(scorer, known, windowing), truth)


def _labelled(features: FeatureSet, labels: Sequence[str]) -> FeatureSet:
    """Return the clips that a model can name, labelled with its own words."""
    clips = tuple(replace(clip, label=_label(clip, labels)) for clip in features.clips)
    return replace(features, clips=clips).select(lambda clip: clip.label is not None)


def _label(clip: Clip, labels: Sequence[str]) -> str | None:
    emotions = ("calm" if clip.native == "calm" else clip.label, clip.label)
    words = (*emotions, *(f"{clip.sex} {emotion}" for emotion in emotions))
    return next((word for word in words if word in labels), None)
