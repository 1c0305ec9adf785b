"""The table of the papers' systems: real figures or the reason why there are none."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.metrics import f1_score

from affectd.bench import papers
from affectd.bench.marked import mark
from affectd.bench.papers import (
    PROTOCOLS,
    macro_f1,
    protocols_named,
    remove_runs,
    run_papers,
)
from affectd.bench.papers_file import kept, save
from affectd.bench.papers_table import markdown, plot, put_into
from affectd.models.metrics import Confusion
from affectd.models.recipes import RecipeError
from affectd.models.system_protocols import Place
from affectd.models.systems import System, system_named, systems


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """RAVDESS and TESS with a short tone for every speaker and emotion, pitched by the emotion."""
    root = tmp_path_factory.mktemp("papers")
    ravdess, tess = root / "corpora/ravdess", root / "corpora/tess"
    for actor in range(1, 25):
        for emotion in range(1, 9):
            name = f"03-01-{emotion:02d}-01-01-01-{actor:02d}.wav"
            write_tone(ravdess / f"Actor_{actor:02d}" / name, 150 + 90 * emotion + actor)
    for place, emotion in enumerate(("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")):
        for speaker in ("OAF", "YAF"):
            for number, word in enumerate(("back", "bar", "base", "bath", "bean")):
                name = f"{speaker}_{word}_{emotion}.wav"
                write_tone(tess / f"{speaker}_{emotion}" / name, 200 + 90 * place + number)
    return Place(corpora=root / "corpora", cache=root / "cache", runs=root / "runs")


def write_tone(file: Path, hertz: float) -> None:
    """Write 0.75 s of a tone."""
    tone = 0.2 * np.sin(2 * np.pi * hertz * np.arange(12_000) / 16_000)
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, tone.astype(np.float32), 16_000)


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
            values["further"] = [["ravdess", "tess"]]
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
    rows = run_papers(place, names=names, most_folds=2, say=said.append)
    assert [line.split(":")[0] for line in said if "accuracy" in line] == [
        "lstm-2x64, paper",
        "lstm-2x64, folds",
        "lstm-2x64, further on ravdess + tess",
    ]
    by_name = {row["system"]: row for row in rows}
    done = by_name["lstm-2x64"]
    assert done["paper"]["clips"] in range(15, 30)
    assert done["folds"]["clips"] == 64
    assert 0 < done["latency_ms"]["p50_ms"] < 1_000
    assert not by_name["mlp"]["paper"]
    (further,) = done["further"]
    assert further["clips"] > done["paper"]["clips"]
    assert not by_name["mlp"]["further"]
    table = markdown(rows)
    both = f"**{further['accuracy']:.1f}** (ravdess + tess)"
    assert f"**{done['paper']['accuracy']:.1f}** (ravdess); {both}" in table
    unseen = done["folds"]
    around = f"± {unseen['uar_fold_deviation']:.1f} (ravdess, 2 of 6 folds)"
    assert f"**{unseen['uar_fold_mean']:.1f}** {around}" in table
    assert "82.2 (not told)" in table
    assert "`mlp`: not trained here yet: `affectd bench papers --run mlp`" in table
    assert "| needs weights | – | – |" in table
    assert "`whisper-tiny-blocks-2`: needs the wheel pipecat-ai" in table
    assert plot(rows, tmp_path / "papers.png")
    file = tmp_path / "papers.json"
    save(rows, {"processor": "a test"}, file)
    told = json.loads(file.read_text())
    assert told["systems"][0]["seed"] == 1
    assert {"date", "machine"} <= set(told)
    # What is there is not trained again; what is removed is gone, but for its kept figures.
    again = {row["system"]: row for row in run_papers(place, train=False)}
    assert again["lstm-2x64"]["paper"] == done["paper"]
    assert again["lstm-2x64"]["further"] == done["further"]
    remove_runs(["lstm-2x64"], place)
    forgotten = run_papers(place, train=False)
    assert not any(row[protocol] for row in forgotten for protocol in PROTOCOLS)
    remembered = run_papers(place, train=False, earlier=kept(file))
    assert markdown(remembered) == table
    # A run under one protocol takes nothing from the figures under the others.
    only = run_papers(
        place, train=True, names=["lstm-2x64"], protocols=["further"], earlier=kept(file)
    )
    assert markdown(only) == table
    before = kept(file)["lstm-2x64"]
    more_folds = {"lstm-2x64": before | {"folds": before["folds"] | {"folds": 6}}}
    fewer_sets = {"lstm-2x64": before | {"further": [further | {"corpora": ["tess"]}]}}
    (of_more,) = [
        row["folds"]["folds"]
        for row in run_papers(place, train=False, earlier=more_folds)
        if row["system"] == "lstm-2x64"
    ]
    assert of_more == 6
    (sets,) = [
        [one["corpora"] for one in row["further"]]
        for row in run_papers(place, train=False, earlier=fewer_sets)
        if row["system"] == "lstm-2x64"
    ]
    assert sets == [["ravdess", "tess"]]  # what the recipe does not name is not told
    other = replace(place, seed=2)
    assert all(row["paper"] is None for row in run_papers(other, train=False, earlier=kept(file)))


def test_a_table_takes_its_place_in_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    put_into(page, "one\n")
    assert page.read_text() == "one\n"
    begin, end = mark("affectd bench papers"), mark("affectd bench papers", end=True)
    page.write_text(f"Before.\n\n{begin}\nold\n{end}\n\nAfter.\n")
    put_into(page, "two\n")
    put_into(page, "three\n")
    assert page.read_text() == f"Before.\n\n{begin}\n\nthree\n\n{end}\n\nAfter.\n"
    page.write_text(f"Before.\n{begin}\n")
    with pytest.raises(ValueError, match="lacks the marks"):
        put_into(page, "four\n")


def test_the_documentation_holds_the_kept_figures() -> None:
    root = Path(__file__).parents[2]
    rows = kept(root / "bench/results/papers.json")
    assert set(rows) == set(systems())
    page = (root / "docs/papers.md").read_text("utf-8")
    begin, end = mark("affectd bench papers"), mark("affectd bench papers", end=True)
    assert page.partition(begin)[2].partition(end)[0].strip() == markdown(rows.values()).strip()
    for name, row in rows.items():
        assert row["configuration"] == system_named(name).digest[:8], f"{name} has changed since"


def test_the_kept_table_is_printed_without_pytorch(tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "bench/results/papers.json"
    program = "import sys; sys.modules['torch'] = None; from affectd.cli import main; main()"
    command = [sys.executable, "-c", program, "bench", "papers", "--json"]
    done = subprocess.run(
        [*command, str(file)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == markdown(kept(file).values()).strip()
    lacking = subprocess.run(
        [*command, "none.json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert lacking.returncode == 1
    assert "none.json: there are no figures" in lacking.stderr


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text("[1, 2]")
    with pytest.raises(ValueError, match="is no table of the papers' systems"):
        kept(file)


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
