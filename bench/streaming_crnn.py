"""Variants of the CRNN whose windows share work, to measure what that would gain and cost.

They are no part of what is shipped: ``docs/performance.md`` says why.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from affectd.models.architectures import ARCHITECTURES
from affectd.models.crnn import CrnnOptions
from affectd.models.windowing import Windowing

__all__ = ["REACH_FRAMES", "STEP_FRAMES", "StreamingCrnn", "Variant", "register"]

Variant = Literal["trunk", "causal"]

STEP_FRAMES = 4
"""Frames in a step of the attention."""
REACH_FRAMES = 20
"""Frames before a step's own first one that its convolutions see."""
_PRIOR_FRAMES = 8
_LOWEST = -1e4


class StreamingCrnn(nn.Module):
    """The CRNN with convolutions that look back only, over a running normalisation.

    What the trunk makes of a frame depends on no later one, so that it is the same in every window
    of an utterance and need be computed once.

    Args:
        bands: Mel bands of the input.
        classes: Number of outputs.
        options: Sizes.
        variant: ``trunk`` runs a bidirectional LSTM on the steps of each window; ``causal`` an
            LSTM that only looks back, whose state goes from one window to the next.
    """

    def __init__(self, *, bands: int, classes: int, options: CrnnOptions, variant: Variant) -> None:
        super().__init__()
        first, second, third = options.channels
        self.stem = _Block(1, first, kernel=5, stride=(2, 2), pool=1)
        self.blocks = nn.Sequential(
            _Block(first, first, kernel=3, stride=(1, 1), pool=2),
            nn.Dropout2d(options.convolution_dropout),
            _Block(first, second, kernel=3, stride=(2, 1), pool=2),
            nn.Dropout2d(options.convolution_dropout),
            _Block(second, third, kernel=3, stride=(1, 1), pool=2),
            nn.Dropout2d(options.convolution_dropout),
        )
        self.features = third * (bands // 16)
        both = variant == "trunk"
        self.recurrent = nn.LSTM(
            self.features,
            options.recurrent,
            num_layers=2,
            batch_first=True,
            bidirectional=both,
            dropout=options.dropout,
        )
        width = (2 if both else 1) * options.recurrent
        self.attention = nn.Sequential(nn.Linear(width, 128), nn.Tanh(), nn.Linear(128, 1))
        self.embed = nn.Sequential(
            nn.Dropout(options.dropout), nn.Linear(2 * width, options.hidden), nn.ReLU()
        )
        self.classify = nn.Sequential(
            nn.Dropout(options.dropout), nn.Linear(options.hidden, classes)
        )

    def trunk(self, logmel: Tensor) -> Tensor:
        """Return the steps ``(batch, steps, features)`` of frames normalised as they came."""
        x = self.blocks(self.stem(logmel.unsqueeze(1)))
        steps: Tensor = x.permute(0, 2, 3, 1).flatten(2)
        return steps

    def head(self, steps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score what the LSTM made of a window's steps, of which the mask says the valid ones."""
        scores = self.attention(steps)[:, :, 0] * mask + _LOWEST * (1 - mask)
        attention = torch.softmax(scores, dim=1)
        weights = attention.unsqueeze(2)
        mean = (steps * weights).sum(1)
        variance = ((steps - mean.unsqueeze(1)).square() * weights).sum(1)
        embedding = self.embed(torch.cat([mean, (variance + 1e-5).sqrt()], dim=1))
        return self.classify(embedding), embedding, attention

    def forward(self, logmel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score whole windows, as `affectd.models.crnn.Crnn` does."""
        steps = self.trunk(running_normalisation(logmel))
        valid = (frames + STEP_FRAMES - 1) // STEP_FRAMES
        mask = (torch.arange(steps.shape[1])[None, :] < valid[:, None]).float()
        packed = nn.utils.rnn.pack_padded_sequence(
            steps, valid.cpu(), batch_first=True, enforce_sorted=False
        )
        heard, _ = nn.utils.rnn.pad_packed_sequence(
            self.recurrent(packed)[0], batch_first=True, total_length=steps.shape[1]
        )
        return self.head(heard, mask)


def running_normalisation(logmel: Tensor) -> Tensor:
    """Return each frame freed from the mean and deviation of all frames so far.

    It undoes any gain and offset of the whole, so that it may stand behind a window's own
    normalisation; what it gives the first frames is drawn towards what they are.
    """
    count = torch.arange(1, logmel.shape[1] + 1, device=logmel.device)[None, :, None]
    mean = logmel.mean(2, keepdim=True).cumsum(1) / count
    square = logmel.square().mean(2, keepdim=True).cumsum(1) / count
    spread = (square - mean.square()).clamp_min(1e-6)
    # One frame's own deviation says little of the speech's.
    spread = (spread * count + _PRIOR_FRAMES) / (count + _PRIOR_FRAMES)
    return (logmel - mean) / spread.sqrt()


class _Block(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: tuple[int, int], pool: int
    ) -> None:
        super().__init__()
        half = kernel // 2
        # All of the padding in time lies before.
        self.pad = nn.ZeroPad2d((half, half, kernel - 1, 0))
        self.convolve = nn.Conv2d(inputs, outputs, kernel, stride, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.pool = nn.MaxPool2d((1, pool)) if pool > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.pool(torch.relu(self.norm(self.convolve(self.pad(x)))))
        return pooled


def register() -> None:
    """Let recipes name the variants as architectures: ``crnn-trunk`` and ``crnn-causal``."""

    def build(variant: Variant) -> Any:
        def architecture(windowing: Windowing, classes: int, options: Any) -> nn.Module:
            values: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in options.items()
            }
            return StreamingCrnn(
                bands=windowing.front_end.columns,
                classes=classes,
                options=CrnnOptions(**values),
                variant=variant,
            )

        return architecture

    ARCHITECTURES.setdefault("crnn-trunk", build("trunk"))
    ARCHITECTURES.setdefault("crnn-causal", build("causal"))
