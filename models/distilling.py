"""Teaches the beginning of an encoder what the whole of it says, of speech that is disturbed.

The student hears a window with noise, in a room, or through a telephone; it learns to say what
the teacher's layers say of the same window as it was recorded. No label is seen. Where the teacher
has more blocks, what they say is learnt through layers after the student's last block (as in H.-J.
Chang, S. Yang and H. Lee, "DistilHuBERT", ICASSP 2022): linear ones, but for the deepest, which
stays and may be a feed-forward layer.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from affectd.models.augmentation import limit_band, reverberate, shift_filters
from affectd.models.clean_speech import CleanSpeech
from affectd.models.noise import NoiseBank, add_noise
from affectd.models.probe_recipe import DistillingSettings, ProbeRecipe
from affectd.models.quantised_trunk import padded
from affectd.models.replacing import replacing
from affectd.models.whisper_trunk import BANDS, FRAMES, Trunk, valid_steps

__all__ = ["Lesson", "distil", "disturbed"]

Frames = npt.NDArray[np.float32]

_VERSION = 1
_MEASURED = 600
"""Windows that say how far what the teacher says varies."""
_CLIP_NORM = 5.0
"""Of the gradients, as in `affectd.models.recipes.Optimiser`."""
_LEAST = 1e-3
"""Deviation of a dimension that hardly varies, which would else outweigh all others."""


def distil(
    student: Trunk,
    heard: Mapping[str, CleanSpeech],
    *,
    without: Mapping[str, Iterable[str]],
    recipe: ProbeRecipe,
    noise: NoiseBank,
    cache: Path,
    advance: Callable[[int, int], None] | None = None,
) -> Trunk:
    """Return a student that has learnt from every corpus; it is made once, and kept in the cache.

    Args:
        student: What it begins as: with a layer ahead, or with as many blocks as teach it.
        heard: Corpora, and what the teacher says of them.
        without: Speakers by corpus whom the student does not hear.
        recipe: How it learns, and how much each corpus counts.
        noise: What is added.
        cache: Folder of the cache.
        advance: Told how many steps are done, and of how many.

    Raises:
        ValueError: every speaker is left out.
    """
    settings = recipe.distilling
    assert settings is not None
    silent = {name: set(without.get(name, ())) for name in heard}
    chosen = {
        name: np.flatnonzero([clip.speaker not in silent[name] for clip in one.clips])
        for name, one in heard.items()
    }
    chosen = {name: places for name, places in chosen.items() if places.size}
    if not chosen:
        raise ValueError("every speaker is left out: the encoder has nobody to learn from")

    def learnt() -> dict[str, Tensor]:
        lesson = Lesson(student, heard, chosen, recipe, settings, noise)
        for step in range(settings.steps):
            lesson.step(step)
            if advance is not None:
                advance(step + 1, settings.steps)
        return lesson.student.state_dict()

    told = {
        "version": _VERSION,
        "student": student.digest(),
        "heard": {name: one.key for name, one in heard.items()},
        "without": {name: sorted(who) for name, who in silent.items()},
        "corpora": recipe.corpora,
        "settings": settings.model_dump(mode="json"),
        "tilt": [recipe.augmentation.tilt, recipe.augmentation.tilt_db],
        "noise": noise.digest(),
    }
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    found = copy.deepcopy(student)
    path = cache / f"trunk-{key}.pt"
    if not path.exists():
        made = learnt()
        with replacing(path) as unfinished:
            torch.save(made, unfinished)
    found.load_state_dict(torch.load(path, weights_only=True))
    return found.eval()


def disturbed(
    window: Frames, *, recipe: ProbeRecipe, noise: NoiseBank, rng: np.random.Generator
) -> Frames:
    """Return a window as another microphone hears it in another place.

    Args:
        window: dB, float32 ``(frames, bands)``.
        recipe: How likely each disturbance is.
        noise: What is added.
        rng: Decides everything.
    """
    settings, augmentation = recipe.distilling, recipe.augmentation
    assert settings is not None
    if rng.random() < settings.room:
        window = reverberate(
            window,
            seconds=float(rng.uniform(*settings.room_seconds)),
            direct_to_reverberant_db=float(rng.uniform(*settings.room_ratio_db)),
            front_end=recipe.front_end,
        )
    if rng.random() < settings.noise:
        snr_db = float(rng.uniform(*settings.noise_snr_db))
        window = add_noise(window, noise.draw(len(window), rng), snr_db=snr_db)
    if rng.random() < augmentation.tilt:
        window = shift_filters(window, deviation_db=augmentation.tilt_db, rng=rng)
    if rng.random() < settings.line:
        window = limit_band(
            window,
            low_hz=float(rng.uniform(*settings.line_low_hz)),
            high_hz=float(rng.uniform(*settings.line_high_hz)),
            front_end=recipe.front_end,
        )
    return window


@dataclass(frozen=True, slots=True)
class _Spread:
    """How far what a layer says varies, each dimension by itself, float32 ``(width,)``."""

    steps: Tensor
    """From step to step."""
    windows: Tensor
    """The mean over a window, from window to window."""


class Lesson:
    """A student, its teacher's answers, and the optimiser; see `distil`."""

    student: Trunk
    """What it has become so far."""

    def __init__(
        self,
        student: Trunk,
        heard: Mapping[str, CleanSpeech],
        chosen: Mapping[str, npt.NDArray[np.int64]],
        recipe: ProbeRecipe,
        settings: DistillingSettings,
        noise: NoiseBank,
    ) -> None:
        self.student = copy.deepcopy(student).train()
        self.student.requires_grad_(requires_grad=True)
        self._heard, self._recipe, self._settings, self._noise = heard, recipe, settings, noise
        self._rng = np.random.default_rng(settings.seed)
        shares = np.array(
            [recipe.corpora[name] * places.size**0.5 for name, places in chosen.items()]
        )
        self._names, self._chosen = tuple(chosen), chosen
        self._shares = shares / shares.sum()
        deepest = len(settings.layers) - 1
        # Where a layer lies ahead of the blocks, what lies between the stem and the deepest one is
        # asked for while it learns, and then forgotten.
        between = range(1, deepest) if student.ahead is not None else ()
        self._heads = nn.ModuleDict(
            {
                str(layer): _identity(student.size.width)
                for layer in between
                if settings.layers[layer]
            }
        )
        self._learning = [*self.student.parameters(), *self._heads.parameters()]
        self._optimiser = torch.optim.AdamW(
            self._learning,
            lr=settings.rate,
            betas=(0.9, 0.98),
            weight_decay=0.0,
        )
        self._spread = self._measure()

    def step(self, step: int) -> None:
        """Learn from one batch."""
        settings = self._settings
        warm = min((step + 1) / settings.warm_up_steps, 1.0)
        rate = settings.rate * warm * 0.5 * (1 + np.cos(np.pi * step / settings.steps))
        for group in self._optimiser.param_groups:
            group["lr"] = float(rate)
        windows, targets, valid = self._batch(settings.batch, clean=False)
        with torch.autocast("cpu", torch.bfloat16):
            said = self.student.layers(windows)
            answers = self.answers(said)
        loss = torch.zeros(())
        for layer, answer in answers.items():
            spread, weight = self._spread[layer], settings.layers[layer]
            loss = loss + weight * _apart(answer.float(), targets[:, layer], valid, spread)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._learning, _CLIP_NORM)
        self._optimiser.step()

    def answers(self, said: Sequence[Tensor]) -> dict[int, Tensor]:
        """Return what is said for each of the teacher's layers by what the student's say."""
        if self.student.ahead is None:
            return dict(enumerate(said))
        deepest, blocks = len(self._settings.layers) - 1, len(self.student.blocks)
        return {0: said[0], deepest: said[-1]} | {
            int(layer): head(said[min(int(layer), blocks)]) for layer, head in self._heads.items()
        }

    def _batch(self, size: int, *, clean: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Return windows, what the teacher says of them, and which steps are valid.

        Returns:
            float32 ``(size, FRAMES, BANDS)``, ``(size, layers, steps, width)`` and ``(size, steps,
            1)``.
        """
        rng, windowing = self._rng, self._recipe.windowing
        windows = np.empty((size, FRAMES, BANDS), np.float32)
        lengths: list[int] = []
        said: list[Frames] = []
        for row in windows:
            name = self._names[int(rng.choice(len(self._names), p=self._shares))]
            place = int(rng.choice(self._chosen[name]))
            window = self._heard[name].window(place)
            lengths.append(len(window))
            said.append(self._heard[name].said(place))
            if not clean:
                window = disturbed(window, recipe=self._recipe, noise=self._noise, rng=rng)
            row[:] = padded(windowing.normalise(window))
        valid = valid_steps(torch.tensor(lengths), stride=self.student.stride)
        shape = (size, len(self._settings.layers), valid.shape[1], self.student.size.width)
        targets = np.zeros(shape, np.float32)
        for row, answer in zip(targets, said, strict=True):
            row[:, valid.shape[1] - answer.shape[1] :] = answer
        return torch.from_numpy(windows), torch.from_numpy(targets), valid.unsqueeze(2)

    def _measure(self) -> Sequence[_Spread]:
        _, targets, valid = self._batch(_MEASURED, clean=True)
        inside = valid[:, :, 0].bool()
        counts = valid.sum(1)
        return [
            _Spread(
                targets[:, layer][inside].std(0) + _LEAST,
                ((targets[:, layer] * valid).sum(1) / counts).std(0) + _LEAST,
            )
            for layer in range(targets.shape[1])
        ]


def _identity(width: int) -> nn.Linear:
    head = nn.Linear(width, width)
    nn.init.eye_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def _apart(said: Tensor, wanted: Tensor, valid: Tensor, spread: _Spread) -> Tensor:
    """Return how far an answer lies from the wanted one, step by step and window by window.

    What is said over a whole window, its mean and deviation, is what emotions are told by; it
    counts as much as the steps do, in which the words are louder.
    """
    steps = (((said - wanted) / spread.steps).square() * valid).sum() / valid.sum() / said.shape[2]
    mean, deviation = _pooled(said, valid)
    wanted_mean, wanted_deviation = _pooled(wanted, valid)
    windows = ((mean - wanted_mean) / spread.windows).square().mean()
    return steps + windows + ((deviation - wanted_deviation) / spread.windows).square().mean()


def _pooled(said: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    count = valid.sum(1)
    mean = (said * valid).sum(1) / count
    variance = ((said - mean.unsqueeze(1)).square() * valid).sum(1) / count
    return mean, (variance + 1e-6).sqrt()
