"""A probe's recipe on trial: models that leave out voices or whole corpora, scored on those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from affectd.models.confidence import Trial, fit_confidence
from affectd.models.experts import Confidence
from affectd.models.folds import Without
from affectd.models.probe import Probe, columns_of
from affectd.models.probe_data import ProbeData, Scores, train_probe
from affectd.models.trial_data import HeldOut, TrialData

__all__ = ["Held", "Trials", "hold_trials", "spoken_labels"]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A model's scores on speech of a corpus that it has not heard."""

    place: int | None
    """Of its fold; `None` where it has heard nothing of the corpus."""
    corpus: str
    probe: Probe
    among: tuple[str, ...]
    """The classes that are guessed among."""
    scores: Scores
    share: float
    """Of the corpus's weight."""


@dataclass(frozen=True, slots=True)
class Held:
    """A model on trial, and whom neither it nor its encoder has heard."""

    without: Without
    data: ProbeData
    """The corpora as its encoder hears them."""
    probe: Probe


@dataclass(frozen=True, slots=True)
class Trials:
    """Models of a recipe, and whom they have not heard."""

    folds: tuple[Held, ...]
    unseen: Mapping[str, Held]
    """For each corpus the model that has heard nothing of it."""
    foreign: Held | None
    """The model that has heard all of the recipe's corpora, as it is shipped, for others. No
    confidence is fitted on these."""
    attempts: tuple[_Attempt, ...]

    def confidence(
        self, *, but_fold: int | None = None, but_corpus: str | None = None
    ) -> Confidence:
        """Return what fits the trials best, each corpus and each way counting the same.

        Args:
            but_fold: Without the test speakers of this fold, for its own model.
            but_corpus: Without any clip of this corpus, for the model that has not heard it.
        """
        silent = self.folds[but_fold].without if but_fold is not None else {}
        found: list[Trial] = []
        for one in self.attempts:
            if one.corpus == but_corpus or (one.place is not None and one.place == but_fold):
                continue
            left_out = silent.get(one.corpus, ())
            heard = np.array([clip.speaker not in left_out for clip in one.scores.clips])
            if heard.any():
                found.append(_trial_of(one, heard))
        return fit_confidence(found)

    def fold(self, place: int) -> Held:
        """Return a fold's model, its confidence fitted without the fold's speakers."""
        return _believing(self.folds[place], self.confidence(but_fold=place))

    def stranger(self, corpus: str) -> Held:
        """Return the model that has heard nothing of a corpus, its confidence fitted on others.

        Raises:
            ValueError: there is none.
        """
        held = self.unseen.get(corpus, self.foreign)
        if held is None or corpus not in held.without:
            raise ValueError(f"no model on trial has left out all of {corpus}")
        return _believing(held, self.confidence(but_corpus=corpus))


def _believing(held: Held, confidence: Confidence) -> Held:
    return replace(held, probe=replace(held.probe, confidence=confidence))


def _trial_of(attempt: _Attempt, heard: npt.NDArray[np.bool_]) -> Trial:
    scores, experts = attempt.scores, attempt.probe.experts
    return Trial(
        corpus=attempt.corpus,
        corpora=experts.corpora,
        parts=scores.parts[heard],
        distances=scores.distances[heard],
        absent=np.asarray(experts.absent),
        voices=experts.voices.counts,
        truth=scores.truth[heard],
        columns=columns_of(attempt.among),
        weight=attempt.share,
    )


def hold_trials(data: TrialData) -> Trials:
    """Train a model for each fold, and one without each corpus, and score them."""

    def held(one: HeldOut) -> Held:
        return Held(one.without, one.data, train_probe(one.data, without=one.without))

    trained = tuple(held(fold) for fold in data.folds)
    unseen = {name: held(one) for name, one in data.strangers.items()}
    foreign = held(data.foreign()) if data.foreign else None

    def attempt(place: int | None, corpus: str, model: Held) -> _Attempt:
        count = 1 if place is None else sum(corpus in fold.without for fold in data.folds)
        among = spoken_labels(model.data, corpus)
        speakers = model.without[corpus]
        scores = model.data.score(model.probe, corpus, among=among, speakers=speakers)
        return _Attempt(place, corpus, model.probe, among, scores, 1 / count)

    attempts = [
        attempt(place, corpus, model)
        for place, model in enumerate(trained)
        for corpus in model.without
    ]
    attempts += [attempt(None, corpus, model) for corpus, model in unseen.items()]
    return Trials(trained, unseen, foreign, tuple(attempts))


def spoken_labels(data: ProbeData, corpus: str) -> tuple[str, ...]:
    """Return those of the recipe's labels that a corpus has."""
    own = {clip.label for clip in data.corpora[corpus].features.clips}
    return tuple(label for label in data.recipe.labels if label in own)
