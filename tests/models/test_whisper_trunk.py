"""The trunk's weights are read, de-quantised and used as they should be."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from affectd.kernels.front_end import FrontEnd
from affectd.models.whisper_trunk import (
    WEIGHTS,
    WHEEL,
    WeightsError,
    Whisper,
    WhisperOptions,
    read_trunk,
)
from affectd.models.windowing import Windowing

WINDOWING = Windowing(
    front_end=FrontEnd(fft_samples=400, hop_samples=160, bands=80),
    normalisation="whisper",
    window_seconds=3.0,
    hop_seconds=0.25,
    minimum_seconds=0.6,
)


def quantised(rng: np.random.Generator, name: str, shape: tuple[int, ...], axis: int) -> dict:
    size = shape[axis]
    return {
        f"{name}_quantized": rng.integers(-127, 128, shape).astype(np.int8),
        f"{name}_scale": rng.uniform(1e-4, 1e-3, size).astype(np.float32),
        f"{name}_zero_point": np.zeros(size, np.int8),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one block, laid out as the real one."""
    rng = np.random.default_rng(0)
    values: dict[str, np.ndarray] = {
        "inner.encoder.embed_positions.weight": rng.normal(0, 0.1, (400, 384)).astype(np.float32)
    }
    for conv, inputs in (("conv1", 80), ("conv2", 384)):
        name = f"inner.encoder.{conv}"
        values |= quantised(rng, f"{name}.weight", (384, inputs, 3), 0)
        values[f"{name}.bias_quantized"] = rng.integers(-99, 99, 384).astype(np.int32)
        values[f"{name}.bias_quantized_scale"] = np.full(384, 1e-3, np.float32)
    shapes = [(384, 384)] * 4 + [(384, 1_536), (1_536, 384)]
    for number, shape in zip((17, 25, 32, 75, 79, 88), shapes, strict=True):
        values |= quantised(rng, f"val_{number}", shape, 1)
    own = "inner.encoder.layers.0"
    for name, size in (
        ("self_attn.q_proj", 384),
        ("self_attn.v_proj", 384),
        ("self_attn.out_proj", 384),
        ("fc1", 1_536),
        ("fc2", 384),
        ("self_attn_layer_norm", 384),
        ("final_layer_norm", 384),
    ):
        values[f"{own}.{name}.bias"] = rng.normal(0, 0.1, size).astype(np.float32)
    for name in ("self_attn_layer_norm", "final_layer_norm"):
        values[f"{own}.{name}.weight"] = np.ones(384, np.float32)
    graph = onnx.GraphProto()
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in values.items())
    folder = tmp_path_factory.mktemp("weights")
    (folder / WEIGHTS).write_bytes(onnx.ModelProto(graph=graph).SerializeToString())
    return folder


def test_matrices_are_brought_back_by_the_scales_of_their_axis(folder: Path) -> None:
    state = read_trunk(folder, blocks=1)
    stored = {
        each.name: numpy_helper.to_array(each)
        for each in onnx.load(folder / WEIGHTS).graph.initializer
    }
    keys = stored["val_25_quantized"] * stored["val_25_scale"][None, :]
    np.testing.assert_allclose(state["blocks.0.keys.weight"], keys.T, rtol=1e-6)
    name = "inner.encoder.conv2.weight"
    kernel = stored[f"{name}_quantized"] * stored[f"{name}_scale"][:, None, None]
    np.testing.assert_allclose(state["conv2.weight"], kernel, rtol=1e-6)


def test_the_wheel_gives_what_the_file_gives(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as wheel:
        wheel.write(folder / WEIGHTS, f"pipecat/audio/turn/smart_turn/data/{WEIGHTS}")
    ours, theirs = read_trunk(tmp_path, blocks=1), read_trunk(folder, blocks=1)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_missing_and_foreign_weights_say_what_was_expected(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds neither .*: pip download --no-deps pipecat-ai"):
        read_trunk(tmp_path, blocks=1)
    with pytest.raises(WeightsError, match="lack"):
        read_trunk(folder, blocks=2)
    (tmp_path / WHEEL).write_text("no wheel")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_trunk(tmp_path, blocks=1)


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
