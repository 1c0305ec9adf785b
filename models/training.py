"""The training loop: resumable, seeded, and judged on the development speakers alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from affectd.models.architectures import build
from affectd.models.calibration import fit_temperature
from affectd.models.checkpoint import Checkpoint, CheckpointError, Heard
from affectd.models.features import FeatureSet
from affectd.models.labels import label_index
from affectd.models.noise import NoiseBank
from affectd.models.recipes import Recipe
from affectd.models.scoring import confusion, score_utterances, torch_scorer
from affectd.models.teacher import teacher_of
from affectd.models.windows import Batch, training_batches

__all__ = ["BEST", "LATEST", "RunObserver", "Trainer", "best_of", "train"]

LATEST = "latest.pt"
BEST = "best.pt"


class RunObserver(Protocol):
    """Is told how far a run is."""

    def run_started(self, name: str) -> None:
        """A run begins, called so."""

    def epoch_started(self, epoch: int, *, epochs: int, steps: int) -> None:
        """An epoch begins, counted from 1, of how many, with so many batches."""

    def batch_done(self, loss: float) -> None:
        """A batch is done."""

    def epoch_done(self, figures: Mapping[str, float]) -> None:
        """An epoch is done and judged."""


class Trainer:
    """One run, from fresh weights or from a checkpoint.

    Args:
        recipe: What to train.
        features: The clips to learn from.
        noise: What augmentation adds.
        seed: Decides the first weights, every window and every dropout.
        heard: What the checkpoint says of its data.

    Raises:
        RecipeError: the recipe's teacher is not there or cannot teach this run.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        features: FeatureSet,
        noise: NoiseBank,
        seed: int,
        heard: tuple[Heard, ...],
    ) -> None:
        self.recipe, self.features, self.noise = recipe, features, noise
        self.teacher = teacher_of(recipe, heard)
        self.seed, self.heard = seed, heard
        self.labels = labels = recipe.labels
        torch.manual_seed(seed)
        self.model = build(
            recipe.architecture,
            bands=recipe.front_end.columns,
            classes=len(labels),
            options=recipe.options,
            windowing=recipe.windowing,
        )
        self.averaged = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            _by_decay(self.model, recipe.optimiser.weight_decay), lr=recipe.optimiser.rate
        )
        self.epoch = self.step = 0
        self.history: tuple[dict[str, float], ...] = ()
        self.temperature = 1.0

    def run_epoch(self, advance: Callable[[float], None] | None = None) -> float:
        """Train for one epoch and return its mean loss.

        Args:
            advance: Told the loss after each batch.
        """
        rng = np.random.default_rng([self.seed, self.epoch])
        self.model.train()
        total = 0.0
        for batch in training_batches(
            self.features, recipe=self.recipe, labels=self.labels, noise=self.noise, rng=rng
        ):
            loss = self._learn(batch, rng)
            total += loss
            if advance is not None:
                advance(loss)
        self.epoch += 1
        return total / self.recipe.optimiser.steps_per_epoch

    def _learn(self, batch: Batch, rng: np.random.Generator) -> float:
        settings = self.recipe.optimiser
        for group in self.optimiser.param_groups:
            group["lr"] = settings.rate * self._rate_share()
        logmel, frames = torch.from_numpy(batch.logmel), torch.from_numpy(batch.frames)
        targets = nn.functional.one_hot(torch.from_numpy(batch.targets), len(self.labels)).float()
        if rng.random() < settings.mixup:
            share = float(rng.beta(settings.mixup_alpha, settings.mixup_alpha))
            other = torch.from_numpy(rng.permutation(len(frames)))
            logmel = share * logmel + (1 - share) * logmel[other]
            frames = torch.maximum(frames, frames[other])
            targets = share * targets + (1 - share) * targets[other]
        logits = self.model(logmel, frames)[0]
        loss = nn.functional.cross_entropy(
            logits, targets, label_smoothing=settings.label_smoothing
        )
        if self.teacher is not None:
            taught = nn.functional.cross_entropy(logits, self.teacher.posterior(logmel, frames))
            loss = torch.lerp(loss, taught, self.teacher.share)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip_norm)
        self.optimiser.step()
        self.step += 1
        self._average()
        return float(loss.detach())

    def _rate_share(self) -> float:
        settings = self.recipe.optimiser
        steps = settings.epochs * settings.steps_per_epoch
        if self.step < settings.warm_up_steps:
            return (self.step + 1) / settings.warm_up_steps
        done = (self.step - settings.warm_up_steps) / max(steps - settings.warm_up_steps, 1)
        return 0.5 * (1 + float(np.cos(np.pi * min(done, 1.0))))

    def _average(self) -> None:
        # A short memory at first, so that the fresh weights are soon forgotten.
        decay = min(self.recipe.optimiser.average, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.averaged[name].lerp_(value, 1 - decay)
            else:
                self.averaged[name].copy_(value)

    def averaged_model(self) -> nn.Module:
        """Return a copy of the model with the averaged weights."""
        return self.checkpoint().model()

    def judge(self, development: FeatureSet) -> dict[str, float]:
        """Score the development speakers and fit the temperature on them.

        Returns:
            UAR in percent by corpus, their mean as ``mean``, and the temperature.
        """
        scorer = torch_scorer(self.averaged_model())
        logits = score_utterances(scorer, development, self.recipe.windowing)
        truth = np.array([label_index(str(clip.label), self.labels) for clip in development.clips])
        self.temperature = fit_temperature(logits, truth)
        figures: dict[str, float] = {}
        corpora = np.array([clip.corpus for clip in development.clips])
        for corpus in sorted({clip.corpus for clip in development.clips}):
            part = development.of_corpus(corpus)
            figures[corpus] = 100 * confusion(logits[corpora == corpus], part, self.labels).uar
        figures["mean"] = float(np.mean(list(figures.values())))
        figures["temperature"] = self.temperature
        return figures

    def checkpoint(self) -> Checkpoint:
        """Return the state of the run."""
        return Checkpoint(
            recipe=self.recipe,
            labels=self.labels,
            seed=self.seed,
            epoch=self.epoch,
            step=self.step,
            weights={name: value.clone() for name, value in self.model.state_dict().items()},
            averaged={name: value.clone() for name, value in self.averaged.items()},
            optimiser=self.optimiser.state_dict(),
            random_state=torch.get_rng_state(),
            heard=self.heard,
            temperature=self.temperature,
            history=self.history,
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same recipe, seed and data.

        Raises:
            CheckpointError: it is of another run; the message names what differs.
        """
        for name, theirs, ours in (
            ("recipe", checkpoint.recipe, self.recipe),
            ("seed", checkpoint.seed, self.seed),
            ("data", checkpoint.heard, self.heard),
            ("labels", checkpoint.labels, self.labels),
        ):
            if theirs != ours:
                raise CheckpointError(
                    f"the run in this folder has another {name}; choose another folder or remove it"
                )
        self.model.load_state_dict(checkpoint.weights)
        self.averaged = {name: value.clone() for name, value in checkpoint.averaged.items()}
        self.optimiser.load_state_dict(checkpoint.optimiser)
        torch.set_rng_state(checkpoint.random_state)
        self.epoch, self.step = checkpoint.epoch, checkpoint.step
        self.history, self.temperature = checkpoint.history, checkpoint.temperature


def train(
    trainer: Trainer,
    *,
    folder: Path,
    development: FeatureSet | None = None,
    stop_after: int | None = None,
    observer: RunObserver | None = None,
) -> Checkpoint:
    """Train to the recipe's last epoch, keeping the latest and the best checkpoint in a folder.

    A run that was interrupted goes on after its last whole epoch, and ends with the same weights.

    Args:
        trainer: The run.
        folder: Where the checkpoints go.
        development: The speakers that the best epoch and the temperature are chosen on; without
            them the last epoch counts as the best.
        stop_after: End after this epoch, as an interruption would.
        observer: Told how far it is.

    Returns:
        The best checkpoint.

    Raises:
        CheckpointError: the folder holds a run of another recipe, seed or data.
    """
    latest, best = folder / LATEST, folder / BEST
    if latest.exists():
        trainer.resume(Checkpoint.load(latest))
    settings = trainer.recipe.optimiser
    end = min(settings.epochs, stop_after or settings.epochs)
    while trainer.epoch < end:
        if observer is not None:
            observer.epoch_started(
                trainer.epoch + 1, epochs=settings.epochs, steps=settings.steps_per_epoch
            )
        loss = trainer.run_epoch(observer.batch_done if observer is not None else None)
        figures: dict[str, float] = {"loss": loss}
        if development is not None:
            figures |= trainer.judge(development)
        trainer.history = (*trainer.history, figures)
        checkpoint = trainer.checkpoint()
        if best_of(trainer.history) == len(trainer.history) - 1:
            checkpoint.save(best)
        checkpoint.save(latest)
        if observer is not None:
            observer.epoch_done(figures)
    return Checkpoint.load(best)


def best_of(history: tuple[dict[str, float], ...]) -> int:
    """Return the epoch, from 0, with the highest mean UAR on the development speakers.

    Without development speakers it is the last one.
    """
    scores = [figures.get("mean", float(epoch)) for epoch, figures in enumerate(history)]
    return int(np.argmax(scores))


def _by_decay(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Return parameter groups: weight matrices decay, biases and normalisations do not."""
    matrices: list[Tensor] = [value for value in model.parameters() if value.ndim > 1]
    vectors: list[Tensor] = [value for value in model.parameters() if value.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
