"""Dropout: the share, the mean, the layout, the gradient, and nothing at all in use."""

from __future__ import annotations

import pytest
import torch

from affectd.models.dropout import Dropout


def test_a_share_of_the_values_is_zeroed_and_the_mean_stays() -> None:
    torch.manual_seed(1)
    dropped = Dropout(0.3)(torch.ones(1_000, 1_000))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.002)
    assert dropped.mean().item() == pytest.approx(1, abs=0.005)
    kept = dropped[dropped > 0]
    assert kept.min() == kept.max()


def test_every_call_draws_anew_and_the_seed_decides() -> None:
    dropout, values = Dropout(0.5), torch.ones(4, 1_000)
    torch.manual_seed(1)
    first, second = dropout(values), dropout(values)
    torch.manual_seed(1)
    assert not torch.equal(first, second)
    assert torch.equal(first, dropout(values))


def test_the_gradient_goes_where_values_went() -> None:
    values = torch.ones(2, 3, 4, 5, requires_grad=True)
    dropped = Dropout(0.4)(values.contiguous(memory_format=torch.channels_last))
    dropped.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, dropped.detach())


def test_layout_and_dtype_stay() -> None:
    values = torch.ones(2, 3, 4, 5, dtype=torch.bfloat16)
    values = values.contiguous(memory_format=torch.channels_last)
    dropped = Dropout(0.4)(values)
    assert dropped.is_contiguous(memory_format=torch.channels_last)
    assert dropped.dtype is torch.bfloat16


def test_in_use_the_values_pass() -> None:
    values = torch.ones(3, 4)
    assert Dropout(0.4).eval()(values) is values


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="dropout"):
        Dropout(share)


def test_the_largest_share_leaves_something() -> None:
    dropped = Dropout(0.999999)(torch.ones(100_000))
    assert torch.isfinite(dropped).all()
