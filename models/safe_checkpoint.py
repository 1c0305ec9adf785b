"""Checkpoints as safetensors: tensors and text, with nothing in the file that could be code.

The tensors are the averaged weights; everything else a checkpoint says of itself stands as JSON
under the key ``affectd`` of the file's metadata. A run cannot go on from such a file, for it has
no state of the optimiser; it can be scored and exported.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from affectd.models.replacing import replacing

if TYPE_CHECKING:
    from affectd.models.checkpoint import Checkpoint

__all__ = ["read_values", "save_safe"]

_KEY = "affectd"


def save_safe(checkpoint: Checkpoint, path: Path) -> None:
    """Write the model of a checkpoint; the file is the old one or the new one, whole."""
    told = {
        "format_version": 1,
        "recipe": checkpoint.recipe.to_dict(),
        "labels": list(checkpoint.labels),
        "seed": checkpoint.seed,
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "heard": [corpus.to_dict() for corpus in checkpoint.heard],
        "temperature": checkpoint.temperature,
        "voice_experts": checkpoint.voice_experts and checkpoint.voice_experts.to_dict(),
    }
    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.averaged.items()}
    with replacing(path) as unfinished:
        save_file(tensors, unfinished, metadata={_KEY: json.dumps(told)})


def read_values(path: Path) -> dict[str, Any]:
    """Return what `affectd.models.checkpoint.Checkpoint` is made from.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no safetensors file, or says nothing of affectd.
    """
    try:
        with safe_open(path, framework="pt") as file:
            told = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"it is no whole safetensors file ({error})") from None
    if told is None:
        raise ValueError(f"its metadata has no key {_KEY!r}: it is no checkpoint of affectd")
    try:
        values = json.loads(told)
    except ValueError:
        raise ValueError(f"its metadata {_KEY!r} is no JSON") from None
    if not isinstance(values, dict):
        raise ValueError(f"its metadata {_KEY!r} is no JSON object")
    return {
        **values,
        "weights": tensors,
        "averaged": tensors,
        "optimiser": {},
        "random_state": torch.get_rng_state(),
        "history": [],
    }
