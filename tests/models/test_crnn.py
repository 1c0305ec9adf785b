from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from affectd.models.architectures import build
from affectd.models.crnn import Crnn, CrnnOptions


@pytest.fixture(scope="module")
def model() -> Crnn:
    torch.manual_seed(0)
    model = Crnn(bands=64, classes=7, options=CrnnOptions(channels=(8, 8, 8), recurrent=16))
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):  # as if trained: a bias shows in the padding
            torch.nn.init.normal_(part.bias, 0, 1)
            part.running_mean.normal_(0, 1)  # type: ignore[union-attr]  # always a tensor here
    return model.eval()


def test_shapes_are_those_of_the_contract(model: Crnn) -> None:
    logits, embedding, attention = model(torch.randn(3, 101, 64), torch.tensor([101, 50, 34]))
    assert logits.shape == (3, 7)
    assert embedding.shape == (3, 128)
    assert attention.shape == (3, 26)
    assert torch.allclose(attention.sum(1), torch.ones(3))
    assert (attention[1, 13:] == 0).all()


@settings(deadline=None, max_examples=25)
@given(frames=st.integers(1, 184), padding=st.integers(0, 60), seed=st.integers(0, 1000))
def test_padding_changes_nothing(model: Crnn, frames: int, padding: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    window = torch.randn(1, frames, 64, generator=generator)
    padded = torch.cat([window, 5 * torch.randn(1, padding, 64, generator=generator)], dim=1)
    valid = torch.tensor([frames])
    with torch.inference_mode():
        for alone, beside in zip(model(window, valid), model(padded, valid), strict=True):
            assert torch.allclose(alone, beside[:, : alone.shape[1]], atol=1e-5)


def test_a_batch_scores_each_window_as_it_would_alone(model: Crnn) -> None:
    windows, valid = torch.randn(5, 184, 64), torch.tensor([34, 184, 60, 101, 183])
    with torch.inference_mode():
        together = model(windows, valid)[0]
        for index, frames in enumerate(valid.tolist()):
            alone = model(windows[index : index + 1, :frames], valid[index : index + 1])[0]
            assert torch.allclose(alone[0], together[index], atol=1e-5)


def test_the_shipped_sizes_are_those_asked_for() -> None:
    model = build("crnn", bands=64, classes=7, options={"channels": [32, 64, 128]})
    count = sum(parameter.numel() for parameter in model.parameters())
    assert 1_000_000 < count < 1_700_000
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes["recurrent.weight_hh_l1_reverse"] == (512, 128)
    assert shapes["blocks.2.convolve.weight"] == (128, 64, 3, 3)


def test_unknown_architectures_and_options_are_guessed() -> None:
    with pytest.raises(ValueError, match="no architecture 'crn'; did you mean crnn"):
        build("crn", bands=64, classes=7, options={})
    with pytest.raises(ValueError, match="no option 'droput'; did you mean dropout"):
        build("crnn", bands=64, classes=7, options={"droput": 0.1})
    with pytest.raises(ValueError, match="bands is 8"):
        build("crnn", bands=8, classes=7, options={})


def test_a_leaner_network_has_fewer_steps_and_one_layer() -> None:
    torch.manual_seed(0)
    options = CrnnOptions(
        channels=(8, 8, 8), halvings=(True, True, False), recurrent=16, recurrent_layers=1
    )
    lean = Crnn(bands=64, classes=7, options=options).eval()
    windows, valid = torch.randn(2, 184, 64), torch.tensor([184, 41])
    with torch.inference_mode():
        logits, _, attention = lean(windows, valid)
        alone = lean(windows[1:, :41], valid[1:])[0]
    assert attention.shape == (2, 23)
    assert (attention[1, 6:] == 0).all()
    assert torch.allclose(logits[1], alone[0], atol=1e-5)
    assert "recurrent.weight_hh_l1" not in lean.state_dict()


@pytest.mark.parametrize(
    "options",
    [
        {"halvings": [True, False]},
        {"halvings": [2, 1, 0]},
        {"channels": [8, 8]},
        {"recurrent_layers": 0},
    ],
    ids=str,
)
def test_sizes_that_make_no_network_are_refused_by_name(options: dict[str, object]) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} is "):
        build("crnn", bands=64, classes=7, options=options)
