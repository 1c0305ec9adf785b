"""Integration: the command line as a whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

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


def refused(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "affectd", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    return done.stderr


def test_a_value_that_is_not_allowed_is_named_with_those_that_are() -> None:
    assert refused("analyze", "talk.wav", "--format", "xml").startswith(
        "affectd: Invalid value for '--format': 'xml' is not one of 'table', "
    )


def test_what_is_suggested_for_a_mistyped_option_is_in_the_help() -> None:
    suggested = re.findall(r"--[a-z-]+", refused("watch", "--nope"))[1:]
    assert suggested
    text = affectd("watch", "--help")
    assert all(f"{option} " in text for option in suggested)


@pytest.mark.parametrize("command", [("watch",), ("export", "checkpoint")])
def test_a_paragraph_of_the_help_breaks_at_the_end_of_the_line_alone(
    command: tuple[str, ...],
) -> None:
    text = affectd(*command, "--help", COLUMNS="100")
    prose = text.partition("╭")[0]
    lines = [line.strip() for line in prose.splitlines()]
    for line, following in pairwise(lines):
        if line and following:
            assert len(line) + len(following.split()[0]) > 90, line
