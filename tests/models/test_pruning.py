from __future__ import annotations

import copy

import pytest
import torch

from affectd.models.pruning import prune
from affectd.models.whisper_trunk import BANDS, FRAMES, Trunk


@pytest.fixture(scope="module")
def whole() -> Trunk:
    torch.manual_seed(0)
    trunk = Trunk(2, stride=4, hidden=48)
    torch.nn.init.normal_(trunk.positions)
    for block in trunk.blocks:
        # Only the first sixteen units say anything of their own.
        with torch.no_grad():
            block.widen.weight[16:] = block.widen.weight[:16].repeat(2, 1)
            block.widen.bias[16:] = block.widen.bias[:16].repeat(2)
    return trunk.eval()


@pytest.fixture(scope="module")
def windows() -> torch.Tensor:
    return torch.randn(24, FRAMES, BANDS, generator=torch.Generator().manual_seed(1))


FULL = torch.full((24,), FRAMES)


def test_units_that_say_the_same_are_not_missed(whole: Trunk, windows: torch.Tensor) -> None:
    pruned = prune(whole, windows, FULL, hidden=16)
    for before, after in zip(whole.layers(windows), pruned.layers(windows), strict=True):
        torch.testing.assert_close(after, before, atol=2e-3, rtol=0)


def test_fewer_units_say_less_the_fewer_they_are(whole: Trunk, windows: torch.Tensor) -> None:
    with torch.inference_mode():
        said = whole(windows)
        errors = [
            float((prune(whole, windows, FULL, hidden=hidden)(windows) - said).square().mean())
            for hidden in (12, 8, 4, 1)
        ]
    assert errors == sorted(errors)
    assert errors[0] > 0


def test_steps_before_the_valid_ones_do_not_count(whole: Trunk, windows: torch.Tensor) -> None:
    deaf = copy.deepcopy(whole)
    for block in deaf.blocks:
        # What a step looks at might be one of them.
        torch.nn.init.zeros_(block.out.weight)
    frames = torch.full((24,), 160)
    noisy = windows.clone()
    noisy[:, : FRAMES - 160 - 8] *= 50
    quiet, loud = (prune(deaf, each, frames, hidden=8).state_dict() for each in (windows, noisy))
    torch.testing.assert_close(loud, quiet)
