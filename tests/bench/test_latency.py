"""Integration: a short run of the latency benchmark with the real daemon; no time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_run_measures_every_stage_and_writes_what_it_prints(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    command = [sys.executable, "-m", "affectd", "bench", "latency", "--windows", "12"]
    done = subprocess.run(
        [*command, "--json", str(path)], capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(path.read_text())
    assert figures["windows"] == 12
    assert figures["other_events"] == {}
    stages = figures["stages_ms"]
    assert set(stages) == {
        "wait", "ring", "features", "queue", "inference", "events", "publish", "network",
    }  # fmt: skip
    assert stages["inference"]["p50"] > 0
    # The stages are those of one path: no part of it is longer than the whole.
    whole = figures["capture_to_client_ms"]
    assert max(stage["p50"] for stage in stages.values()) <= whole["p50"]
    assert figures["ring_to_client_ms"]["max"] <= whole["max"]
    assert figures["logmel"]["librosa_hop_ratio"] == pytest.approx(
        float(figures["logmel"]["librosa_hop_ratio"])
    )
    assert figures["machine"]["cores"] >= 1
    assert f"librosa ×{figures['logmel']['librosa_hop_ratio']}" in done.stdout.replace("\n", " ")
