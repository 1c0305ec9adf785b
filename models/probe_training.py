"""Trains a probe on every speaker, with the belief of trials on voices that were left out.

Experts for voices that are known are trained beside it.
"""

from __future__ import annotations

from pathlib import Path

import torch

from affectd.models.checkpoint import Checkpoint, Heard
from affectd.models.corpora import corpus_named
from affectd.models.labels import LABELS
from affectd.models.material import Progress
from affectd.models.probe import ProbeData, gather_probe_data, train_probe
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.training import BEST
from affectd.models.trials import Trials, believing, hold_trials
from affectd.models.voice_experts import hold_voice_trials, train_voice_experts
from affectd.models.whisper_trunk import WeightsError

__all__ = ["fit_and_save", "probe_checkpoint"]


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
    checkpoint = probe_checkpoint(data, hold_trials(data), seed=seed)
    checkpoint.save(folder / BEST)
    return checkpoint


def probe_checkpoint(data: ProbeData, trials: Trials, *, seed: int) -> Checkpoint:
    """Return a probe of every speaker, with the belief of trials.

    Args:
        data: What is learnt from.
        trials: Of the same data.
        seed: That the data was drawn with.
    """
    recipe = data.recipe
    probe = believing(train_probe(data), trials.belief())
    voice = train_voice_experts(data, probe)
    network = probe.network(recipe, data.trunk, voice)
    state = {name: value.detach().clone() for name, value in network.state_dict().items()}
    return Checkpoint(
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
        # The experts' sharpness holds it already.
        temperature=1.0,
        voice_experts=hold_voice_trials(data, trials).live(voice, probe),
    )
