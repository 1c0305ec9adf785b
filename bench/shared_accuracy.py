"""What sharing work between windows costs in accuracy: three short trainings on one split."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from affectd.bench.streaming_crnn import register
from affectd.models.folds import HELD_OUT
from affectd.models.material import features_of, gather
from affectd.models.recipes import Recipe, load_recipe
from affectd.models.scoring import confusion, score_utterances, torch_scorer
from affectd.models.training import Trainer, train

__all__ = ["ARCHITECTURES", "measure_accuracy_shared"]

ARCHITECTURES = ("crnn", "crnn-trunk", "crnn-causal")
_CORPORA = ("ravdess", "emodb")
_HALF_WIDTH = {"channels": [16, 32, 64], "recurrent": 64, "hidden": 64}
"""Instead of the shipped sizes: a quarter of the work, so that the schedule goes further."""


def measure_accuracy_shared(
    *,
    corpora: Path,
    cache: Path,
    runs: Path,
    epochs: int,
    windows_per_epoch: int = 4_096,
    architectures: Sequence[str] = ARCHITECTURES,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Train each architecture alike on RAVDESS and EmoDB, and score it on the test speakers.

    The models have half the width and the schedule is far shorter than the shipped model's: the
    figures compare the architectures
    with one another and say nothing else. Runs that are there already are not repeated.

    Returns:
        UAR in percent by architecture and corpus, with the seconds of training.
    """
    register()
    found: dict[str, Any] = {}
    for architecture in architectures:
        recipe = _recipe(architecture, epochs, windows_per_epoch)
        material = gather(recipe, part=HELD_OUT.part, corpora=corpora, cache=cache)
        trainer = Trainer(
            recipe, features=material.train, noise=material.noise, seed=1, heard=material.heard
        )
        say(f"training {architecture}: {epochs} epochs of {windows_per_epoch} windows")
        began = time.monotonic()
        train(trainer, folder=runs / architecture, development=material.development)
        figures: dict[str, float] = {"seconds": round(time.monotonic() - began, 1)}
        # The last epoch, not the best: nothing is chosen.
        scorer = torch_scorer(trainer.averaged_model())
        features, _ = features_of(
            _CORPORA, corpora=corpora, cache=cache, front_end=recipe.front_end
        )
        for corpus in _CORPORA:
            test = features.of_speakers(corpus, HELD_OUT.test[corpus])
            logits = score_utterances(scorer, test, recipe.windowing)
            figures[corpus] = round(100 * confusion(logits, test, trainer.labels).uar, 2)
        found[architecture] = figures
        say(f"{architecture}: {figures}")
    return found


def _recipe(architecture: str, epochs: int, windows_per_epoch: int) -> Recipe:
    shipped = load_recipe("crnn").changed(epochs=epochs, corpora=_CORPORA).to_dict()
    shipped |= {"architecture": architecture, "name": architecture}
    shipped["options"] |= _HALF_WIDTH
    shipped["optimiser"]["windows_per_epoch"] = windows_per_epoch
    shipped["optimiser"]["warm_up_steps"] = 100
    return Recipe.from_dict(shipped)
