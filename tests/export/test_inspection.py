from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from affectd.engine.artefact import ArtefactError
from affectd.export.artefact import Export, export_model
from affectd.export.cli import export
from affectd.export.gates import GATES
from affectd.export.inspection import inspect, open_artefact
from affectd.export.original import Original
from affectd.export.speech import Speech, Windows, windows_at_hand


@pytest.fixture(scope="module")
def exported(checkpoint_file: Path) -> Export:
    original = Original.of_checkpoint(checkpoint_file)
    demo = windows_at_hand(original.windowing)
    few = Windows(demo.windows[::16], demo.source, demo.real)
    speech = Speech(compared=few, calibration=few)
    return export_model(original, speech, precisions=("fp32", "fp16", "int8"), allow=GATES)


@pytest.fixture(scope="module")
def folder(exported: Export, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    exported.write(folder)
    return folder


def test_operators_are_counted_by_the_precision_they_compute_in(folder: Path) -> None:
    fp32, fp16, int8 = (
        inspect(folder / f"tiny{suffix}.onnx").operators for suffix in ("", "-fp16", "-int8")
    )
    assert fp32["fp32"]["Conv"] == 4
    assert "int8" not in fp32
    assert fp16["fp16"]["Conv"] == 4
    assert fp16["fp16"]["LSTM"] == 2
    assert int8["int8"]["Conv"] == 4
    assert int8["int8"]["DynamicQuantizeLSTM"] == 2
    assert "Conv" not in int8["fp32"]
    assert not {"Mul", "Shape"} & set(int8["int8"])


def test_inspect_prints_it_for_people_and_for_machines(exported: Export, folder: Path) -> None:
    path = str(folder / "tiny-int8.onnx")
    shown = CliRunner().invoke(export, ["inspect", path])
    assert shown.exit_code == 0, shown.output
    for part in ("int8 for cpu", "CPUExecutionProvider", "gate uar: not measured", "Conv"):
        assert part in shown.output
    values = json.loads(CliRunner().invoke(export, ["inspect", path, "--json"]).output)
    assert values["bytes"] == (folder / "tiny-int8.onnx").stat().st_size
    assert values["metadata"]["precision"] == "int8"
    assert values["metadata"]["front_end"]["bands"] == 64
    assert values["providers"] == ["CPUExecutionProvider"]


def test_verify_repeats_the_gates_against_the_artefact_beside(
    checkpoint_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AFFECTD_CORPORA", raising=False)
    allowed = [word for gate in GATES for word in ("--allow", gate)]
    run = CliRunner()
    done = run.invoke(export, ["verify", str(folder / "tiny-int8.onnx"), *allowed])
    assert done.exit_code == 0, done.output
    assert "tiny.onnx on 5" in done.output
    assert "agreement" in done.output
    alone = run.invoke(export, ["verify", str(folder / "tiny.onnx")])
    assert "nothing to compare it with; give --reference" in str(alone.exception)
    original = str(checkpoint_file)
    again = run.invoke(export, ["verify", str(folder / "tiny.onnx"), "--reference", original])
    assert again.exit_code == 0, again.output
    failing = run.invoke(export, ["verify", str(folder / "tiny-int8.onnx")])
    assert "int8 fails" in str(failing.exception)
    assert "uar: UAR lost on unheard speakers was not measured" in str(failing.exception)


def change(path: Path, into: Path, edit: Callable[[onnx.ModelProto], Any]) -> Path:
    proto = onnx.load(path)
    edit(proto)
    into.write_bytes(proto.SerializeToString())
    return into


def set_prop(field: str, text: str) -> Callable[[onnx.ModelProto], None]:
    def edit(proto: onnx.ModelProto) -> None:
        for prop in proto.metadata_props:
            if prop.key == f"affectd.{field}":
                prop.value = text

    return edit


def lose_prop(field: str) -> Callable[[onnx.ModelProto], None]:
    def edit(proto: onnx.ModelProto) -> None:
        kept = [prop for prop in proto.metadata_props if prop.key != f"affectd.{field}"]
        del proto.metadata_props[:]
        proto.metadata_props.extend(kept)

    return edit


def lose_metadata(proto: onnx.ModelProto) -> None:
    del proto.metadata_props[:]


def a_weight(proto: onnx.ModelProto) -> onnx.TensorProto:
    return next(
        weight
        for weight in proto.graph.initializer
        if weight.data_type == onnx.TensorProto.FLOAT and len(weight.dims) > 1
    )


def tamper(proto: onnx.ModelProto) -> None:
    weight = a_weight(proto)
    weight.raw_data = np.zeros(weight.dims, np.float32).tobytes()


def poison(proto: onnx.ModelProto) -> None:
    weight = a_weight(proto)
    weight.raw_data = np.full(weight.dims, np.nan, np.float32).tobytes()


def cut_weight(proto: onnx.ModelProto) -> None:
    a_weight(proto).raw_data = b"\0" * 6


def move_weight(proto: onnx.ModelProto) -> None:
    a_weight(proto).data_location = onnx.TensorProto.EXTERNAL


def rename_input(proto: onnx.ModelProto) -> None:
    proto.graph.input[1].name = "lengths"


def lose_output(proto: onnx.ModelProto) -> None:
    del proto.graph.output[2]


def other_bands(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 40


def other_classes(proto: onnx.ModelProto) -> None:
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4


def empty_graph(proto: onnx.ModelProto) -> None:
    del proto.graph.node[:]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lose_metadata, "it is an ONNX file without affectd metadata"),
        (lose_prop("temperature"), "metadata field 'temperature': Field required"),
        (set_prop("temperature", "{"), "metadata field 'temperature'"),
        (set_prop("temperature", "-1"), "metadata field 'temperature': .*greater than 0"),
        (set_prop("format_version", "9"), "format_version is 9; this engine reads 1"),
        (set_prop("labels", '["angry"]'), "metadata field 'labels'"),
        (set_prop("frame_sizes", "[184, 64]"), r"frame_sizes \(184, 64\) do not ascend"),
        (set_prop("front_end_fingerprint", "[1.0]"), "has 1 values for 64 bands"),
        (set_prop("checkpoint_sha256", '"abc"'), "metadata field 'checkpoint_sha256'"),
        (set_prop("precision", '"int4"'), "metadata field 'precision'"),
        (tamper, "its graph is not the one that was exported"),
        (poison, "holds NaN or infinity"),
        (cut_weight, "is damaged"),
        (move_weight, "lies in another file"),
        (rename_input, r"it has no input 'frames', only \['lengths', 'logmel'\]"),
        (lose_output, "it has no output 'attention'"),
        (other_bands, "its input takes 40 bands, its front end gives 64"),
        (other_classes, "it has 4 logits for 7 labels"),
        (empty_graph, "without a graph, or no ONNX file"),
    ],
)
def test_a_bad_artefact_is_refused_in_one_line(
    folder: Path, tmp_path: Path, edit: Callable[[onnx.ModelProto], Any], message: str
) -> None:
    path = change(folder / "tiny.onnx", tmp_path / "bad.onnx", edit)
    with pytest.raises(ArtefactError, match=message) as raised:
        open_artefact(path)
    assert "\n" not in str(raised.value)
    assert "bad.onnx" in str(raised.value)


def test_files_that_are_no_artefact_are_named(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "tiny.onnx").read_bytes()
    for content, message in (
        (b"", "it is empty"),
        (b"hello", "no ONNX file"),
        (whole[:5000], "truncated, damaged, or no ONNX file"),
        (whole[5000:], "no ONNX file"),
    ):
        path = tmp_path / "bad.onnx"
        path.write_bytes(content)
        with pytest.raises(ArtefactError, match=message):
            open_artefact(path)
    with pytest.raises(ArtefactError, match=r"gone\.onnx cannot be read: No such file"):
        open_artefact(tmp_path / "gone.onnx")


def test_an_artefact_of_another_checkpoint_is_no_reference(folder: Path, tmp_path: Path) -> None:
    other = change(
        folder / "tiny.onnx",
        tmp_path / "other.onnx",
        set_prop("checkpoint_sha256", f'"{"0" * 64}"'),
    )
    words = ["verify", str(folder / "tiny-int8.onnx"), "--reference"]
    done = CliRunner().invoke(export, [*words, str(other)])
    assert "are of different checkpoints" in str(done.exception)
    done = CliRunner().invoke(export, [*words, str(folder / "tiny-int8.onnx")])
    assert "a reference is FP32" in str(done.exception)
