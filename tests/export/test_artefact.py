from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from tests.engine.voice_artefact import random_experts

from affectd.engine.artefact import Metadata
from affectd.export.artefact import fingerprint, licence_of, make_artefact
from affectd.kernels.front_end import FrontEnd
from affectd.models.checkpoint import Checkpoint, CheckpointError
from affectd.models.evaluation import Evaluation
from affectd.models.safe_checkpoint import save_safe
from affectd.models.subject import Subject


def evaluation(digest: str | None, protocol: str = "held-out") -> Evaluation:
    return Evaluation.model_validate(
        {
            "model": "tiny",
            "checkpoint_sha256": digest,
            "corpus": "emodb",
            "protocol": protocol,
            "heard_corpus": True,
            "command": "affectd evaluate tiny --corpus emodb",
            "trained_on": ["emodb"],
            "clips": 2,
            "speakers": ["03"],
            "uar": 61.234,
            "accuracy": 60.0,
            "recalls": {"sad": 61.2},
            "calibration_error": 3.0,
            "uar_four": None,
            "epochs": 3,
            "uar_fold_mean": 61.0,
            "uar_fold_deviation": 2.0,
            "labels": ["angry", "sad"],
            "confusion": [[0, 0], [1, 1]],
        }
    )


def test_the_artefact_tells_everything_of_itself(
    checkpoint: Checkpoint, checkpoint_file: Path, tmp_path: Path
) -> None:
    digest = hashlib.sha256(checkpoint_file.read_bytes()).hexdigest()
    done = make_artefact(checkpoint_file, evaluations=[evaluation(digest)])
    (artefact,) = done.artefacts
    graph, card = done.write(tmp_path / "out")
    done.check()
    assert (graph.name, card.name) == ("tiny.onnx", "tiny.md")
    assert sorted(os.listdir(tmp_path / "out")) == ["tiny.md", "tiny.onnx"]
    proto = onnx.load(graph)
    metadata = Metadata.from_props({prop.key: prop.value for prop in proto.metadata_props})
    assert metadata == artefact.metadata
    assert metadata.checkpoint_sha256 == digest
    assert metadata.temperature == 1.5
    assert metadata.frame_sizes == (64, 128, 184)
    assert metadata.uar == {"emodb/held-out": 61.23}
    assert metadata.parity["largest_logit_difference"] <= 1e-4
    assert 0 < metadata.latency["p50_ms"] <= metadata.latency["p99_ms"]
    assert [corpus.speakers for corpus in metadata.corpora] == [("09", "10"), ("KS0",)]
    assert [corpus.resynthesised for corpus in metadata.corpora] == [7, 0]
    assert "**61.2**" in card.read_text("utf-8")


def test_the_artefact_scores_as_its_checkpoint_does(checkpoint_file: Path, tmp_path: Path) -> None:
    graph, _ = make_artefact(checkpoint_file, name="other").write(tmp_path)
    exported, original = Subject.of_artefact(graph), Subject.of_checkpoint(checkpoint_file)
    assert exported.name == "other"
    assert exported.windowing == original.windowing
    assert exported.heard == original.heard
    window = np.random.default_rng(0).standard_normal((2, 120, 64), np.float32)
    frames = np.array([120, 40])
    difference = exported.scorer(window, frames) - original.scorer(window, frames)
    assert np.abs(difference).max() < 1e-4


def test_an_evaluation_of_another_checkpoint_is_refused(checkpoint_file: Path) -> None:
    with pytest.raises(ValueError, match="evaluation on emodb is of another checkpoint"):
        make_artefact(checkpoint_file, evaluations=[evaluation("0" * 64)])
    with pytest.raises(ValueError, match=r"^name: String should match pattern"):
        make_artefact(checkpoint_file, name="a b")
    folds = make_artefact(checkpoint_file, evaluations=[evaluation(None, "folds")])
    assert folds.artefacts[0].metadata.uar == {"emodb/folds": 61.23}


def changed(field: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(values: dict[str, Any]) -> None:
        values[field] = value

    return change


def poison(values: dict[str, Any]) -> None:
    values["averaged"]["classify.1.bias"][2] = float("nan")


def lose_tensor(values: dict[str, Any]) -> None:
    del values["averaged"]["stem.norm.bias"]


def add_tensor(values: dict[str, Any]) -> None:
    values["averaged"]["surplus"] = torch.zeros(1)


def reshape(values: dict[str, Any]) -> None:
    values["averaged"]["classify.1.bias"] = torch.zeros(8)


def lose_field(values: dict[str, Any]) -> None:
    del values["temperature"]


def other_front_end(values: dict[str, Any]) -> None:
    values["recipe"]["front_end"]["bands"] = 40


def no_front_end(values: dict[str, Any]) -> None:
    values["recipe"]["front_end"]["hop_samples"] = 0


def other_architecture(values: dict[str, Any]) -> None:
    values["recipe"]["architecture"] = "crn"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (poison, r"tensor 'classify\.1\.bias' holds NaN or infinity"),
        (lose_tensor, r"tensor 'stem\.norm\.bias' is missing"),
        (add_tensor, "tensor 'surplus' is not part of the model"),
        (reshape, r"tensor 'classify\.1\.bias' is \(8,\); needed is \(7,\)"),
        (lose_field, "field 'temperature' is missing"),
        (other_front_end, r"'recurrent\.weight_ih_l0' is \(32, 32\); needed is \(32, 16\)"),
        (no_front_end, "hop_samples is 0"),
        (other_architecture, "no architecture 'crn'; did you mean crnn"),
        (changed("labels", ["angry", "bored"]), "label is 'bored'; allowed are angry"),
        (changed("format_version", 9), "format_version is 9; allowed is 1"),
        (changed("averaged", 3), "a field has the wrong type"),
        (changed("seed", "one"), "invalid literal for int"),
        (changed("temperature", float("nan")), "temperature is nan; allowed is above 0"),
    ],
)
def test_a_bad_checkpoint_is_refused_in_one_line(
    checkpoint_file: Path,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    message: str,
) -> None:
    values = torch.load(checkpoint_file, weights_only=True)
    change(values)
    path = tmp_path / "bad.pt"
    torch.save(values, path)
    with pytest.raises(CheckpointError, match=message) as raised:
        make_artefact(path)
    assert "\n" not in str(raised.value)
    assert "bad.pt" in str(raised.value)


class Malice:
    """Would make a folder if it were unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.path,)


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"format_version": 1, "x": Malice(str(tmp_path / "owned"))}, path)
    with pytest.raises(CheckpointError, match="holds more than tensors and plain values"):
        make_artefact(path)
    assert not (tmp_path / "owned").exists()


def test_files_that_are_no_checkpoint_are_named(checkpoint_file: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.pt: no such file"):
        make_artefact(tmp_path / "gone.pt")
    for name, content in (
        ("empty.pt", b""),
        ("text.pt", b"hello"),
        ("cut.pt", checkpoint_file.read_bytes()[:5000]),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=name):
            make_artefact(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="no checkpoint of affectd"):
        make_artefact(tmp_path / "list.pt")


RUBBISH = {
    "sound": b"RIFF\x24\x7d\x00\x00WAVEfmt \x10\x00\x00\x00",
    "four bytes": b"\x80\x02}q",
    "letters": b"junk",
    "an unknown opcode": b"\xff\xfe\xfd",
    "a pickle of nothing": b".",
    "a pickle that asks for what is not there": b"h\x07.",
    "a pickle that was cut": b"\x80\x02X\xff\x00\x00",
    "a mark without an end": b"((((u.",
    "zeros": bytes(1000),
    "a zip of nothing": b"PK\x05\x06" + bytes(18),
    "the head of a zip": b"PK\x03\x04" + bytes(100),
    "lines": b"label,clip\nangry,a.wav\n",
}


@pytest.mark.parametrize("content", RUBBISH.values(), ids=RUBBISH.keys())
@pytest.mark.parametrize("suffix", [".pt", ".wav", ".safetensors"])
def test_rubbish_is_refused_in_one_line(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"rubbish{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="rubbish") as raised:
        Checkpoint.load(path)
    assert "\n" not in str(raised.value)


@given(content=st.binary(max_size=200))
def test_no_bytes_whatsoever_end_in_another_error(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"any\.pt"):
        Checkpoint.load(path)


def test_the_fingerprint_tells_front_ends_apart() -> None:
    ours = fingerprint(FrontEnd())
    assert len(ours) == 64
    assert np.abs(np.subtract(ours, fingerprint(FrontEnd(hop_samples=200)))).max() > 0.05


def test_terms_follow_the_data() -> None:
    assert licence_of(["CC0 1.0", "CC BY-NC-SA 4.0"]).startswith("Non-commercial use only")
    assert licence_of(["CC0 1.0"]) == "See the data's terms: trained on data under CC0 1.0."


def test_a_card_points_to_the_terms_that_lie_beside_it(
    checkpoint_file: Path, tmp_path: Path
) -> None:
    done = make_artefact(checkpoint_file)
    assert "LICENSE" not in done.write(tmp_path)[-1].read_text("utf-8")
    (tmp_path / "LICENSE-weights.md").write_text("# Terms\n")
    card = done.write(tmp_path)[-1].read_text("utf-8")
    assert card.endswith("is under Apache-2.0.\nSee LICENSE-weights.md.\n")


def safe_values(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        return dict(json.loads(file.metadata()["affectd"]))


def test_a_safetensors_checkpoint_exports_the_same_graph(
    checkpoint: Checkpoint, checkpoint_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "best.safetensors"
    save_safe(checkpoint, path)
    assert Checkpoint.load(path).voice_experts is None
    ours, theirs = (make_artefact(each).artefacts[0].metadata for each in (path, checkpoint_file))
    assert ours.graph_sha256 == theirs.graph_sha256
    assert ours.temperature == theirs.temperature == 1.5
    assert ours.corpora == theirs.corpora


def test_a_safetensors_checkpoint_keeps_the_experts_for_voices(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "best.safetensors"
    experts = random_experts()
    save_safe(replace(checkpoint, voice_experts=experts), path)
    kept = Checkpoint.load(path).voice_experts
    assert kept is not None
    assert kept.digest == experts.digest


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (None, "its metadata has no key 'affectd': it is no checkpoint of affectd"),
        ("{", "its metadata 'affectd' is no JSON"),
        ("[]", "its metadata 'affectd' is no JSON object"),
        ("{}", "it is no checkpoint of affectd"),
        (("labels", ["angry", "bored"]), "label is 'bored'; allowed are angry"),
        (("temperature", 0), "temperature is 0.0; allowed is above 0"),
        (("labels", ["angry", "sad"]), r"'classify\.1\.weight' is \(7, 8\); needed is \(2, 8\)"),
    ],
)
def test_a_bad_safetensors_checkpoint_is_refused_in_one_line(
    checkpoint: Checkpoint, tmp_path: Path, told: Any, message: str
) -> None:
    path = tmp_path / "bad.safetensors"
    save_safe(checkpoint, path)
    if isinstance(told, tuple):
        field, value = told
        told = json.dumps({**safe_values(path), field: value})
    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.averaged.items()}
    save_file(tensors, path, metadata=None if told is None else {"affectd": told})
    with pytest.raises(CheckpointError, match=message) as raised:
        make_artefact(path)
    assert "\n" not in str(raised.value)
    assert "bad.safetensors" in str(raised.value)


def test_a_truncated_safetensors_checkpoint_is_refused(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "cut.safetensors"
    save_safe(checkpoint, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="it is no whole safetensors file"):
        make_artefact(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="it is no whole safetensors file"):
        make_artefact(path)
    with pytest.raises(CheckpointError, match=r"gone\.safetensors: no such file"):
        make_artefact(tmp_path / "gone.safetensors")
