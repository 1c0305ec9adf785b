"""The page says what it gained to know a voice, and where too few clips were spoken to tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from affectd.bench.marked import mark
from affectd.bench.voices_page import command_of, plot, put_into, table


def cell(without: float, beside: float, gain: float) -> dict[str, float]:
    return {"without": without, "with": beside, "gain": gain, "deviation": 0.2}


@pytest.fixture
def told() -> dict[str, Any]:
    return {
        "model": "fast",
        "development": False,
        "machine": {"measured_at": "2026-01-02T03:04:05+00:00"},
        "seeds": [7, 8],
        "protocols": {
            "ravdess-8": {"5 at random": cell(70.06, 73.66, 3.61)},
            "tess-7": {
                "5 at random": cell(78.76, 76.18, -2.58),
                "20 at random": cell(78.8, 81.2, 2.4),
            },
        },
    }


def test_gains_and_losses_keep_their_sign(told: dict[str, Any]) -> None:
    assert table(told) == (
        "`affectd bench voices --model fast`, 2026-01-02; seeds 7, 8.\n\n"
        "| known by | RAVDESS | TESS |\n"
        "|---|---:|---:|\n"
        "| 5 at random | 70.1 → 73.7, **+3.6** ± 0.2 | 78.8 → 76.2, **-2.6** ± 0.2 |\n"
        "| 20 at random | – | 78.8 → 81.2, **+2.4** ± 0.2 |\n"
    )


def test_one_seed_has_no_deviation(told: dict[str, Any]) -> None:
    told["seeds"] = [7]
    told["protocols"]["ravdess-8"]["5 at random"]["deviation"] = None
    assert "; seed 7." in table(told)
    assert "| 70.1 → 73.7, **+3.6** |" in table(told)


def test_development_has_a_place_of_its_own(told: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    told["development"] = True
    command = command_of("fast", development=True)
    page.write_text(f"{mark(command)}\nold\n{mark(command, end=True)}\n")
    put_into(page, told)
    assert "old" not in page.read_text()
    assert "| 5 at random |" in page.read_text()
    told["development"] = False
    with pytest.raises(ValueError, match="lacks the marks"):
        put_into(page, told)


def test_the_plot_is_drawn(told: dict[str, Any], tmp_path: Path) -> None:
    plot(told, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
