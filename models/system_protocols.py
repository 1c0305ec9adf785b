"""Evaluates a paper's system under the paper's own protocol, and on speakers never heard."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affectd.models.checkpoint import Checkpoint, Heard
from affectd.models.corpora import CorpusError, corpus_named
from affectd.models.division import Division, divide, divide_by_speakers, relabelled
from affectd.models.evaluation import Evaluation, EvaluationError, Scored
from affectd.models.features import FeatureSet
from affectd.models.folds import folds
from affectd.models.material import Progress, features_of
from affectd.models.system_inputs import Inputs
from affectd.models.system_network import fresh_model
from affectd.models.system_training import check_same_run, fit_system, score
from affectd.models.systems import System
from affectd.models.training import BEST, RunObserver

__all__ = ["Place", "evaluate_system_folds", "evaluate_system_paper", "run_folder", "train_system"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run finds and leaves things, and who is told."""

    corpora: Path
    cache: Path
    runs: Path
    seed: int = 1
    weights: Path | None = None
    """The folder of foreign weights."""
    progress: Progress | None = None
    observer: RunObserver | None = None
    say: Callable[[str], None] = lambda _: None
    """Told what a person should know: incomplete corpora, clips that are left out."""


def train_system(system: System, place: Place, folder: Path) -> Checkpoint:
    """Train a system on the paper's split, or go on with it, in a folder.

    Raises:
        CheckpointError: the folder holds another run.
        CorpusError: none of its corpora can be used.
        WeightsError: the foreign weights are missing or of another kind.
    """
    if system.pretrained and not (folder / BEST).exists():
        # Said before minutes are spent on the corpora.
        fresh_model(system, place.weights)
    features = _features(system, place)
    division = divide(features.clips, system.split)
    return _fitted(system, features, division, place, folder)


def evaluate_system_paper(system: System, place: Place, *, command: str) -> Evaluation:
    """Score a system on its paper's test part; it is trained where that has not been done yet.

    Raises:
        EvaluationError: there are too few clips for such a part.
    """
    features = _features(system, place)
    division = divide(features.clips, system.split)
    if not division.test.size:
        raise EvaluationError(f"{system.name}: of {len(features)} clips none is left to test on")
    if place.observer is not None:
        place.observer.run_started(f"{system.name} on {' + '.join(system.corpora)}")
    folder = run_folder(system, place, "paper")
    checkpoint = _fitted(system, features, division, place, folder)
    scored = _scored(checkpoint, features, division)
    return Evaluation.of(
        [scored],
        model=system.name,
        checkpoint_sha256=_sha256(folder),
        corpus=" + ".join(system.corpora),
        protocol="paper",
        heard_corpus=True,
        command=command,
        trained_on=sorted(system.corpora),
        epochs=checkpoint.epoch,
    )


def evaluate_system_folds(
    system: System, place: Place, *, corpus: str, command: str, most: int = 0
) -> Evaluation:
    """Score a system on each published fold with a model that has not heard its speakers.

    The development part, where the paper has one, is drawn from the speakers that are heard.

    Args:
        system: What is scored; it is trained where that has not been done yet.
        place: Where things are.
        corpus: Whose folds.
        command: What gives the figures again.
        most: Only so many folds, the first ones; all of them where it is 0.

    Raises:
        EvaluationError: the system does not learn from that corpus.
    """
    if corpus not in system.corpora:
        raise EvaluationError(
            f"{system.name} learns from {', '.join(system.corpora)}, and not from {corpus}, whose "
            f"folds are asked for; --train-on {corpus} trains it on that"
        )
    features = _features(system, place)
    own = [clip.speaker for clip in features.clips if clip.corpus == corpus]
    scored: list[Scored] = []
    published = folds(corpus, own)
    epochs = 0
    for fold in published[: most or None]:
        division = divide_by_speakers(
            features.clips,
            corpus=corpus,
            test=fold.test,
            development=system.split.development,
            seed=system.split.seed,
        )
        if place.observer is not None:
            place.observer.run_started(f"{system.name} fold {fold.index}/{len(published)}")
        folder = run_folder(system, place, f"{corpus}-fold-{fold.index}")
        checkpoint = _fitted(system, features, division, place, folder)
        epochs = max(epochs, checkpoint.epoch)
        scored.append(_scored(checkpoint, features, division))
    return Evaluation.of(
        scored,
        model=system.name,
        checkpoint_sha256=None,
        corpus=corpus,
        protocol="folds",
        heard_corpus=True,
        command=command,
        trained_on=sorted(system.corpora),
        epochs=epochs,
    )


def run_folder(system: System, place: Place, part: str) -> Path:
    """Return where a run of this very system, seed and part is kept."""
    return place.runs / f"{system.name}-{system.digest[:8]}-seed-{place.seed}-{part}"


def _features(system: System, place: Place) -> FeatureSet:
    features, notes = features_of(
        system.corpora,
        corpora=place.corpora,
        cache=place.cache,
        front_end=system.front_end,
        progress=place.progress,
    )
    for note in notes:
        place.say(note)
    chosen = relabelled(features, system)
    if not len(chosen):
        raise CorpusError(f"{system.name}: no clip has one of {', '.join(system.emotions)}")
    return chosen


def _fitted(
    system: System, features: FeatureSet, division: Division, place: Place, folder: Path
) -> Checkpoint:
    if not division.train.size:
        raise CorpusError(f"{system.name}: no clip is left to train on")
    learnt = [features.clips[i] for i in (*division.train, *division.development)]
    heard = tuple(
        Heard(
            corpus=name,
            licence=corpus_named(name).licence,
            clips=sum(features.clips[i].corpus == name for i in division.train),
            speakers=tuple(sorted({clip.speaker for clip in learnt if clip.corpus == name})),
        )
        for name in system.corpora
    )
    if (folder / BEST).exists():
        found = Checkpoint.load(folder / BEST)
        check_same_run(found, system, seed=place.seed, heard=heard)
        return found
    return fit_system(
        system,
        features=features,
        division=division,
        folder=folder,
        seed=place.seed,
        heard=heard,
        observer=place.observer,
        weights=place.weights,
    )


def _scored(checkpoint: Checkpoint, features: FeatureSet, division: Division) -> Scored:
    system = checkpoint.recipe
    assert isinstance(system, System)
    model = checkpoint.model()
    test = _part(features, division.test) if system.speaker_normalisation == "none" else features
    inputs = Inputs(test, system, model)
    places = np.arange(len(division.test)) if test is not features else division.test
    logits = score(system, model, inputs, places)
    return Scored(logits, _part(features, division.test), checkpoint.labels, 1.0)


def _part(features: FeatureSet, places: np.ndarray) -> FeatureSet:
    return FeatureSet(
        tuple(features.clips[i] for i in places),
        features.frames,
        features.starts[places],
        features.lengths[places],
        features.speech[places],
        features.unreadable,
    )


def _sha256(folder: Path) -> str:
    return hashlib.sha256((folder / BEST).read_bytes()).hexdigest()
