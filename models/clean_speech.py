"""Windows of clean speech, and what every layer of a whole encoder says of them, kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from affectd.models.augmentation import Augmentation
from affectd.models.clips import Clip
from affectd.models.features import FeatureSet
from affectd.models.noise import NoiseBank
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.quantised_trunk import padded
from affectd.models.replacing import replacing
from affectd.models.resynthesis import made_of
from affectd.models.whisper_trunk import STEPS, Trunk, valid_steps

__all__ = ["CleanSpeech", "clean_speech"]

Frames = npt.NDArray[np.float32]

_VERSION = 1
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class CleanSpeech:
    """Windows of one corpus."""

    key: str
    """Says what they are, and whose answers are with them."""
    clips: tuple[Clip, ...]
    """Whose each window is."""
    logmel: npt.NDArray[np.float16]
    """dB, float16 ``(all frames, bands)``: one window after the other."""
    frames: npt.NDArray[np.int64]
    """Where each window's frames start, and where the last one's end, ``(windows + 1,)``."""
    answers: npt.NDArray[np.float16]
    """What each layer says of the valid steps, float16 ``(all steps, layers, width)``,
    memory-mapped."""
    steps: npt.NDArray[np.int64]
    """Where each window's steps start, as in `frames`."""

    def window(self, place: int) -> Frames:
        """Return a window, dB, not normalised, float32 ``(frames, bands)``."""
        return self.logmel[self.frames[place] : self.frames[place + 1]].astype(np.float32)

    def said(self, place: int) -> Frames:
        """Return what each layer says of a window, float32 ``(layers, steps, width)``."""
        said = self.answers[self.steps[place] : self.steps[place + 1]]
        return said.astype(np.float32).transpose(1, 0, 2)


def clean_speech(
    features: FeatureSet,
    *,
    teacher: Trunk,
    stride: int,
    recipe: ProbeRecipe,
    cache: Path,
    advance: Callable[[int, int], None] | None = None,
) -> CleanSpeech:
    """Return windows of a corpus with the teacher's answers, from the cache where they are there.

    Args:
        features: Clips of one corpus.
        teacher: Every layer of it is asked.
        stride: Every how manieth of its steps is wanted.
        recipe: How windows are drawn; noise and filters are left out.
        cache: Folder of the cache, where less than 240 kB a window are kept.
        advance: Told how many windows are done, and of how many.
    """
    settings = recipe.distilling
    assert settings is not None
    key = _key(features, teacher, stride, recipe)
    path = cache / f"{features.clips[0].corpus.replace('/', '-')}-answers-{key}.npy"
    windows_path = path.with_suffix(".windows.npz")
    if not (path.exists() and windows_path.exists()):
        windows = _drawn(features, recipe)
        lengths = np.array([len(window) for window in windows], np.int64)
        counts = valid_steps(torch.from_numpy(lengths), stride=stride).sum(1).long().numpy()
        with replacing(windows_path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, logmel=np.concatenate(windows), lengths=lengths, steps=counts)
        with replacing(path) as unfinished:
            _ask(teacher, windows, counts, recipe, stride, unfinished, advance)
    with np.load(windows_path, allow_pickle=False) as kept:
        logmel, lengths, counts = kept["logmel"], kept["lengths"], kept["steps"]
    return CleanSpeech(
        key,
        features.clips * settings.windows,
        logmel,
        np.concatenate([[0], np.cumsum(lengths)]),
        np.load(path, mmap_mode="r", allow_pickle=False),
        np.concatenate([[0], np.cumsum(counts)]),
    )


def _key(features: FeatureSet, teacher: Trunk, stride: int, recipe: ProbeRecipe) -> str:
    settings = recipe.distilling
    assert settings is not None
    told = {
        "version": _VERSION,
        "teacher": teacher.digest(),
        "stride": stride,
        "front_end": recipe.front_end.to_dict(),
        "windowing": [recipe.normalisation, recipe.window_seconds, recipe.minimum_seconds],
        "drawn": [settings.windows, settings.seed, _clean(recipe).model_dump(mode="json")],
        "clips": [
            (clip.name, int(n)) for clip, n in zip(features.clips, features.lengths, strict=True)
        ],
        "speech": features.speech.tolist(),
        **made_of(features.clips),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _clean(recipe: ProbeRecipe) -> Augmentation:
    return recipe.augmentation.model_copy(update={"tilt": 0.0, "noise": 0.0})


def _drawn(features: FeatureSet, recipe: ProbeRecipe) -> list[npt.NDArray[np.float16]]:
    settings, windowing = recipe.distilling, recipe.windowing
    assert settings is not None
    clean = _clean(recipe)
    rng = np.random.default_rng([settings.seed, len(features)])
    windows: list[npt.NDArray[np.float16]] = []
    for index in [*range(len(features))] * settings.windows:
        first, last = features.speech[index]
        window = clean.window(
            features.logmel(index),
            (int(first), int(last)),
            front_end=recipe.front_end,
            window_frames=windowing.window_frames,
            minimum_frames=windowing.minimum_frames,
            noise=NoiseBank(()),
            rng=rng,
        )
        windows.append(window.astype(np.float16))
    return windows


def _ask(
    teacher: Trunk,
    windows: list[npt.NDArray[np.float16]],
    counts: npt.NDArray[np.int64],
    recipe: ProbeRecipe,
    stride: int,
    path: Path,
    advance: Callable[[int, int], None] | None,
) -> None:
    """Write what each layer says of the valid steps of windows."""
    layers = len(teacher.blocks) + 1
    answers = np.lib.format.open_memmap(
        path, "w+", np.float16, (int(counts.sum()), layers, teacher.size.width)
    )
    steps = np.concatenate([[0], np.cumsum(counts)])
    for first in range(0, len(windows), _AT_ONCE):
        part = windows[first : first + _AT_ONCE]
        for place, said in enumerate(_answers(teacher, part, stride, recipe), first):
            answers[steps[place] : steps[place + 1]] = said[-counts[place] :]
        if advance is not None:
            advance(first + len(part), len(windows))
    answers.flush()


def _answers(
    teacher: Trunk, windows: list[npt.NDArray[np.float16]], stride: int, recipe: ProbeRecipe
) -> Frames:
    """Return what each layer says of windows, float32 ``(windows, steps, layers, width)``."""
    normalise = recipe.windowing.normalise
    inputs = np.stack([padded(normalise(window.astype(np.float32))) for window in windows])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        said = teacher.layers(torch.from_numpy(inputs))
        # The last step is among those that are kept.
        kept = torch.stack([layer[:, stride - 1 :: stride].float() for layer in said], dim=2)
    assert kept.shape[1] == STEPS // stride
    answers: Frames = kept.numpy()
    return answers
