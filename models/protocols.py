"""Two ways to evaluate: one model on speakers it never heard, or a model per published fold."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from affectd.models.checkpoint import Checkpoint
from affectd.models.evaluation import Evaluation, EvaluationError, Scored
from affectd.models.features import FeatureSet
from affectd.models.folds import Fold, folds, voice_of
from affectd.models.material import Progress, features_of, gather
from affectd.models.recipes import Recipe
from affectd.models.scoring import score_utterances, torch_scorer
from affectd.models.subject import Subject
from affectd.models.training import BEST, RunObserver, Trainer, train

__all__ = ["evaluate_folds", "evaluate_held_out"]


def evaluate_held_out(
    subject: Subject,
    *,
    corpus: str,
    corpora: Path,
    cache: Path,
    command: str,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a model on the speakers of a corpus that it has not heard.

    Clips of emotions that it does not know are left out.

    Args:
        subject: The model; it says whom it has heard.
        corpus: The corpus's name.
        corpora: The folder of the corpora.
        cache: The folder of the feature cache.
        command: Kept in the result.
        progress: Told how far the features are.

    Raises:
        CorpusError: the corpus cannot be used.
        EvaluationError: the model has heard all of its speakers, or knows none of its emotions.
    """
    everyone, _ = features_of(
        [corpus],
        corpora=corpora,
        cache=cache,
        front_end=subject.windowing.front_end,
        progress=progress,
    )
    heard = {
        speaker
        for name, speakers in subject.heard.items()
        for speaker in speakers
        if voice_of(name, speaker) == voice_of(corpus, speaker)
    }
    known = everyone.select(lambda clip: clip.label in subject.labels)
    if not len(known):
        raise EvaluationError(
            f"{subject.name} knows no emotion of {corpus}: it knows {', '.join(subject.labels)}"
        )
    unheard = known.select(lambda clip: clip.speaker not in heard)
    if not len(unheard):
        raise EvaluationError(
            f"{subject.name} has heard every speaker of {corpus} ({', '.join(sorted(heard))}): "
            "nothing is held out; --protocol folds trains models that have not"
        )
    logits = score_utterances(subject.scorer, unheard, subject.windowing)
    return Evaluation.of(
        [Scored(logits, unheard, subject.labels, subject.temperature)],
        model=subject.name,
        checkpoint_sha256=subject.checkpoint_sha256,
        corpus=corpus,
        protocol="held-out",
        heard_corpus=corpus in subject.heard,
        command=command,
        trained_on=sorted(subject.heard),
    )


def evaluate_folds(
    recipe: Recipe,
    *,
    corpus: str,
    corpora: Path,
    cache: Path,
    runs: Path,
    seed: int,
    command: str,
    progress: Progress | None = None,
    observer: RunObserver | None = None,
) -> Evaluation:
    """Score, on each published fold, a model of this recipe that has not heard its speakers.

    Each fold's model hears every other speaker of every corpus of the recipe, and is the last one
    of its run: nothing is chosen on any speaker, and its probabilities are not calibrated.

    Args:
        recipe: How the models are trained.
        corpus: The corpus's name; it need not be one of the recipe's.
        corpora: The folder of the corpora.
        cache: The folder of the feature cache.
        runs: Where the folds' models are kept. Those that are there are not trained again, and an
            interrupted one goes on.
        seed: Of every run.
        command: Kept in the result.
        progress: Told how far the features are.
        observer: Told how far the training is.

    Raises:
        CorpusError: a corpus cannot be used.
        ValueError: the corpus has no published folds, or the recipe has a teacher.
    """
    if recipe.teacher is not None:
        raise ValueError(
            f"recipe {recipe.name} has a teacher, who has heard speakers that the folds test; "
            "--protocol held-out scores its trained model on speakers that both have not heard"
        )
    everyone, _ = features_of(
        [corpus], corpora=corpora, cache=cache, front_end=recipe.front_end, progress=progress
    )
    published = folds(corpus, (clip.speaker for clip in everyone.clips))
    # A corpus that the recipe does not hear needs one model for all its folds.
    heard_corpus = corpus in recipe.corpora
    scored: list[Scored] = []
    for fold in published:
        test = everyone.of_speakers(corpus, fold.test)
        folder = runs / _run_name(recipe, seed, fold if heard_corpus else None)
        if observer is not None:
            observer.run_started(f"{corpus} fold {fold.index}/{len(published)}")
        checkpoint = _fold_model(recipe, fold, folder, corpora, cache, seed, progress, observer)
        scored.append(_score(checkpoint, test, fold))
    return Evaluation.of(
        scored,
        model=recipe.name,
        checkpoint_sha256=None,
        corpus=corpus,
        protocol="folds",
        heard_corpus=heard_corpus,
        command=command,
        trained_on=sorted(recipe.corpora),
        epochs=recipe.optimiser.epochs,
    )


def _run_name(recipe: Recipe, seed: int, fold: Fold | None) -> str:
    told = json.dumps([recipe.to_dict(), seed], sort_keys=True)
    place = f"{fold.corpus}-fold-{fold.index}" if fold else "whole"
    return f"{recipe.name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}-{place}"


def _fold_model(
    recipe: Recipe,
    fold: Fold,
    folder: Path,
    corpora: Path,
    cache: Path,
    seed: int,
    progress: Progress | None,
    observer: RunObserver | None,
) -> Checkpoint:
    finished = folder / BEST
    if finished.exists():
        checkpoint = Checkpoint.load(finished)
        if checkpoint.epoch >= recipe.optimiser.epochs:
            return checkpoint

    def part(corpus: str, speaker: str) -> str:
        return "test" if fold.tests(corpus, speaker) else "train"

    material = gather(recipe, part=part, corpora=corpora, cache=cache, progress=progress)
    trainer = Trainer(
        recipe, features=material.train, noise=material.noise, seed=seed, heard=material.heard
    )
    return train(trainer, folder=folder, observer=observer)


def _score(checkpoint: Checkpoint, test: FeatureSet, fold: Fold) -> Scored:
    for heard in checkpoint.heard:
        if both := [one for one in heard.speakers if fold.tests(heard.corpus, one)]:
            raise EvaluationError(f"the model of {fold.corpus} fold {fold.index} heard {both[0]}")
    scorer = torch_scorer(checkpoint.model())
    logits = score_utterances(scorer, test, checkpoint.recipe.windowing)
    return Scored(logits, test, checkpoint.labels, checkpoint.temperature)
