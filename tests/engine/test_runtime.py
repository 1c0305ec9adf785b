"""Integration: what ONNX Runtime does beside the model, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_HEAR = """
from affectd.engine.classifier import Classifier
from affectd.engine.shipped import find_model

Classifier(find_model("light"))
"""


def test_a_session_tells_nobody_of_itself(tmp_path: Path) -> None:
    # Where tests or continuous integration run, ONNX Runtime is silent of its own accord.
    hushing = ("CI", "ORT_", "TF_BUILD", "GITHUB_ACTIONS", "XDG_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(hushing)}
    subprocess.run(
        [sys.executable, "-c", _HEAR],
        env=own | {"HOME": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "numba")},
        check=True,
        timeout=120,
    )
    assert {entry.name for entry in tmp_path.iterdir()} <= {"numba"}
