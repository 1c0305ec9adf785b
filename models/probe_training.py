"""Trains a probe on every speaker, with the confidence of trials on voices that were left out.

Experts for voices that are known are trained beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from affectd.kernels.voice_experts import VoiceExperts
from affectd.models.checkpoint import Checkpoint, Heard
from affectd.models.corpora import corpus_named
from affectd.models.experts import Experts
from affectd.models.material import Progress
from affectd.models.probe import Probe
from affectd.models.probe_data import CorpusMaterial, ProbeData, train_probe
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.training import BEST
from affectd.models.trial_data import gather_trial_data
from affectd.models.trials import Trials, hold_trials
from affectd.models.voice_experts import hold_voice_trials, train_voice_experts

__all__ = ["fit_and_save", "fold_checkpoints", "probe_checkpoint"]


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
    data = gather_trial_data(
        recipe, corpora=corpora, cache=cache, weights=weights, seed=seed, progress=progress
    )
    checkpoint = probe_checkpoint(data.everyone(), hold_trials(data), seed=seed)
    checkpoint.save(folder / BEST)
    return checkpoint


def fold_checkpoints(trials: Trials, *, seed: int) -> Iterator[Checkpoint]:
    """Return the model of each fold, whose confidence knows nothing of those it has not heard.

    Args:
        trials: Of the recipe.
        seed: That their data was drawn with.
    """
    voices = hold_voice_trials(trials)
    for place, experts in enumerate(voices.experts):
        held = trials.fold(place)
        live = voices.live(experts, held.probe, labels=held.data.recipe.labels, but_fold=place)
        yield _checkpoint(held.data, held.probe, experts, live, seed=seed, without=held.without)


def probe_checkpoint(data: ProbeData, trials: Trials, *, seed: int) -> Checkpoint:
    """Return a probe of every speaker, with the confidence of trials; see `fold_checkpoints`."""
    probe = train_probe(data, confidence=trials.confidence())
    experts = train_voice_experts(data, probe)
    live = hold_voice_trials(trials).live(experts, probe, labels=data.recipe.labels)
    return _checkpoint(data, probe, experts, live, seed=seed, without={})


def _checkpoint(
    data: ProbeData,
    probe: Probe,
    voice: Experts,
    live: VoiceExperts,
    *,
    seed: int,
    without: Mapping[str, Iterable[str]],
) -> Checkpoint:
    recipe = data.recipe
    silent = {name: set(without.get(name, ())) for name in data.corpora}
    network = probe.network(recipe, data.trunk, voice)
    state = {name: value.detach().clone() for name, value in network.state_dict().items()}
    return Checkpoint(
        recipe=recipe,
        labels=recipe.labels,
        seed=seed,
        epoch=1,
        step=0,
        weights=state,
        averaged=state,
        optimiser={},
        random_state=torch.get_rng_state(),
        heard=tuple(
            _heard(name, one, silent[name], recipe.labels)
            for name, one in data.corpora.items()
            if silent[name] < set(one.speakers())
        ),
        # The sharpness of the scores holds it already.
        temperature=1.0,
        voice_experts=live,
    )


def _heard(name: str, one: CorpusMaterial, silent: Collection[str], labels: Sequence[str]) -> Heard:
    clips = [
        clip for clip in one.features.clips if clip.label in labels and clip.speaker not in silent
    ]
    return Heard(
        corpus=name,
        licence=corpus_named(name).licence,
        clips=len(clips),
        speakers=tuple(each for each in one.speakers() if each not in silent),
        resynthesised=sum(clip.row is not None for clip in clips),
    )
