"""The page says what the figures say, and by how much they miss what is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.bench.test_accuracy import run

from affectd.bench.accuracy import summary
from affectd.bench.accuracy_page import plot, put_into, tables
from affectd.bench.marked import mark


@pytest.fixture
def told() -> dict[str, Any]:
    runs = [run(1, 1), run(2, 0)]
    return {
        "model": "fast",
        "command": "affectd bench accuracy --model fast",
        "summary": summary(runs),
        "runs": runs,
        "alone": {"nemo-6": {"uar": 61.5}},
    }


def test_a_corpus_on_trial_in_one_way_alone_has_one_error(told: dict[str, Any]) -> None:
    for one in told["runs"]:
        errors = one["calibration"]
        errors["error_unseen_speakers"] = {"crema-d": 2.0}
        errors["error_unseen_corpus"] = {"nemo": 9.0}
    said = tables(told)
    assert "| nemo |  | 9.0 |" in said
    assert "| crema-d | 2.0 |  |" in said


def test_a_miss_is_said_with_its_size(told: dict[str, Any]) -> None:
    said = tables(told)
    assert "2026-01-01 to 2026-01-02; seeds 1, 2." in said
    assert (
        "| RAVDESS, 8 classes, EmoBox's 6 folds | 3 | **83.3** ± 23.6 |  | 68 | reached |  |"
        in said
    )
    told["summary"]["nemo-6"]["mean"] = 57.25
    (line,) = (each for each in tables(told).splitlines() if each.startswith("| nEMO"))
    assert "| 60 | missed by 2.8 | 61.5 |" in line
    assert "| ravdess | 3.0 | 3.0 |" in said


def test_tables_go_between_the_marks_and_nowhere_else(told: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin, end = mark(told["command"]), mark(told["command"], end=True)
    page.write_text(f"above\n{begin}\nformer figures\n{end}\nbelow\n")
    put_into(page, told)
    put_into(page, told)
    text = page.read_text()
    assert text.startswith("above\n")
    assert text.endswith("below\n")
    assert "former" not in text
    assert text.count("| RAVDESS, 8 classes") == 1
    told["model"] = "accurate"
    with pytest.raises(ValueError, match="lacks the marks"):
        put_into(page, told)


def test_the_plot_is_drawn(told: dict[str, Any], tmp_path: Path) -> None:
    plot(told, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
