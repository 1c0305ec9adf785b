"""Grows the forest of a paper's system, whose size is chosen by cross-validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from affectd.models.checkpoint import Checkpoint, Heard
from affectd.models.division import Division
from affectd.models.features import FeatureSet
from affectd.models.forest import Forest
from affectd.models.labels import label_index
from affectd.models.system_inputs import Inputs
from affectd.models.system_network import build_system
from affectd.models.systems import System
from affectd.models.training import BEST, RunObserver

__all__ = ["fit_forest"]


def fit_forest(
    system: System,
    *,
    features: FeatureSet,
    division: Division,
    folder: Path,
    seed: int,
    heard: tuple[Heard, ...],
    observer: RunObserver | None,
) -> Checkpoint:
    """Grow a forest of the size that cross-validation over the training clips likes best.

    Args:
        system: A forest's.
        features: All clips.
        division: Which of them train.
        folder: Where ``best.pt`` goes.
        seed: Kept with the checkpoint; the draws are decided by that of the system's split.
        heard: What of each corpus it hears.
        observer: Told of each candidate.

    Returns:
        Its checkpoint, whose recipe says how large it is.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import ParameterGrid, StratifiedKFold, cross_val_score

    model = build_system(system)
    inputs = Inputs(features, system, model)
    targets = np.array([label_index(str(c.label), system.labels) for c in features.clips])
    vectors = inputs.kept.numpy()[division.train]
    truth = targets[division.train]
    folds = min(5, int(np.bincount(truth)[np.unique(truth)].min()))
    forest = RandomForestClassifier(random_state=system.split.seed)
    share = 0.0
    if folds >= 2:
        candidates = list(ParameterGrid(system.schedule.forest_grid.to_sklearn()))
        parts = StratifiedKFold(folds, shuffle=True, random_state=system.split.seed)
        if observer is not None:
            observer.epoch_started(1, epochs=1, steps=len(candidates))
        shares: list[float] = []
        for candidate in candidates:
            forest.set_params(**candidate)
            shares.append(float(cross_val_score(forest, vectors, truth, cv=parts).mean()))
            if observer is not None:
                observer.batch_done(loss=1 - shares[-1])
        share = max(shares)
        forest.set_params(**candidates[shares.index(share)])
    forest.fit(vectors, truth)
    figures = {"cross-validated-accuracy": 100 * share}
    if observer is not None and folds >= 2:
        observer.epoch_done(figures)
    sized = system.model_copy(update={"options": {**system.options, **Forest.sizes_of(forest)}})
    grown = build_system(sized)
    assert isinstance(grown, Forest)
    grown.take(forest)
    checkpoint = Checkpoint(
        recipe=sized,
        labels=system.labels,
        seed=seed,
        epoch=1,
        step=1,
        weights={},
        averaged={name: value.clone() for name, value in grown.state_dict().items()},
        optimiser={},
        random_state=torch.get_rng_state(),
        heard=heard,
        history=(figures,),
    )
    checkpoint.save(folder / BEST)
    return checkpoint
