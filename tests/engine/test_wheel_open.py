"""Integration: the package for companies has no weights but those of `open`, and hears by them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="what belongs to the package is told by git"
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    arguments = (f"VENV={sys.prefix}", f"DIST={folder}", "ARGS=--no-build-isolation")
    subprocess.run(
        ["make", "wheel-open", f"OPEN={folder / 'tree'}", *arguments], cwd=ROOT, check=True
    )
    [wheel] = folder.glob("affectd-*+open-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


def run(unpacked: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=unpacked,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_its_weights_and_its_terms_are_those_of_open(unpacked: Path) -> None:
    weights = {path.name for path in (unpacked / "affectd" / "models" / "weights").iterdir()}
    assert weights == {"open-int8.onnx", "open.md", "LICENSE-encoder.md", "LICENSE-weights.md"}
    [metadata] = unpacked.glob("affectd-*.dist-info/METADATA")
    terms = next(line for line in metadata.read_text("utf-8").splitlines() if "License-E" in line)
    assert "CC-BY-4.0" in terms
    assert "NC" not in terms


def test_it_hears_with_open_where_no_model_is_named(unpacked: Path) -> None:
    program = (
        "import affectd, affectd.recognizer as found;"
        "from affectd.engine.sources import DemoSource;"
        "clip = next(DemoSource().clips());"
        "recognizer = affectd.Recognizer();"
        "print(found.__file__, recognizer.predict(clip, DemoSource().rate).label)"
    )
    where, label = run(unpacked, "-c", program).split()
    assert Path(where).is_relative_to(unpacked)
    assert label in ("angry", "disgust", "fearful", "happy", "neutral", "sad")
    asked = "from affectd.engine.shipped import DEFAULT_MODEL; print(DEFAULT_MODEL)"
    assert run(unpacked, "-c", asked) == "open-int8\n"
