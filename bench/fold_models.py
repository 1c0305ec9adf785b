"""Checkpoints of a probe's folds: each has not heard the speakers whom it is asked about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from affectd.bench.accuracy import shared_folds
from affectd.models.checkpoint import Checkpoint, Heard
from affectd.models.corpora import corpus_named
from affectd.models.labels import LABELS
from affectd.models.probe import ProbeData, train_probe
from affectd.models.probe_training import temperature_of, unseen_scores

__all__ = ["fold_models"]


def fold_models(
    data: ProbeData, folder: Path, *, weights: Path, seed: int, say: Callable[[str], None]
) -> list[Path]:
    """Return one checkpoint for every shared fold; those that are there are not trained again.

    The temperature is that of the shipped model: fitted on corpora that were left out whole.

    Args:
        data: What is learnt from.
        folder: Where they are kept.
        weights: The folder of the encoder's weights.
        seed: Decides first weights and draws.
        say: Told a line for each that was trained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tests = shared_folds(data)
    paths = [
        folder / f"{data.recipe.name}-{seed}-fold-{number}.pt"
        for number in range(1, len(tests) + 1)
    ]
    temperature = 0.0
    for path, without in zip(paths, tests, strict=True):
        if path.exists():
            continue
        temperature = temperature or temperature_of(unseen_scores(data, seed=seed).values())
        network = train_probe(data, seed=seed, without=without).network(data.recipe, weights)
        state = {name: value.detach().clone() for name, value in network.state_dict().items()}
        heard = tuple(
            Heard(
                corpus=name,
                licence=corpus_named(name).licence,
                clips=len(one.features.clips),
                speakers=tuple(sorted(set(one.speakers()) - set(without.get(name, ())))),
            )
            for name, one in data.corpora.items()
        )
        Checkpoint(
            recipe=data.recipe,
            labels=LABELS,
            seed=seed,
            epoch=1,
            step=0,
            weights=state,
            averaged=state,
            optimiser={},
            random_state=torch.get_rng_state(),
            heard=heard,
            temperature=temperature,
        ).save(path)
        say(f"{path.name}: trained")
    return paths
