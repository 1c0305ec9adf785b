from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from typer.testing import CliRunner

from affectd.engine.artefact import Metadata
from affectd.export import gates
from affectd.export.choices import precisions_for
from affectd.export.cli import export
from affectd.export.gates import GateError, Limits


@pytest.fixture(autouse=True)
def _no_corpora(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AFFECTD_CORPORA", raising=False)


def invoke(*words: object) -> Any:
    return CliRunner().invoke(export, [str(word) for word in words])


def metadata_of(path: Path) -> Metadata:
    proto = onnx.load(path)
    return Metadata.from_props({prop.key: prop.value for prop in proto.metadata_props})


def test_export_writes_the_artefact_and_says_what_it_checked(
    checkpoint_file: Path, tmp_path: Path
) -> None:
    done = invoke(checkpoint_file, "-o", tmp_path)
    assert done.exit_code == 0, done.output
    assert "tiny.onnx" in done.output
    assert "parity: largest difference of a logit" in done.output
    assert "p99" in done.output
    command = json.loads((tmp_path / "report.json").read_text("utf-8"))["command"]
    written = f"affectd export {checkpoint_file} --output {tmp_path} --precision fp32 --target cpu"
    assert command == written


def test_options_may_come_before_the_checkpoint(checkpoint_file: Path, tmp_path: Path) -> None:
    assert invoke("-o", tmp_path, checkpoint_file).exit_code == 0
    assert (tmp_path / "tiny.onnx").is_file()
    assert "Without a command" in invoke("--help").output


def test_several_precisions_are_written_beside_each_other(
    checkpoint_file: Path, tmp_path: Path
) -> None:
    allowed = [word for gate in gates.GATES for word in ("--allow", gate)]
    done = invoke(checkpoint_file, "-o", tmp_path, "--precision", "int8,fp16,fp32", *allowed)
    assert done.exit_code == 0, done.output
    for file, precision in (
        ("tiny.onnx", "fp32"),
        ("tiny-fp16.onnx", "fp16"),
        ("tiny-int8.onnx", "int8"),
    ):
        metadata = metadata_of(tmp_path / file)
        assert (metadata.name, metadata.precision) == ("tiny", precision)
    command = json.loads((tmp_path / "report.json").read_text("utf-8"))["command"]
    assert "--precision fp32,fp16,int8" in command
    assert command.endswith(f"--allow {' --allow '.join(gates.GATES)}")
    gate = {gate.name: gate for gate in metadata.gates}["uar"]
    assert (gate.figure, gate.passed, gate.allowed) == (None, False, True)
    assert metadata.quantisation is not None
    assert metadata.quantisation.windows == 128
    assert "int8 is quantised so" in (tmp_path / "tiny.md").read_text("utf-8")


def test_a_failed_gate_rejects_the_artefact_and_says_by_how_much(
    checkpoint_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = Limits(parity=0.0, parity_mean=None, agreement=None, uar=None, latency=None, size=None)
    monkeypatch.setattr("affectd.export.judge.limits_for", lambda precision, target: strict)
    done = invoke(checkpoint_file, "-o", tmp_path)
    assert done.exit_code != 0
    assert isinstance(done.exception, GateError)
    assert str(done.exception).startswith("fp32 fails parity: largest difference of a logit is")
    assert "missed by" in str(done.exception)
    assert not (tmp_path / "tiny.onnx").exists()
    assert metadata_of(tmp_path / "tiny.onnx.rejected").gates[1].passed is False
    monkeypatch.undo()
    assert invoke(checkpoint_file, "-o", tmp_path).exit_code == 0
    assert not (tmp_path / "tiny.onnx.rejected").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--precision", "int4"), "precision is 'int4'; did you mean int8"),
        (("--precision", ","), "no precision; known are fp32, fp16, int8"),
        (("--target", "cudda"), "target is 'cudda'; did you mean cuda"),
        (("--allow", "sise"), "no gate 'sise'; did you mean size"),
    ],
)
def test_a_mistyped_choice_is_named(
    checkpoint_file: Path, tmp_path: Path, words: tuple[str, str], message: str
) -> None:
    done = invoke(checkpoint_file, "-o", tmp_path, *words)
    assert message in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_a_target_gets_what_makes_sense_there_and_is_told_why(
    checkpoint_file: Path, tmp_path: Path
) -> None:
    allowed = [word for gate in gates.GATES for word in ("--allow", gate)]
    done = invoke(checkpoint_file, "-o", tmp_path, "--target", "tensorrt", *allowed)
    assert done.exit_code == 0, done.output
    assert "TensorRT reads no zero points" in " ".join(done.output.split())
    found = sorted(path.name for path in tmp_path.glob("*.onnx"))
    assert found == ["tiny-fp16.onnx", "tiny-int8-tensorrt.onnx", "tiny.onnx"]
    assert precisions_for((), "cpu") == ("fp32",)
    assert precisions_for((), "cuda") == ("fp32", "fp16")
    assert precisions_for(["int8", "fp32,int8"], "cuda") == ("fp32", "int8")
