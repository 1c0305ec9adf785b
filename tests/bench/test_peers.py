"""Integration: the peers, each with real speech; how long it takes is not looked at."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from affectd.bench.peers import encoder_in, measure_peers


def encoder(path: Path, shape: list[int | str]) -> Path:
    """Write a model that sums its input over the last axis."""
    node = helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [-1])
    graph = helper.make_graph(
        [node],
        "encoder",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def test_all_ways_are_timed_on_the_same_windows_and_ours_is_the_measure(tmp_path: Path) -> None:
    encoders = [
        encoder(tmp_path / "whisper.onnx", ["b", 80, 300]),
        encoder(tmp_path / "waves.onnx", ["b", "n"]),
    ]
    figures = measure_peers(encoders=encoders, rounds=3)
    names = {
        "affectd crnn",
        "affectd crnn-int8",
        "librosa and PyTorch eager",
        "whisper, encoder in ONNX Runtime",
        "waves, encoder in ONNX Runtime",
    }
    assert names <= set(figures["latency_ms"])
    for name in figures["latency_ms"]:
        assert figures["latency_ms"][name]["samples"] == 3
        assert figures["cpu_ms_a_second_of_audio"][name] >= 0
    ours = [ratio for name, ratio in figures["ratio"].items() if name.startswith("affectd ")]
    assert min(ours) == 1


def test_a_wheel_gives_its_largest_model(tmp_path: Path) -> None:
    path = tmp_path / "some-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("some/small.onnx", b"x")
        wheel.writestr("some/large-v3.2.onnx", b"longer")
    assert encoder_in(path) == (b"longer", "large-v3.2")
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("some/code.py", b"")
    with pytest.raises(OSError, match="holds no ONNX file"):
        encoder_in(path)


def test_what_is_no_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="there is no such file"):
        measure_peers(encoders=[tmp_path / "none.onnx"], rounds=1)
    (tmp_path / "bad.onnx").write_bytes(np.zeros(9, np.uint8).tobytes())
    with pytest.raises(OSError, match="bad is no ONNX model"):
        measure_peers(encoders=[tmp_path / "bad.onnx"], rounds=1)
    with pytest.raises(ValueError, match=r"odd takes .* an encoder takes samples"):
        measure_peers(encoders=[encoder(tmp_path / "odd.onnx", ["b", 64, 10])], rounds=1)
