from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from affectd.export.artefact import export_model
from affectd.export.gates import GATES, Limits
from affectd.export.original import Original
from affectd.export.report import write_report
from affectd.export.speech import Speech, gather_speech


@pytest.fixture
def original(checkpoint_file: Path) -> Original:
    return Original.of_checkpoint(checkpoint_file)


@pytest.fixture
def speech(original: Original, tmp_path: Path) -> Speech:
    rng = np.random.default_rng(0)
    clips = tmp_path / "emodb" / "wav"
    clips.mkdir(parents=True)
    for speaker in ("03", "09", "16"):
        for letter in "WFNT":
            noise = 0.1 * rng.standard_normal(20_000)
            soundfile.write(clips / f"{speaker}a01{letter}a.wav", noise, 16_000)
    return gather_speech(
        original.windowing,
        heard={"emodb": frozenset({"09", "16"})},
        corpora=tmp_path,
        cache=tmp_path / "cache",
    )


def test_the_report_tells_every_figure_and_draws_it(
    original: Original, speech: Speech, tmp_path: Path
) -> None:
    done = export_model(
        original,
        speech,
        precisions=("fp32", "int8"),
        limits=Limits(parity=1e-9, parity_mean=None, agreement=0.5, uar=100, latency=100, size=1),
        allow=("speech",),
    )
    path = write_report(done, tmp_path / "out", command="affectd export best.pt")
    assert path.name == "report.md"
    text = path.read_text("utf-8")
    for part in (
        "## fp32 for cpu",
        "## int8 for cpu: rejected",
        "| hybrid, per tensor, minmax |",
        "reduced range",
        "percentile",
        "entropy",
        "### What quantising one layer alone does",
        "UAR before",
        "times as fast",
        "report-confusion-int8.png",
    ):
        assert part in text
    values = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    int8 = values["artefacts"][1]
    assert int8["file"] == "tiny-int8.onnx.rejected"
    assert len(int8["attempts"]) == 9
    assert int8["accuracy"]["corpora"]["emodb"]["clips"] == 4
    assert {gate["name"] for gate in int8["gates"]} <= set(GATES)
    assert len(int8["sensitivity"]) == 10
    for name in ("report-logits.png", "report-latency.png", "report-confusion-int8.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")


def test_ways_that_would_do_but_are_less_alike_are_told_apart_from_those_that_fail(
    original: Original, speech: Speech, tmp_path: Path
) -> None:
    done = export_model(
        original,
        speech,
        precisions=("int8",),
        limits=Limits(parity=1e-9, parity_mean=None, agreement=0, uar=100, latency=100, size=2),
        allow=("speech", "parity"),
    )
    text = write_report(done, tmp_path / "out", command="affectd export best.pt").read_text("utf-8")
    tried = done.artefacts[0].attempts
    assert text.count("| accepted |") == 1
    assert text.count("| passed over |") == len(tried) - 1 > 0
    assert "| rejected |" not in text
