"""A network that was trained on pictures, with a small head, over images of speech."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from affectd.models.foreign_weights import WeightsError
from affectd.models.spectral import dense_layers
from affectd.models.spelling import nearest
from affectd.models.views import Image
from affectd.models.vision_trunks import TRUNKS, convolutions
from affectd.models.windowing import Windowing

__all__ = ["Vision", "VisionOptions"]

WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionOptions:
    """Which network, its image, and the head."""

    network: Literal["vgg19", "resnet50", "mobilenetv3-large"] = "mobilenetv3-large"
    width: float = 1.0
    """Factor of its channels; foreign weights are of 1."""
    frozen: int = 0
    """How many convolutions, from the first, do not learn."""
    steps: int = 128
    height: int = 0
    dense: tuple[int, ...] = (128, 64)
    dropout: float = 0.6


class Vision(nn.Module):
    """The trunk, the mean over its plane, dense layers with batch normalisation.

    Args:
        windowing: What the image is made from.
        classes: Number of outputs.
        options: The network and the head.

    Raises:
        ValueError: there is no such network.
    """

    def __init__(
        self, windowing: Windowing, *, classes: int, options: VisionOptions | None = None
    ) -> None:
        super().__init__()
        self.options = options = options or VisionOptions()
        if options.network not in TRUNKS:
            raise ValueError(f"no network {options.network!r}; {nearest(options.network, TRUNKS)}")
        self.view = Image(windowing, steps=options.steps, height=options.height, channels=3)
        self.trunk = TRUNKS[options.network](options.width)
        for layer in islice(convolutions(self.trunk), options.frozen):
            layer.requires_grad_(requires_grad=False)
        self.dense, self.classify = dense_layers(
            self.trunk.outputs, options.dense, classes, norm=True, dropout=options.dropout
        )

    def take_weights(self, folder: Path) -> None:
        """Take the trunk's weights from ``model.safetensors``, as `timm`'s repositories hold it.

        Raises:
            WeightsError: there is none, or it is of another network.
        """
        file = folder / WEIGHTS
        if not file.is_file():
            raise WeightsError(f"{folder} holds no {WEIGHTS}: expected are `timm`'s weights")
        try:
            theirs = load_file(file)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{file} cannot be read: {error}") from None
        ours = self.trunk.state_dict()
        wrong = Counter(
            "missing" if name not in theirs else "of another shape"
            for name, value in ours.items()
            # How many batches were counted is told by some and needed by none.
            if not name.endswith("num_batches_tracked")
            and (name not in theirs or theirs[name].shape != value.shape)
        )
        if wrong:
            told = ", ".join(f"{count} {what}" for what, count in wrong.items())
            raise WeightsError(
                f"{file} is not of {self.options.network}: of its {len(ours)} tensors {told}"
            )
        chosen = {name: theirs[name] for name in ours if name in theirs}
        self.trunk.load_state_dict(chosen, strict=False)

    def forward(self, logmel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score windows; see `affectd.models.crnn.Crnn.forward`."""
        return self.body(self.view(logmel, frames))

    def body(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score images, float32 ``(batch, 3, steps, height)``."""
        plane: Tensor = self.trunk(image)
        embedding = self.dense(plane.mean((2, 3)))
        return self.classify(embedding), embedding, torch.ones_like(embedding[:, :1])
