"""What an encoder says of windows, pooled, computed once and kept in a memory-mapped file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from affectd.models.features import FeatureSet
from affectd.models.noise import NoiseBank
from affectd.models.pooled_whisper import PooledWhisper
from affectd.models.quantised_trunk import QuantisedTrunk
from affectd.models.recipes import Recipe
from affectd.models.replacing import replacing
from affectd.models.resynthesis import made_of
from affectd.models.windows import utterance_windows

__all__ = ["Disturbed", "WindowStatistics", "window_statistics"]

Frames = npt.NDArray[np.float32]

_CACHE_VERSION = 1


@dataclass(frozen=True, slots=True)
class WindowStatistics:
    """Pooled statistics of the windows of a set of clips."""

    values: npt.NDArray[np.float32]
    """float32 ``(windows, d)``, memory-mapped."""
    owners: npt.NDArray[np.int64]
    """The place of each window's clip in its set, ascending, ``(windows,)``."""

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """What each window counts: all of a clip's together count one, ``(windows,)``."""
        counts: npt.NDArray[np.float64] = 1 / np.bincount(self.owners)[self.owners]
        return counts


@dataclass(frozen=True, slots=True)
class Disturbed:
    """Says that windows are drawn and disturbed as in training, one a clip, and how."""

    noise: NoiseBank
    seed: int


def window_statistics(
    features: FeatureSet,
    *,
    network: PooledWhisper,
    recipe: Recipe,
    cache: Path,
    disturbed: Disturbed | None = None,
    advance: Callable[[int, int], None] | None = None,
) -> WindowStatistics:
    """Return the statistics of clips' windows, from the cache where they are there.

    Args:
        features: Clips of one corpus.
        network: The encoder; its linear layers are not used.
        recipe: How windows are cut, and disturbed.
        cache: Folder of the cache.
        disturbed: Without it, the windows are those that an utterance is scored on.
        advance: Told how many clips are done, and of how many.
    """
    corpus = features.clips[0].corpus.replace("/", "-")
    key = _key(features, network, recipe, disturbed)
    path = cache / f"{corpus}-statistics-{key}.npy"
    owners_path = path.with_suffix(".owners.npy")
    if not (path.exists() and owners_path.exists()):
        cache.mkdir(parents=True, exist_ok=True)
        encoder = QuantisedTrunk(network)
        rows: list[Frames] = []
        owners: list[int] = []
        for index, windows in enumerate(_windows(features, recipe, disturbed)):
            rows += map(encoder.pool, windows)
            owners += [index] * len(windows)
            if advance is not None:
                advance(index + 1, len(features))
        _save(owners_path, np.array(owners, np.int64))
        _save(path, np.stack(rows))
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    return WindowStatistics(values, np.load(owners_path, allow_pickle=False))


def _windows(
    features: FeatureSet, recipe: Recipe, disturbed: Disturbed | None
) -> Iterator[list[Frames]]:
    windowing = recipe.windowing
    if disturbed is None:
        for index in range(len(features)):
            yield utterance_windows(features, index, windowing)
        return
    rng = np.random.default_rng([disturbed.seed, len(features)])
    for index in range(len(features)):
        first, last = features.speech[index]
        window = recipe.augmentation.window(
            features.logmel(index),
            (int(first), int(last)),
            front_end=recipe.front_end,
            window_frames=windowing.window_frames,
            minimum_frames=windowing.minimum_frames,
            noise=disturbed.noise,
            rng=rng,
        )
        yield [windowing.normalise(window)]


def _key(
    features: FeatureSet, network: PooledWhisper, recipe: Recipe, disturbed: Disturbed | None
) -> str:
    told = {
        "version": _CACHE_VERSION,
        "encoder": network.trunk.digest(),
        "layers": network.options.layers,
        **({"steps": network.options.stride} if network.options.stride > 1 else {}),
        "front_end": recipe.front_end.to_dict(),
        "windowing": [
            recipe.normalisation,
            recipe.window_seconds,
            recipe.hop_seconds,
            recipe.minimum_seconds,
        ],
        "clips": [
            (clip.name, int(n)) for clip, n in zip(features.clips, features.lengths, strict=True)
        ],
        "speech": features.speech.tolist(),
        **made_of(features.clips),
        "disturbed": None
        if disturbed is None
        else [
            disturbed.seed,
            disturbed.noise.digest(),
            recipe.augmentation.model_dump(mode="json"),
        ],
    }
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _save(path: Path, values: npt.NDArray[np.generic]) -> None:
    # A run that is interrupted leaves nothing that looks complete.
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.save(file, values)
