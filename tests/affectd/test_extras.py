"""Unit: what is not installed by default is named with the command that installs it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("bench", "clients", "engine", "export", "kernels", "models")
EXTRAS = set(
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
)
SOURCES = sorted(
    path
    for folder in (*(ROOT / room for room in ROOMS), ROOT / "src" / "affectd")
    for path in folder.glob("*.py")
    if "affectd[" in path.read_text("utf-8")
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_message_gives_the_command_that_installs_an_extra(path: Path) -> None:
    for said in re.finditer(r"(.{0,20})affectd\[(.*?)\]", path.read_text("utf-8")):
        assert said[1].endswith("pip install '"), said[0]
        assert said[2] in EXTRAS


@pytest.mark.parametrize("extra", sorted(EXTRAS - {"dev", "docs"}))
def test_the_first_steps_name_every_extra_of_their_users(extra: str) -> None:
    assert f"affectd[{extra}]" in (ROOT / "docs" / "start.md").read_text("utf-8")
    assert "docs/start.md#extras" in (ROOT / "README.md").read_text("utf-8")
