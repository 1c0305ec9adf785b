"""Trains a paper's system as the paper does: its split, loss, schedule and choice of epoch."""

from __future__ import annotations

import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from affectd.models.checkpoint import Checkpoint, CheckpointError, Heard
from affectd.models.division import Division
from affectd.models.features import FeatureSet
from affectd.models.forest_training import fit_forest
from affectd.models.labels import label_index, valence_arousal_of
from affectd.models.system_inputs import Inputs
from affectd.models.system_network import fresh_model
from affectd.models.systems import Schedule, System
from affectd.models.training import BEST, LATEST, RunObserver

__all__ = ["check_same_run", "fit_system", "rate_share", "score"]

_SAVE_SECONDS = 60.0
_PLATEAU_EPOCHS = 3
_SCORED_AT_ONCE = 64


def fit_system(
    system: System,
    *,
    features: FeatureSet,
    division: Division,
    folder: Path,
    seed: int,
    heard: tuple[Heard, ...],
    observer: RunObserver | None = None,
    stop_after: int | None = None,
    weights: Path | None = None,
) -> Checkpoint:
    """Train a system and keep its latest and its best checkpoint in a folder.

    The best epoch is that with the highest accuracy on the development part, the latest of equals;
    without such a part it is the last one. An interrupted run goes on after its last whole epoch;
    one that was killed, after the last that was saved, a minute before at most.

    Args:
        system: What is trained.
        features: The clips, labelled as the system labels them.
        division: Who is for what; the test part is not looked at.
        folder: Where the checkpoints go.
        seed: Decides the first weights, every draw and every dropout.
        heard: What the checkpoint says of its data.
        observer: Told how far it is.
        stop_after: End after this epoch, as an interruption would.
        weights: The folder of foreign weights; needed by a system that begins with some.

    Returns:
        The best checkpoint.

    Raises:
        CheckpointError: the folder holds a run of another system, seed or data.
        ValueError: the training diverged.
        WeightsError: the foreign weights are missing or of another kind.
    """
    if system.schedule.optimiser == "forest":
        return fit_forest(
            system,
            features=features,
            division=division,
            folder=folder,
            seed=seed,
            heard=heard,
            observer=observer,
        )
    run = _Run(system, features, division, seed, heard, weights)
    if (folder / LATEST).exists():
        run.resume(Checkpoint.load(folder / LATEST))
    elif system.schedule.pretraining_epochs:
        run.pretrain()
    epochs = min(system.schedule.epochs, stop_after or system.schedule.epochs)
    saved = time.monotonic()
    latest = run.checkpoint()
    try:
        while run.epoch < epochs and not run.exhausted:
            if observer is not None:
                observer.epoch_started(
                    run.epoch + 1, epochs=system.schedule.epochs, steps=run.steps_per_epoch
                )
            figures = run.run_epoch(observer)
            latest = run.checkpoint()
            if observer is not None:
                observer.epoch_done(figures)
            if time.monotonic() - saved > _SAVE_SECONDS:
                latest.save(folder / LATEST)
                saved = time.monotonic()
        latest.save(folder / LATEST)
    except KeyboardInterrupt:
        latest.save(folder / LATEST)
        raise
    best = run.checkpoint(best=True)
    best.save(folder / BEST)
    return best


def score(system: System, model: nn.Module, inputs: Inputs, places: Any) -> npt.NDArray[np.float64]:
    """Return the logits of some clips, float64 ``(clips, classes)``."""
    model.eval()
    with torch.inference_mode():
        parts = [
            _forward(model, inputs.kept[chosen])[0].float()
            for chosen in torch.split(torch.from_numpy(np.asarray(places)), _SCORED_AT_ONCE)
        ]
    return torch.cat(parts).double().numpy()


def _forward(model: nn.Module, views: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    body: Any = getattr(model, "body", None)
    scored: tuple[Tensor, Tensor, Tensor]
    scored = body(views) if body is not None else model(views[:, :, :-1], views[:, 0, -1].long())
    return scored


def rate_share(schedule: Schedule, epoch: int, losses: list[float]) -> float:
    """Return what share of the rate an epoch has.

    Args:
        schedule: The plan.
        epoch: Counted from 0.
        losses: The development losses of all epochs before it.
    """
    if schedule.plan == "cosine":
        return 0.5 * (1 + float(np.cos(np.pi * epoch / schedule.epochs)))
    if schedule.plan == "restarts":
        length, start = 10, 0
        while epoch >= start + length:
            start, length = start + length, length * 2
        return 0.5 * (1 + float(np.cos(np.pi * (epoch - start) / length)))
    share = 1.0
    if schedule.plan == "plateau":
        lowest, waited = float("inf"), 0
        for loss in losses:
            if loss < lowest:
                lowest, waited = loss, 0
            else:
                waited += 1
                if waited > _PLATEAU_EPOCHS:
                    share, waited = share / 2, 0
    return share


class _Run:
    def __init__(
        self,
        system: System,
        features: FeatureSet,
        division: Division,
        seed: int,
        heard: tuple[Heard, ...],
        weights: Path | None,
    ) -> None:
        self.system, self.division, self.seed, self.heard = system, division, seed, heard
        torch.manual_seed(seed)
        self.model = fresh_model(system, weights)
        self.inputs = Inputs(features, system, self.model)
        fit: Any = getattr(self.model, "fit", None)
        if fit is not None:
            fit(self.inputs.kept[torch.from_numpy(division.train)])
        labels = system.labels
        self.targets = np.array([label_index(str(c.label), labels) for c in features.clips])
        self.epoch = 0
        self.history: tuple[dict[str, float], ...] = ()
        self.best_state = _copied(self.model)
        self.optimiser = _optimiser(self.model, system.schedule)
        counts = np.bincount(self.targets[division.train], minlength=len(labels))
        share = counts / counts.sum()
        self.class_weights = torch.ones(len(labels))
        if system.schedule.balance == "weights":
            weights = 1 / np.maximum(share * len(labels), 1e-3)
            self.class_weights = torch.from_numpy(weights).float()
        points = np.array([valence_arousal_of(label) for label in labels])
        apart = np.linalg.norm(points[:, None] - points[None], axis=2)
        self.distances = torch.from_numpy(apart / max(apart.max(), 1e-6)).float()

    @property
    def steps_per_epoch(self) -> int:
        return max(len(self._order(np.random.default_rng(0))) // self.system.schedule.batch, 1)

    @property
    def exhausted(self) -> bool:
        """Whether the patience is at an end."""
        patience, losses = self.system.schedule.patience, self._losses()
        return bool(patience and losses and len(losses) - 1 - int(np.argmin(losses)) >= patience)

    def _losses(self) -> list[float]:
        return [each["development-loss"] for each in self.history if "development-loss" in each]

    def _order(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        train = self.division.train
        if self.system.schedule.balance in ("none", "weights"):
            return rng.permutation(train)
        classes = [train[self.targets[train] == k] for k in np.unique(self.targets[train])]
        sizes = [len(members) for members in classes]
        size = min(sizes) if self.system.schedule.balance == "under" else max(sizes)
        drawn = [
            rng.permutation(
                np.concatenate([rng.permutation(members) for _ in range(-(-size // n))])[:size]
            )
            for members, n in zip(classes, sizes, strict=True)
        ]
        return rng.permutation(np.concatenate(drawn))

    def run_epoch(self, observer: RunObserver | None) -> dict[str, float]:
        schedule = self.system.schedule
        rng = np.random.default_rng([self.seed, self.epoch])
        torch.manual_seed(self.seed * 100_003 + self.epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.rate * rate_share(schedule, self.epoch, self._losses())
        self.model.train()
        order = self._order(rng)
        total, steps = 0.0, 0
        for start in range(0, max(len(order) - schedule.batch + 1, 1), schedule.batch):
            chosen = order[start : start + schedule.batch]
            loss = self._loss(self.inputs.drawn(chosen, rng), chosen)
            if not bool(loss.isfinite()):
                raise ValueError(
                    f"the loss is {loss.item()} in epoch {self.epoch + 1}: the training has "
                    "diverged; a lower schedule.rate, or schedule.clip_norm, would help"
                )
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            if schedule.clip_norm:
                nn.utils.clip_grad_norm_(self.model.parameters(), schedule.clip_norm)
            self.optimiser.step()
            total, steps = total + float(loss.detach()), steps + 1
            if observer is not None:
                observer.batch_done(float(loss.detach()))
        self.epoch += 1
        figures = {"loss": total / steps}
        if len(self.division.development):
            figures |= self._judge()
        self.history = (*self.history, figures)
        if not len(self.division.development) or figures["accuracy"] >= max(
            each["accuracy"] for each in self.history
        ):
            self.best_state = _copied(self.model)
        return figures

    def _judge(self) -> dict[str, float]:
        self.model.eval()
        right, loss = 0, 0.0
        places = self.division.development
        with torch.inference_mode():
            for start in range(0, len(places), _SCORED_AT_ONCE):
                chosen = places[start : start + _SCORED_AT_ONCE]
                views = self.inputs.kept[torch.from_numpy(chosen)]
                logits = _forward(self.model, views)[0].float()
                truth = torch.from_numpy(self.targets[chosen])
                right += int((logits.argmax(1) == truth).sum())
                loss += float(nn.functional.cross_entropy(logits, truth, reduction="sum"))
        return {"development-loss": loss / len(places), "accuracy": 100 * right / len(places)}

    def _loss(self, views: Tensor, chosen: npt.NDArray[np.int64]) -> Tensor:
        schedule = self.system.schedule
        if views.ndim == 4:
            views = views.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=schedule.mixed_precision):
            logits = _forward(self.model, views)[0]
        logits = logits.float()
        truth = torch.from_numpy(self.targets[chosen])
        each = nn.functional.cross_entropy(
            logits, truth, reduction="none", label_smoothing=schedule.label_smoothing
        )
        if schedule.distance_weighting:
            expected = (logits.softmax(1) * self.distances[truth]).sum(1)
            each = each * (1 + schedule.distance_weighting * expected)
        weights = self.class_weights[truth]
        return (each * weights).sum() / weights.sum()

    def pretrain(self) -> None:
        """Teach each convolution block to keep what its input holds.

        Source: Y. Bengio et al., "Greedy layer-wise training of deep networks", NIPS 2006.
        """
        blocks: Any = self.model.convolve
        schedule = self.system.schedule
        views = self.inputs.kept[torch.from_numpy(self.division.train)]
        for place, block in enumerate(blocks):
            rng = np.random.default_rng([self.seed, 1_000 + place])
            with torch.no_grad():
                size = block.eval()(views[:1]).shape[1]
            mirror = nn.Sequential(
                nn.Upsample(size=views.shape[2:]),
                nn.Conv2d(size, views.shape[1], 3, padding=1),
            )
            both = [*block.parameters(), *mirror.parameters()]
            optimiser = torch.optim.Adam(both, lr=schedule.rate)
            block.train()
            for _ in range(schedule.pretraining_epochs):
                order = torch.from_numpy(rng.permutation(len(views)))
                for chosen in torch.split(order, schedule.batch):
                    batch = views[chosen].contiguous(memory_format=torch.channels_last)
                    with torch.autocast("cpu", torch.bfloat16, enabled=schedule.mixed_precision):
                        again = mirror(block(batch))
                    loss = nn.functional.mse_loss(again.float(), batch)
                    optimiser.zero_grad(set_to_none=True)
                    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                    optimiser.step()
            block.eval()
            with torch.no_grad():
                views = torch.cat([block(part) for part in torch.split(views, _SCORED_AT_ONCE)])

    def checkpoint(self, *, best: bool = False) -> Checkpoint:
        return Checkpoint(
            recipe=self.system,
            labels=self.system.labels,
            seed=self.seed,
            epoch=self.epoch,
            step=self.epoch * self.steps_per_epoch,
            weights={} if best else _copied(self.model),
            averaged=dict(self.best_state),
            # The optimiser goes on writing into its own.
            optimiser={} if best else deepcopy(self.optimiser.state_dict()),
            random_state=torch.get_rng_state(),
            heard=self.heard,
            history=self.history,
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        check_same_run(checkpoint, self.system, seed=self.seed, heard=self.heard)
        self.model.load_state_dict(checkpoint.weights)
        self.optimiser.load_state_dict(checkpoint.optimiser)
        self.best_state = dict(checkpoint.averaged)
        self.epoch, self.history = checkpoint.epoch, checkpoint.history


def check_same_run(
    checkpoint: Checkpoint, system: System, *, seed: int, heard: tuple[Heard, ...]
) -> None:
    """Refuse a checkpoint that this run would not have made.

    Raises:
        CheckpointError: it is of another recipe, seed or data.
    """
    recipe = checkpoint.recipe
    if isinstance(recipe, System) and recipe.schedule.optimiser == "forest":
        # A forest knows its size when it is grown.
        recipe = recipe.model_copy(update={"options": system.options})
    for name, theirs, ours in (
        ("recipe", getattr(recipe, "digest", None), system.digest),
        ("seed", checkpoint.seed, seed),
        ("data", checkpoint.heard, heard),
    ):
        if theirs != ours:
            raise CheckpointError(
                f"the run in this folder has another {name}; choose another folder or remove it"
            )


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _optimiser(model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if schedule.optimiser == "adamw" else torch.optim.Adam
    learnt = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    decayed = [
        value
        for name, value in learnt
        if value.ndim > 1 and (not schedule.decay_convolutions_only or value.ndim == 4)
    ]
    chosen = {id(value) for value in decayed}
    others = [value for _, value in learnt if id(value) not in chosen]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": schedule.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return kind([group for group in groups if group["params"]], lr=schedule.rate)
