"""A small head on the first blocks of an encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.models.test_whisper_weights import folder

from affectd.kernels.front_end import FrontEnd
from affectd.models.whisper_trunk import Whisper, WhisperOptions
from affectd.models.windowing import Windowing

__all__ = ["folder"]

WINDOWING = Windowing(
    front_end=FrontEnd(fft_samples=400, hop_samples=160, bands=80),
    normalisation="whisper",
    window_seconds=3.0,
    hop_seconds=0.25,
    minimum_seconds=0.6,
)


@pytest.mark.parametrize("frozen", [True, False])
def test_padding_says_nothing_and_only_a_tuned_trunk_learns(folder: Path, frozen: bool) -> None:
    torch.manual_seed(0)
    model = Whisper(WINDOWING, classes=3, options=WhisperOptions(blocks=1, frozen=frozen))
    model.take_weights(folder)
    window = torch.rand(1, 120, 80)
    padded = torch.nn.functional.pad(window, (0, 0, 0, 60))
    model.eval()
    alone = model(window, torch.tensor([120]))
    both = model(padded, torch.tensor([120]))
    np.testing.assert_allclose(both[0].detach(), alone[0].detach(), atol=1e-5)
    assert float(alone[2][0, :92].detach().abs().sum()) == 0, "steps of padding are not attended"
    alone[0].sum().backward()
    assert (model.trunk.conv1.weight.grad is None) == frozen
