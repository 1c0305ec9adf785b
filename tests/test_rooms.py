"""Architecture: which room may import what, and what the light commands leave alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    "kernels": {"kernels"},
    # The artefact's metadata is a contract between those who write it and those who read it.
    "models": {"models", "kernels", "engine.artefact"},
    "export": {"export", "kernels", "models", "engine.artefact"},
    "engine": {"engine", "kernels"},
    "clients": {"clients", "engine.protocol"},
    "bench": {"bench", "kernels", "models", "export", "engine", "clients"},
}
HEAVY = {"torch", "sklearn", "librosa", "onnx", "matplotlib", "pandas"}
# Draws what is asked for as a PNG, and is imported by nothing that lives on.
ON_DEMAND = {"clients/timeline_picture.py": {"matplotlib"}}


IMPORT = re.compile(r"^[ ]*(?:from ([\w.]+) import ([\w, ]+)|import ([\w.]+))", re.MULTILINE)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for module, members, plain in IMPORT.findall(path.read_text("utf-8")):
        if module == "affectd":
            names |= {f"affectd.{member.strip()}" for member in members.split(",")}
        else:
            names.add(module or plain)
    return names


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        for name in imported(path):
            if name.startswith("affectd."):
                inner = name.removeprefix("affectd.")
                allowed = any(inner == each or inner.startswith(each + ".") for each in ROOMS[room])
                assert allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("room", ["kernels", "engine", "clients"])
def test_the_live_rooms_know_nothing_of_training(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        roots = {name.partition(".")[0] for name in imported(path)}
        name = str(path.relative_to(ROOT))
        assert not roots & HEAVY - ON_DEMAND.get(name, set()), name


def modules_after(code: str) -> set[str]:
    script = code + "\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.partition(".")[0] for name in done.stdout.split("\n")[-2].split()}


def test_running_the_daemon_imports_no_torch(tmp_path: Path) -> None:
    speech = tmp_path / "short.wav"
    code = f"""
import asyncio, sys, threading
import numpy, soundfile
soundfile.write({str(speech)!r}, numpy.zeros(16000), 16000)
sys.argv = ["affectd", "run", "--source", {str(speech)!r}, "--port", "0", "--no-view"]
from affectd.cli import main
try:
    main()
except SystemExit as done:
    assert not done.code, done.code
"""
    loaded = modules_after(code)
    assert "onnxruntime" in loaded
    assert not loaded & HEAVY


def test_inspecting_an_artefact_imports_no_torch() -> None:
    code = """
import sys
sys.argv = ["affectd", "export", "inspect", "models/weights/crnn-int8.onnx"]
from affectd.cli import main
try:
    main()
except SystemExit as done:
    assert not done.code, done.code
"""
    loaded = modules_after(code)
    assert "onnx" in loaded
    assert not loaded & {"torch", "sklearn", "librosa", "matplotlib", "pandas"}


def test_watching_imports_neither_numba_nor_onnxruntime() -> None:
    code = """
import sys
sys.argv = ["affectd", "watch", "ws://127.0.0.1:9", "--once"]
from affectd.cli import main
try:
    main()
except SystemExit:
    pass
"""
    loaded = modules_after(code)
    assert "websockets" in loaded
    assert not loaded & {"numba", "onnxruntime", "numpy", "torch", "matplotlib", "pandas"}


def test_importing_affectd_costs_nothing() -> None:
    assert not modules_after("import affectd") & {"numpy", "numba", "onnxruntime", "websockets"}
