"""A probe's recipe on trial: models that leave out voices or whole corpora, scored on those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from affectd.models.confidence import Belief, Trial, fit_belief
from affectd.models.labels import LABELS
from affectd.models.probe import (
    CorpusMaterial,
    Probe,
    ProbeData,
    Scores,
    Without,
    columns_of,
    train_probe,
)

__all__ = ["Trials", "believing", "hold_trials", "shipped_labels"]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A model's scores on speech of a corpus that it has not heard."""

    place: int | None
    """Of its fold; `None` where it has heard nothing of the corpus."""
    corpus: str
    probe: Probe
    scores: Scores
    share: float
    """Of the corpus's weight."""


@dataclass(frozen=True, slots=True)
class Trials:
    """Models of a recipe, and whom they have not heard."""

    data: ProbeData
    folds: tuple[tuple[Without, Probe], ...]
    """Test speakers by corpus, and the model that has not heard them."""
    unseen: Mapping[str, Probe]
    """For each corpus the model that has heard nothing of it."""
    attempts: tuple[_Attempt, ...]

    def belief(self, *, but_fold: int | None = None, but_corpus: str | None = None) -> Belief:
        """Return the belief that fits the trials best, each corpus and each way counting the same.

        Args:
            but_fold: Without the test speakers of this fold, for its own model.
            but_corpus: Without any clip of this corpus, for the model that has not heard it.
        """
        silent = self.folds[but_fold][0] if but_fold is not None else {}
        found: list[Trial] = []
        for one in self.attempts:
            if one.corpus == but_corpus or (one.place is not None and one.place == but_fold):
                continue
            among = shipped_labels(self.data.corpora[one.corpus])
            left_out = silent.get(one.corpus, ())
            heard = np.array([clip.speaker not in left_out for clip in one.scores.clips])
            if heard.any():
                found.append(_trial_of(one, heard, among))
        return fit_belief(found)

    def fold(self, place: int) -> tuple[Without, Probe]:
        """Return a fold's speakers, and its model with a belief that knows nothing of them."""
        without, probe = self.folds[place]
        return without, believing(probe, self.belief(but_fold=place))

    def stranger(self, corpus: str) -> Probe:
        """Return the model that has heard nothing of a corpus, with a belief of the others."""
        return believing(self.unseen[corpus], self.belief(but_corpus=corpus))


def believing(probe: Probe, belief: Belief) -> Probe:
    """Return a probe with another belief."""
    return replace(probe, confidence=belief.of(probe.experts.corpora))


def _trial_of(attempt: _Attempt, heard: npt.NDArray[np.bool_], among: tuple[str, ...]) -> Trial:
    scores, experts = attempt.scores, attempt.probe.experts
    return Trial(
        corpus=attempt.corpus,
        corpora=experts.corpora,
        parts=scores.parts[heard],
        likeness=scores.likeness[heard],
        absent=np.asarray(experts.absent),
        truth=scores.truth[heard],
        columns=columns_of(among),
        weight=attempt.share,
    )


def hold_trials(data: ProbeData) -> Trials:
    """Train a model for each of the data's folds, and one without each corpus, and score them."""
    speakers = {name: one.speakers() for name, one in data.corpora.items()}
    tests = data.folds
    trained = tuple((test, train_probe(data.unlearnt(test), without=test)) for test in tests)
    unseen: dict[str, Probe] = {}
    if len(data.corpora) > 1:
        unseen = {
            name: train_probe(data.unlearnt({name: who}), without={name: who})
            for name, who in speakers.items()
        }

    def attempt(place: int | None, corpus: str, probe: Probe, who: Iterable[str]) -> _Attempt:
        count = 1 if place is None else sum(corpus in test for test in tests)
        among = shipped_labels(data.corpora[corpus])
        heard = data.unlearnt(tests[place] if place is not None else {corpus: speakers[corpus]})
        scores = heard.score(probe, corpus, among=among, speakers=who)
        return _Attempt(place, corpus, probe, scores, 1 / count)

    attempts = [
        attempt(place, corpus, probe, who)
        for place, (test, probe) in enumerate(trained)
        for corpus, who in test.items()
    ]
    attempts += [attempt(None, corpus, probe, speakers[corpus]) for corpus, probe in unseen.items()]
    return Trials(data, trained, unseen, tuple(attempts))


def shipped_labels(one: CorpusMaterial) -> tuple[str, ...]:
    """Return those classes of the shipped models that a corpus has."""
    own = {clip.label for clip in one.features.clips}
    return tuple(label for label in LABELS if label in own)
