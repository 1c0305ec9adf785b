"""Trains a probe on every speaker, with the temperature of corpora that were left out whole."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from affectd.models.calibration import fit_temperature
from affectd.models.checkpoint import Checkpoint, Heard
from affectd.models.corpora import corpus_named
from affectd.models.labels import LABELS
from affectd.models.material import Progress
from affectd.models.probe import ProbeData, Scores, gather_probe_data, train_probe
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.training import BEST
from affectd.models.whisper_trunk import WeightsError

__all__ = ["fit_and_save", "temperature_of", "unseen_scores"]


def fit_and_save(
    recipe: ProbeRecipe,
    folder: Path,
    *,
    corpora: Path,
    cache: Path,
    weights: Path | None,
    seed: int,
    progress: Progress | None = None,
) -> Checkpoint:
    """Train a probe on every speaker of every corpus and keep it in a folder.

    Args:
        recipe: What to train.
        folder: Where ``best.pt`` goes.
        corpora: The folder of the corpora.
        cache: The folder of features and statistics.
        weights: The folder of the encoder's weights.
        seed: Of the disturbed windows.
        progress: Told how far it is.

    Raises:
        CorpusError: a corpus cannot be used.
        WeightsError: the encoder's weights are not there.
    """
    if weights is None:
        raise WeightsError(f"{recipe.name} needs weights: {recipe.needs_weights}")
    data = gather_probe_data(
        recipe, corpora=corpora, cache=cache, weights=weights, seed=seed, progress=progress
    )
    network = train_probe(data, seed=seed).network(recipe, weights)
    state = {name: value.detach().clone() for name, value in network.state_dict().items()}
    checkpoint = Checkpoint(
        recipe=recipe,
        labels=LABELS,
        seed=seed,
        epoch=1,
        step=0,
        weights=state,
        averaged=state,
        optimiser={},
        random_state=torch.get_rng_state(),
        heard=tuple(
            Heard(
                corpus=name,
                licence=corpus_named(name).licence,
                clips=sum(clip.label in LABELS for clip in one.features.clips),
                speakers=one.speakers(),
            )
            for name, one in data.corpora.items()
        ),
        temperature=temperature_of(unseen_scores(data, seed=seed).values()),
    )
    checkpoint.save(folder / BEST)
    return checkpoint


def unseen_scores(data: ProbeData, *, seed: int) -> dict[str, Scores]:
    """Return, for each corpus of the recipe, the scores of a probe that heard all the others.

    The classes are those of the shipped models that the corpus has.
    """
    found: dict[str, Scores] = {}
    for corpus, one in data.corpora.items():
        own = {clip.label for clip in one.features.clips}
        probe = train_probe(data, seed=seed, without={corpus: one.speakers()})
        found[corpus] = data.score(
            probe,
            corpus,
            among=tuple(label for label in LABELS if label in own),
            speakers=one.speakers(),
        )
    return found


def temperature_of(scored: Iterable[Scores]) -> float:
    """Return the geometric mean of the temperatures that fit several sets of scores best."""
    fitted = [fit_temperature(each.logits, each.truth) for each in scored]
    return float(np.exp(np.mean(np.log(fitted))))
