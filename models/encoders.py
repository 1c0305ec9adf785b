"""The encoder that a recipe with a probe begins with: as it comes, or pruned; and its teacher."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from affectd.models.features import FeatureSet
from affectd.models.pooled_whisper import PooledWhisperOptions
from affectd.models.probe_recipe import DistillingSettings, ProbeRecipe
from affectd.models.pruning import PRUNING_VERSION, prune
from affectd.models.quantised_trunk import padded
from affectd.models.replacing import replacing
from affectd.models.whisper_trunk import Trunk
from affectd.models.whisper_weights import SIZES, read_trunk
from affectd.models.windows import utterance_windows

__all__ = ["keep_weights", "teacher_of", "untaught_encoder"]

_LISTENED_TO = 100
"""Windows of each corpus that an encoder is pruned by."""


def untaught_encoder(
    recipe: ProbeRecipe,
    options: PooledWhisperOptions,
    heard: Iterable[FeatureSet],
    *,
    weights: Path,
    cache: Path,
) -> Trunk:
    """Return the encoder as it comes, pruned where the recipe says so; that is done once and kept.

    Where something lies ahead of its blocks, that says what the last block says, as yet.

    Args:
        recipe: How windows are cut.
        options: How much of the encoder is used.
        heard: Clips of each corpus, a few of which say what can be pruned; no label is seen.
        weights: The folder of the encoder's weights.
        cache: Folder of the cache.

    Raises:
        WeightsError: the encoder's weights are not there.
    """
    size = SIZES[options.encoder]
    found = Trunk(options.blocks, size=size, stride=options.stride).eval()
    found.load_state_dict(read_trunk(weights, blocks=options.blocks, size=size))
    if options.hidden is not None and options.hidden != size.hidden:
        found = _pruned(found, recipe, heard, hidden=options.hidden, cache=cache)
    if not options.ahead:
        return found
    further = Trunk(
        options.blocks, size=size, stride=options.stride, hidden=options.hidden, ahead=True
    ).eval()
    ahead = {"ahead.weight": torch.eye(size.width), "ahead.bias": torch.zeros(size.width)}
    further.load_state_dict(found.state_dict() | ahead)
    return further


def teacher_of(
    settings: DistillingSettings, options: PooledWhisperOptions, *, weights: Path
) -> Trunk:
    """Return what teaches: at least as much of the same encoder, as it comes.

    Args:
        settings: Say how many layers of it teach.
        options: Say which encoder.
        weights: The folder of its weights.

    Raises:
        WeightsError: its weights are not there.
    """
    blocks = len(settings.layers) - 1
    size = SIZES[options.encoder]
    teacher = Trunk(blocks, size=size).eval()
    teacher.load_state_dict(read_trunk(weights, blocks=blocks, size=size))
    return teacher


def keep_weights(path: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the weights that a file holds; make them, and the file, where it is not there.

    Args:
        path: The file; its name says what is in it.
        make: Makes them.
    """
    if not path.exists():
        made = make()
        with replacing(path) as unfinished:
            torch.save(made, unfinished)
    found: dict[str, Tensor] = torch.load(path, weights_only=True)
    return found


def _pruned(
    whole: Trunk, recipe: ProbeRecipe, heard: Iterable[FeatureSet], *, hidden: int, cache: Path
) -> Trunk:
    inputs: list[npt.NDArray[np.float32]] = []
    frames: list[int] = []
    for features in heard:
        count = min(_LISTENED_TO, len(features))
        for index in np.linspace(0, len(features) - 1, count).astype(int):
            window = utterance_windows(features, int(index), recipe.windowing)[-1]
            inputs.append(padded(window))
            frames.append(len(window))
    windows, lengths = torch.from_numpy(np.stack(inputs)), torch.tensor(frames)
    digest = hashlib.sha256(windows.numpy().tobytes() + lengths.numpy().tobytes())
    digest.update(f"{whole.digest()} {PRUNING_VERSION} {whole.stride} {hidden}".encode())
    state = keep_weights(
        cache / f"trunk-{digest.hexdigest()[:16]}.pt",
        lambda: prune(whole, windows, lengths, hidden=hidden).state_dict(),
    )
    pruned = Trunk(len(whole.blocks), size=whole.size, stride=whole.stride, hidden=hidden).eval()
    pruned.load_state_dict(state)
    return pruned
