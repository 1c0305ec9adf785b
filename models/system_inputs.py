"""What a system's network is given: one window of each clip, kept, or drawn anew and disturbed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from affectd.models.features import FeatureSet
from affectd.models.noise import NoiseBank, coloured_noise
from affectd.models.systems import Disturbance, System

__all__ = ["Inputs", "disturb", "window_of"]

_BATCH = 64


def window_of(features: FeatureSet, index: int, system: System) -> npt.NDArray[np.float32]:
    """Return the one window that a clip is heard by: its speech, or the middle of it if too long.

    Returns:
        Normalised, float32 ``(frames, columns)``.
    """
    windowing = system.windowing
    speech = features.utterance(
        index,
        margin_frames=round(system.margin_seconds / windowing.front_end.frame_seconds),
        minimum_frames=windowing.minimum_frames,
    )
    start = max(len(speech) - windowing.window_frames, 0) // 2
    return windowing.normalise(speech[start : start + windowing.window_frames])


class Inputs:
    """The views of a set of clips, for training and for tests.

    Args:
        features: The clips, labelled as the system labels them.
        system: What is trained.
        model: Whose view is taken; networks without one are given the windows themselves.
    """

    def __init__(self, features: FeatureSet, system: System, model: nn.Module) -> None:
        self.features, self.system = features, system
        self._view: Any = getattr(model, "view", None)
        self._noise: NoiseBank | None = None
        self.kept = self._keep()
        """The undisturbed views of all clips."""
        if system.speaker_normalisation != "none":
            self.kept = by_speaker(self.kept, features, system.speaker_normalisation)

    def _keep(self) -> Tensor:
        parts: list[Tensor] = []
        for start in range(0, len(self.features), _BATCH):
            chosen = range(start, min(start + _BATCH, len(self.features)))
            windows = [window_of(self.features, index, self.system) for index in chosen]
            parts.append(self._views(windows))
        return torch.cat(parts)

    def _views(self, windows: list[npt.NDArray[np.float32]]) -> Tensor:
        longest = self.system.windowing.window_frames
        columns = windows[0].shape[1]
        padded = np.zeros((len(windows), longest, columns), np.float32)
        for row, window in zip(padded, windows, strict=True):
            row[: len(window)] = window
        frames = torch.tensor([len(window) for window in windows])
        with torch.no_grad():
            if self._view is not None:
                views: Tensor = self._view(torch.from_numpy(padded), frames)
                return views
            # The valid frames travel in a last column.
            told = frames[:, None, None].expand(-1, longest, 1).float()
            return torch.cat([torch.from_numpy(padded), told], dim=2)

    def drawn(self, chosen: npt.NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Return the views of some clips for a training step, disturbed as the system says."""
        if not self.system.augmented:
            views = self.kept[torch.from_numpy(chosen)]
        else:
            windows = [self._disturbed(int(index), rng) for index in chosen]
            views = self._views(windows)
        return disturb(views, self.system.disturbance, rng)

    def _disturbed(self, index: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        windowing, augmentation = self.system.windowing, self.system.augmentation
        if self._noise is None:
            self._noise = NoiseBank(coloured_noise(windowing.front_end, seconds=30, seed=0))
        first, last = (int(value) for value in self.features.speech[index])
        window = augmentation.window(
            self.features.logmel(index),
            (first, last),
            front_end=windowing.front_end,
            window_frames=windowing.window_frames,
            minimum_frames=windowing.minimum_frames,
            noise=self._noise,
            rng=rng,
        )
        return windowing.normalise(window)


def disturb(images: Tensor, how: Disturbance, rng: np.random.Generator) -> Tensor:
    """Return images with masks, noise and shifts, float32 ``(batch, channels, steps, height)``.

    A mask takes the image's mean; what a shift leaves open takes its edge.
    Source: D. S. Park et al., "SpecAugment", Interspeech 2019.
    """
    if images.ndim != 4 or not (how.masks or how.noise or how.shift_share):
        return images
    images = images.clone()
    batch, _, steps, height = images.shape
    if how.shift_share:
        reach = int(how.shift_share * steps)
        shifts = torch.from_numpy(rng.integers(-reach, reach + 1, batch))
        places = (torch.arange(steps)[None, :] - shifts[:, None]).clamp(0, steps - 1)
        images = images[torch.arange(batch)[:, None], :, places].permute(0, 2, 1, 3)
    mean = images.mean((2, 3), keepdim=True)
    if how.masks:
        for axis, size in ((2, steps), (3, height)):
            for _ in range(how.masks):
                lengths = rng.integers(0, max(int(how.mask_share * size), 1) + 1, batch)
                starts = (rng.random(batch) * (size - lengths + 1)).astype(np.int64)
                along = np.arange(size)
                mask = (along >= starts[:, None]) & (along < (starts + lengths)[:, None])
                shape = (batch, 1, size, 1) if axis == 2 else (batch, 1, 1, size)
                images = torch.where(torch.from_numpy(mask).reshape(shape), mean, images)
    if how.noise:
        noise = torch.from_numpy(rng.standard_normal(images.shape, np.float32))
        images = images + how.noise * images.std((2, 3), keepdim=True) * noise
    return images


def by_speaker(vectors: Tensor, features: FeatureSet, kind: str) -> Tensor:
    """Return vectors as if the average speaker had spoken; see `System.speaker_normalisation`.

    What is taken from each speaker's vectors is given back in its mean over all speakers: it
    cancels out in what a network learns, and live, where nobody's other clips are known, a voice
    is taken for the average one.

    Raises:
        ValueError: the views are no vectors.
    """
    if vectors.ndim != 2:
        raise ValueError("speaker_normalisation is for networks over vectors")
    speakers = np.array([f"{clip.corpus}/{clip.speaker}" for clip in features.clips])
    neutral = np.array([clip.label == "neutral" for clip in features.clips])
    names, owners = np.unique(speakers, return_inverse=True)
    bases: list[Tensor] = []
    spreads: list[Tensor] = []
    for place in range(len(names)):
        own = torch.from_numpy(owners == place)
        calm = own & torch.from_numpy(neutral)
        base = vectors[calm if kind == "relative" and bool(calm.any()) else own]
        bases.append(base.mean(0))
        spreads.append(
            vectors[own].std(0).clamp(min=1e-5)
            if kind == "speaker"
            else torch.ones_like(vectors[0])
        )
    base, spread = torch.stack(bases), torch.stack(spreads)
    who = torch.from_numpy(owners)
    return (vectors - base[who]) / spread[who] * spread.mean(0) + base.mean(0)
