"""The page says what the kept figures say, and nothing is measured to tell of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from affectd.bench.marked import mark
from affectd.bench.robustness_page import command, plot, put_into, tables
from affectd.cli import main

ROOT = Path(__file__).parents[2]
KEPT = sorted(
    [
        *ROOT.glob("bench/results/robustness-*.json"),
        *ROOT.glob("bench/results/coverage-*.json"),
    ]
)


assert KEPT, "figures are kept with the source"


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_the_documentation_holds_the_kept_figures(file: Path, tmp_path: Path) -> None:
    told = json.loads(file.read_text("utf-8"))
    page = (ROOT / "docs/robustness.md").read_text("utf-8")
    begin, end = mark(command(told)), mark(command(told), end=True)
    assert page.partition(begin)[2].partition(end)[0].strip() == tables(told).strip()
    plot(told, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert f"({file.stem}.png)" in page


def test_a_missed_goal_is_said_and_sexes_where_there_are_two(tmp_path: Path) -> None:
    told = {
        "benchmark": "robustness",
        "machine": {"measured_at": "2026-01-02T03:04:05+00:00"},
        "models": ["one", "two"],
        "seed": 7,
        "corpora": {
            "emodb": {"speakers_are": "not heard in training"},
            "nemo": {"speakers_are": "heard in training"},
        },
        "clean": {"clips": 1234, "uar": 60, "named": 98},
        "alterations": [
            {
                "alteration": "louder",
                "unchanged": 90,
                "uar": 55,
                "uar_lost": 5,
                "named": 97,
                "goal": "at least 95 % unchanged",
                "met": False,
            }
        ],
        "by_sex": {
            "emodb": {
                "female": {"uar": 61.25, "speakers": 1},
                "male": {"uar": 50, "speakers": 2},
            }
        },
    }
    said = tables(told)
    assert said.startswith(
        "`one`, by 2 models of its folds in full precision: 1,234 clips of emodb and nemo (heard "
        "in training), 2026-01-02, seed 7.\n"
    )
    assert "| louder | 90.0 | 55.0 | 5.0 | 97.0 | at least 95 % unchanged: **missed** |" in said
    assert said.endswith(
        "UAR of women and men, and how many they are: emodb 61.2 % (1) and 50.0 % (2).\n"
    )
    page = tmp_path / "page.md"
    page.write_text("no marks\n", "utf-8")
    with pytest.raises(ValueError, match="lacks the marks"):
        put_into(page, told)
    told["by_sex"] = {}
    assert "women" not in tables(told)


@pytest.mark.parametrize("benchmark", ["robustness", "coverage"])
def test_kept_figures_are_told_again(
    benchmark: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = ROOT / f"bench/results/{benchmark}-fast.json"
    told = json.loads(file.read_text("utf-8"))
    page, picture, again = (tmp_path / name for name in ("page.md", "plot.png", "again.json"))
    page.write_text(f"{mark(command(told))}\n{mark(command(told), end=True)}\n", "utf-8")

    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["affectd", "bench", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0)

    given = (benchmark, "--from", str(file))
    files = ("--page", str(page), "--png", str(picture), "--json", str(again))
    assert run(*given, *files) == 0
    assert tables(told) in page.read_text("utf-8")
    assert picture.read_bytes().startswith(b"\x89PNG")
    # With the day and the machine on which they were measured.
    assert json.loads(again.read_text("utf-8")) == told
    capsys.readouterr()
    assert run(*given, "--model", "crnn") == 1
    assert "--model: with --from nothing is measured" in capsys.readouterr().err
    for option, says in (("--page", "there is no such page"), ("--png", "the picture is a PNG")):
        assert run(*given, option, str(tmp_path / "nothing.svg")) == 1
        assert says in capsys.readouterr().err
    again.write_text(json.dumps({"benchmark": benchmark, "models": ["fast"]}), "utf-8")
    assert run(benchmark, "--from", str(again)) == 1
    assert "is not what --json wrote: it lacks '" in capsys.readouterr().err
    other = {"robustness": "coverage", "coverage": "robustness"}[benchmark]
    assert run(other, "--from", str(file)) == 1
    assert f"is of bench {benchmark}, not of {other}" in capsys.readouterr().err
