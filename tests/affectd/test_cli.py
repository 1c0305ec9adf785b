"""Integration: the command line as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from affectd.cli import _EXAMPLES


def affectd(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        # By its name: the shell knows it by nothing else.
        [Path(sys.executable).with_name("affectd"), *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "160", "NO_COLOR": "1", **environment},
    )
    return done.stdout


def test_the_help_groups_the_commands_and_gives_an_example_of_each() -> None:
    text = affectd("--help")
    for panel in ("Live", "Files", "Set-up", "Measure", "Models"):
        assert f"─ {panel} ─" in text
    for command, example in _EXAMPLES.items():
        assert example.startswith(f"affectd {command}")
        assert f"E.g. {example}" in text


def test_the_shell_completes_commands_and_options() -> None:
    def completed(words: str) -> list[str]:
        asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        return affectd(_AFFECTD_COMPLETE="complete_bash", **asked).split()

    assert completed("affectd an") == ["analyze"]
    assert "--format" in completed("affectd analyze --fo")
