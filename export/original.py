"""The model that is exported: a checkpoint's, or somebody's own with the same input and output."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from affectd.kernels.voice_experts import VoiceExperts
from affectd.models.card import AddedNoise
from affectd.models.checkpoint import Checkpoint, CheckpointError, Heard
from affectd.models.labels import valence_arousal_of
from affectd.models.recipes import Distillation, Recipe
from affectd.models.systems import System
from affectd.models.windowing import Windowing

__all__ = ["Original", "added_noise", "sha256_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A trained PyTorch model and what an artefact has to say of it."""

    name: str
    model: nn.Module
    """Takes ``(logmel, frames)``: normalised windows, float32 ``(batch, frames, bands)``, and the
    valid frames of each, int64 ``(batch,)``. Returns logits ``(batch, classes)``, embeddings
    ``(batch, d)`` and attention ``(batch, steps)``, float32."""
    labels: tuple[str, ...]
    windowing: Windowing
    temperature: float = 1.0
    """Divides the logits before the softmax."""
    heard: tuple[Heard, ...]
    """What it was trained on."""
    valence_arousal: Mapping[str, tuple[float, float]]
    """Of each label, each within ±1."""
    sha256: str
    """Of the checkpoint's file, or of the weights: see `sha256_of`."""
    in_float: tuple[str, ...] = ()
    """Modules that INT8 leaves in floating point: small ones, on which every logit hangs."""
    noise: AddedNoise | None = None
    """What was added to the speech in training; `None` where that is not known."""
    teacher: Distillation | None = None
    """Whom it has learnt from beside the labels."""
    voice_experts: VoiceExperts | None = None
    """What knows, from the embeddings, how a voice lies."""

    @classmethod
    def of_checkpoint(cls, path: Path, *, name: str | None = None) -> Original:
        """Read a checkpoint of affectd.

        Raises:
            CheckpointError: it cannot be used; the message names the file and the reason.
        """
        checkpoint = Checkpoint.load(path)
        try:
            model = checkpoint.model()
        except CheckpointError as error:
            raise CheckpointError(f"checkpoint {path}: {error}") from None
        return cls(
            name=name or checkpoint.recipe.name,
            model=model,
            labels=checkpoint.labels,
            windowing=checkpoint.recipe.windowing,
            temperature=checkpoint.temperature,
            heard=checkpoint.heard,
            valence_arousal={label: valence_arousal_of(label) for label in checkpoint.labels},
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            in_float=tuple(getattr(model, "in_float", ())),
            noise=added_noise(checkpoint.recipe),
            teacher=checkpoint.recipe.teacher,
            voice_experts=checkpoint.voice_experts,
        )

    @property
    def speakers(self) -> dict[str, frozenset[str]]:
        """The speakers heard, by corpus."""
        return {one.corpus: frozenset(one.speakers) for one in self.heard}


def added_noise(recipe: Recipe) -> AddedNoise:
    """Return what is added to the speech where a recipe is trained."""
    if not isinstance(recipe, System):
        return "recorded" if recipe.noise else "coloured"
    # A system hears no recordings of noise, whatever stands under `noise`.
    return "coloured" if recipe.augmented and recipe.augmentation.noise else "none"


def sha256_of(model: nn.Module) -> str:
    """Return a hash over the names, types and values of a model's tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        array = np.ascontiguousarray(tensor.detach().cpu().numpy())
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
