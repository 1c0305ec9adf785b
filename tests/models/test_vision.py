"""The networks from pictures: what of their weights is taken, and what is said of others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from affectd.models.foreign_weights import WeightsError, weights_of
from affectd.models.system_network import build_system
from affectd.models.systems import system_named
from affectd.models.vision import WEIGHTS, Vision, VisionOptions
from affectd.models.vision_trunks import TRUNKS, convolutions
from affectd.models.windowing import Windowing

SYSTEMS = ("vgg19", "resnet50", "mobilenetv3-large")
WINDOWING = Windowing(
    front_end=system_named("vgg19").front_end,
    normalisation="standard",
    window_seconds=3.0,
    hop_seconds=0.25,
    minimum_seconds=0.6,
)


def vision(network: str, **options: object) -> Vision:
    chosen = VisionOptions(network=network, width=0.125, **options)  # type: ignore[arg-type]
    return Vision(WINDOWING, classes=7, options=chosen)


def stored(tensors: dict[str, Tensor], folder: Path) -> Path:
    folder.mkdir()
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / WEIGHTS)
    return folder


@pytest.mark.parametrize(
    ("name", "millions"), [("vgg19", 20.0), ("resnet50", 23.5), ("mobilenetv3-large", 2.97)]
)
def test_the_trunks_are_as_large_as_their_papers_say(name: str, millions: float) -> None:
    # Of 143.67, 25.56 and 5.48 million, less the classifiers that are not here.
    with torch.device("meta"):
        trunk = TRUNKS[name](1.0)
    count = sum(value.numel() for value in trunk.parameters())
    assert count / 1e6 == pytest.approx(millions, rel=5e-3)


def test_the_first_fifteen_layers_of_vgg19_are_frozen() -> None:
    system = system_named("vgg19")
    with torch.device("meta"):
        model = build_system(system)
    assert isinstance(model, Vision)
    learning = [layer.weight.requires_grad for layer in convolutions(model.trunk)]
    # The input, eleven convolutions and three poolings.
    assert learning == [False] * 11 + [True] * 5


@pytest.mark.parametrize("network", SYSTEMS)
def test_the_weights_of_a_folder_are_taken(network: str, tmp_path: Path) -> None:
    theirs = vision(network).trunk.state_dict()
    theirs = {
        name: value + 1 if value.is_floating_point() else value for name, value in theirs.items()
    }
    # What a repository holds besides, and what it may leave out.
    theirs["classifier.weight"] = torch.zeros(3)
    left_out = [name for name in theirs if name.endswith("num_batches_tracked")]
    folder = stored(
        {name: theirs[name] for name in theirs if name not in left_out}, tmp_path / network
    )
    model = vision(network)
    model.take_weights(weights_of(network, tmp_path, needed=""))
    for name, value in model.trunk.state_dict().items():
        if name not in left_out:
            assert torch.equal(value, theirs[name]), name
    model.take_weights(weights_of("anything", folder, needed=""))


def test_other_weights_are_refused(tmp_path: Path) -> None:
    model = vision("resnet50")
    with pytest.raises(WeightsError, match=r"holds no model\.safetensors"):
        model.take_weights(tmp_path)
    folder = stored(dict(vision("vgg19").trunk.state_dict()), tmp_path / "vgg19")
    with pytest.raises(WeightsError, match=r"is not of resnet50: of its \d+ tensors \d+ missing"):
        model.take_weights(folder)
    (folder / WEIGHTS).write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match="cannot be read"):
        model.take_weights(folder)


def test_an_unknown_network_lists_the_near_ones() -> None:
    with pytest.raises(ValueError, match="no network 'vgg91'; did you mean vgg19"):
        vision("vgg91")
