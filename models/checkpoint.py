"""A checkpoint: the state of a training run, from which it goes on or is exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from affectd.kernels.voice_experts import VoiceExperts
from affectd.models.architectures import build
from affectd.models.labels import valence_arousal_of
from affectd.models.recipes import Recipe
from affectd.models.replacing import replacing
from affectd.models.safe_checkpoint import read_values
from affectd.models.systems import recipe_from

__all__ = ["Checkpoint", "CheckpointError", "Heard"]

_FORMAT_VERSION = 1


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message names the file and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What of a corpus a model has heard."""

    corpus: str
    licence: str
    clips: int
    """Clips trained on."""
    speakers: tuple[str, ...]
    """Speakers trained on, or that a setting was chosen on."""
    resynthesised: int = 0
    """How many of the clips were spectrograms, and made sound again."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "corpus": self.corpus,
            "licence": self.licence,
            "clips": self.clips,
            "speakers": list(self.speakers),
            "resynthesised": self.resynthesised,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Everything a run needs to go on as if it had never stopped."""

    recipe: Recipe
    labels: tuple[str, ...]
    seed: int
    epoch: int
    """Epochs done."""
    step: int
    """Batches done."""
    weights: dict[str, Tensor]
    """As the optimiser left them."""
    averaged: dict[str, Tensor]
    """Their moving average: the model that is evaluated and exported."""
    optimiser: dict[str, Any]
    random_state: Tensor
    """Of torch's generator; the data's generator starts from seed and epoch."""
    heard: tuple[Heard, ...]
    temperature: float = 1.0
    """Divides the logits before the softmax; fitted on the development speakers."""
    history: tuple[dict[str, float], ...] = field(default=())
    """What was measured after each epoch."""
    voice_experts: VoiceExperts | None = None
    """What knows how a voice lies, where one was trained beside the model."""

    def model(self) -> nn.Module:
        """Return the model with the averaged weights, ready to score.

        Raises:
            CheckpointError: there is no such architecture, or a tensor is missing, has another
                shape, or is not finite.
        """
        try:
            model = build(
                self.recipe.architecture,
                bands=self.recipe.front_end.columns,
                classes=len(self.labels),
                options=self.recipe.options,
                windowing=self.recipe.windowing,
            )
        except ValueError as error:
            raise CheckpointError(str(error)) from None
        _check_tensors(model.state_dict(), self.averaged)
        model.load_state_dict(self.averaged)
        return model.eval()

    def save(self, path: Path) -> None:
        """Write the checkpoint so that the file is either the old one or the new one, whole."""
        values = {
            "format_version": _FORMAT_VERSION,
            "recipe": self.recipe.to_dict(),
            "labels": list(self.labels),
            "seed": self.seed,
            "epoch": self.epoch,
            "step": self.step,
            "weights": self.weights,
            "averaged": self.averaged,
            "optimiser": self.optimiser,
            "random_state": self.random_state,
            "heard": [corpus.to_dict() for corpus in self.heard],
            "temperature": self.temperature,
            "history": list(self.history),
            "voice_experts": self.voice_experts and self.voice_experts.to_dict(),
        }
        with replacing(path) as unfinished:
            torch.save(values, unfinished)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a checkpoint, ``.safetensors`` or torch's own; no code in it is ever run.

        Raises:
            CheckpointError: the file is missing, truncated, holds something else than tensors and
                plain values, or lacks a field.
        """
        try:
            values: object
            if path.suffix == ".safetensors":
                values = read_values(path)
            else:
                values = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise CheckpointError(f"checkpoint {path}: no such file") from None
        except UnpicklingError:
            raise CheckpointError(
                f"checkpoint {path}: it holds more than tensors and plain values, or is no "
                "checkpoint, and was not loaded"
            ) from None
        except (OSError, ValueError) as error:
            raise CheckpointError(f"checkpoint {path} cannot be read: {_reason(error)}") from None
        except Exception as error:  # what torch makes of rubbish has no common base
            raise CheckpointError(
                f"checkpoint {path} cannot be read: it is cut short or no checkpoint "
                f"({_reason(error)})"
            ) from None
        try:
            return cls._from_values(values)
        except ValueError as error:
            raise CheckpointError(f"checkpoint {path}: {error}") from None

    @classmethod
    def _from_values(cls, values: object) -> Checkpoint:
        if not isinstance(values, dict) or "format_version" not in values:
            raise CheckpointError("it is no checkpoint of affectd")
        if values["format_version"] != _FORMAT_VERSION:
            raise CheckpointError(
                f"format_version is {values['format_version']!r}; allowed is {_FORMAT_VERSION}"
            )
        try:
            labels = tuple(values["labels"])
            for label in labels:
                try:
                    valence_arousal_of(label)
                except ValueError as error:
                    raise CheckpointError(str(error)) from None
            temperature = float(values["temperature"])
            if not 0 < temperature <= 100:
                raise CheckpointError(
                    f"temperature is {temperature}; allowed is above 0, up to 100"
                )
            return cls(
                recipe=recipe_from(values["recipe"]),
                labels=labels,
                seed=int(values["seed"]),
                epoch=int(values["epoch"]),
                step=int(values["step"]),
                weights=dict(values["weights"]),
                averaged=dict(values["averaged"]),
                optimiser=dict(values["optimiser"]),
                random_state=values["random_state"],
                heard=tuple(
                    Heard(
                        corpus=str(entry["corpus"]),
                        licence=str(entry["licence"]),
                        clips=int(entry["clips"]),
                        speakers=tuple(entry["speakers"]),
                        resynthesised=int(entry.get("resynthesised", 0)),
                    )
                    for entry in values["heard"]
                ),
                temperature=temperature,
                history=tuple(values["history"]),
                voice_experts=_voice_experts(values.get("voice_experts")),
            )
        except KeyError as error:
            raise CheckpointError(f"field {error.args[0]!r} is missing") from None
        except TypeError as error:
            raise CheckpointError(f"a field has the wrong type: {error}") from None


def _reason(error: Exception) -> str:
    """Return the first sentence of what an error says, its kind where it says nothing."""
    said = next(iter(str(error).splitlines()), "").partition(". ")[0]
    return said or type(error).__name__


def _voice_experts(value: object) -> VoiceExperts | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise CheckpointError(f"voice_experts is of type {type(value).__name__}")
    try:
        return VoiceExperts.from_dict(value)
    except ValueError as error:
        raise CheckpointError(f"voice_experts: {error}") from None


def _check_tensors(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    for name, tensor in wanted.items():
        if name not in given:
            raise CheckpointError(f"tensor {name!r} is missing")
        found = given[name]
        if not isinstance(found, Tensor) or found.shape != tensor.shape:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise CheckpointError(f"tensor {name!r} is {shape}; needed is {tuple(tensor.shape)}")
        if found.is_floating_point() and not bool(torch.isfinite(found).all()):
            raise CheckpointError(f"tensor {name!r} holds NaN or infinity")
    if unknown := sorted(set(given) - set(wanted)):
        raise CheckpointError(f"tensor {unknown[0]!r} is not part of the model")
