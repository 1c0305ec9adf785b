"""The table of the papers' systems: real figures or the reason why there are none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from sklearn.metrics import f1_score

from affectd.bench import papers
from affectd.bench.marked import mark
from affectd.bench.papers import macro_f1, remove_run, run_papers, time_all
from affectd.bench.papers_file import PROTOCOLS, Papers, kept, save
from affectd.bench.papers_table import markdown, plot, put_into
from affectd.cli import main
from affectd.models.corpora import CorpusError
from affectd.models.evaluation import Evaluation, FoldFigures
from affectd.models.foreign_weights import WeightsError
from affectd.models.metrics import Confusion
from affectd.models.system_protocols import Place, run_folder
from affectd.models.systems import System, system_named, systems

KEPT = Path(__file__).parents[2] / "bench/results/papers.json"
FOREIGN = "whisper-tiny-blocks-2"


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
def quick(monkeypatch: pytest.MonkeyPatch) -> System:
    """Of three systems the one that learns the tones in a second; another needs weights."""

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
    return named("lstm-2x64")


def test_the_table_holds_what_was_measured_and_says_what_was_not(
    quick: System, place: Place, tmp_path: Path
) -> None:
    said: list[str] = []
    rows = run_papers(place, names=[quick.name], most_folds=2, say=said.append)
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
    both = f"**{further['accuracy']:.1f}** (ravdess + tess; UAR {further['uar']:.1f})"
    alone = f"**{done['paper']['accuracy']:.1f}** (ravdess; UAR {done['paper']['uar']:.1f})"
    assert f"{alone}; {both}" in table
    assert "| `lstm-2x64` | 7 | " in table
    unseen = done["folds"]
    around = f"± {unseen['uar_fold_deviation']:.1f} (ravdess, 2 of 6 folds)"
    assert f"**{unseen['uar_fold_mean']:.1f}** {around}" in table
    assert "82.2 (not told)" in table
    assert "`mlp`: not trained here yet: `affectd bench papers --run mlp`" in table
    assert "| needs weights | – | – |" in table
    today = datetime.now(UTC).date().isoformat()
    for figures in (done["paper"], done["folds"], further, done["latency_ms"]):
        assert figures["date"] == today
    assert done["latency_ms"]["processor"]
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
    for protocol in ("paper", "folds"):
        remove_run(quick, place, protocol)
    for each in quick.on_further_corpora:
        remove_run(each, place, "further")
    assert not list(place.runs.iterdir())
    forgotten = run_papers(place, train=False)
    assert not any(row[protocol] for row in forgotten for protocol in PROTOCOLS)
    remembered = run_papers(place, train=False, earlier=kept(file))
    assert markdown(remembered) == table
    # What was measured before keeps its day, whatever it knew of it.
    old = kept(file)["lstm-2x64"]
    old["latency_ms"] = {"p50_ms": 1.0, "p99_ms": 2.0, "frames": 184.0}
    (carried,) = [
        row["latency_ms"]
        for row in run_papers(place, train=False, earlier={"lstm-2x64": old})
        if row["system"] == "lstm-2x64"
    ]
    assert carried == old["latency_ms"]
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
    rows = kept(KEPT)
    assert set(rows) == set(systems())
    page = (KEPT.parents[2] / "docs/papers.md").read_text("utf-8")
    begin, end = mark("affectd bench papers"), mark("affectd bench papers", end=True)
    assert page.partition(begin)[2].partition(end)[0].strip() == markdown(rows.values()).strip()
    for name, row in rows.items():
        assert row["configuration"] == system_named(name).digest[:8], f"{name} has changed since"


def test_the_kept_table_is_printed_without_pytorch(tmp_path: Path) -> None:
    program = "import sys; sys.modules['torch'] = None; from affectd.cli import main; main()"

    def printed(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, "bench", "papers", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    lacking = printed("--json", "none.json")
    assert lacking.returncode == 1
    assert "none.json: there are no figures" in lacking.stderr
    # Elsewhere than in the repository's root those that are shipped are told.
    shipped = printed()
    assert shipped.returncode == 0, shipped.stderr
    assert shipped.stdout.strip() == markdown(kept(KEPT).values()).strip()
    assert not list(tmp_path.iterdir())
    file = tmp_path / "bench/results/papers.json"
    save([an_old_row("crnn-4")], {}, file)
    before = file.read_bytes()
    done = printed()
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == markdown(kept(file).values()).strip()
    assert file.read_bytes() == before


def test_the_kept_table_is_shipped() -> None:
    project = tomllib.loads((KEPT.parents[2] / "pyproject.toml").read_text("utf-8"))
    packaged = project["tool"]["setuptools"]["package-data"]["affectd.bench"]
    assert str(KEPT.relative_to(KEPT.parents[1])) in packaged


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


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("--protocol", "fold", "no protocol 'fold'; did you mean folds"),
        ("--system", "cnn4elu", "no system 'cnn4elu'; did you mean"),
        ("--run", "cnn4elu", "no system 'cnn4elu'; did you mean"),
    ],
)
def test_an_unknown_name_is_refused_before_anything_else(
    option: str,
    name: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "papers.json"
    shutil.copy(KEPT, file)
    runs = str(tmp_path / "none")
    code = called(monkeypatch, option, name, "--json", str(file), "--runs", runs)
    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert said in err


def called(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the command, and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["affectd", "bench", "papers", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("other", [[], ["--run", "mlp"]])
def test_a_choice_among_what_is_not_trained_is_refused(
    other: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert called(monkeypatch, "--system", "cnn-4", *other) == 1
    _, err = capsys.readouterr()
    assert "--system: it chooses among what --train trains" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["--run", "--system"])
def test_nothing_is_trained_on_a_part_of_a_published_corpus(
    how: str,
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = replace(place, runs=tmp_path / "runs")
    there = fake_run(system_named("mlp"), place, "paper")
    if how == "--system":
        (run_folder(system_named("mlp"), place, "paper").with_suffix(".json")).unlink()
        there = {name for name in there if not name.endswith(".json")}
    file = tmp_path / "papers.json"
    shutil.copy(KEPT, file)
    before = file.read_bytes()
    words = [how, "mlp", "--corpora", str(place.corpora), "--runs", str(place.runs)]
    words += ["--train"] if how == "--system" else []
    assert called(monkeypatch, *words, "--json", str(file)) == 1
    _, err = capsys.readouterr()
    (line,) = err.splitlines()
    found = f"corpus ravdess: 192 clips of 1440 were found in {place.corpora / 'ravdess'}"
    assert f"{found}; the table of the papers' systems wants all of them" in line
    assert {path.name for path in place.runs.iterdir()} == there
    assert file.read_bytes() == before


@pytest.mark.usefixtures("quick")
def test_looking_writes_only_the_files_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/papers").mkdir(parents=True)
    file = Path("bench/results/papers.json")
    file.parent.mkdir(parents=True)
    shutil.copy(KEPT, file)
    before = file.read_bytes()
    assert called(monkeypatch) == 0
    assert file.read_bytes() == before
    assert called(monkeypatch, "--json", "other.json") == 0
    assert set(kept(Path("other.json"))) == {"lstm-2x64", "mlp", FOREIGN}
    shutil.rmtree("runs")
    shutil.copy(file, "another.json")
    assert called(monkeypatch, "--json", "another.json", "--markdown", "page.md") == 0
    assert kept(Path("another.json")) == kept(file)
    assert json.loads(Path("another.json").read_text())["date"] > json.loads(before)["date"]
    assert Path("page.md").read_text() == markdown(kept(file).values())


def fake_run(system: System, place: Place, part: str) -> set[str]:
    """Leave a checkpoint and an evaluation, as a run does, and return what they are called."""
    folder = run_folder(system, place, part)
    folder.mkdir(parents=True)
    (folder / "best.pt").touch()
    folder.with_suffix(".json").touch()
    return {folder.name, f"{folder.name}.json"}


@pytest.mark.parametrize("lacking", ["weights", "the folder of weights", "a corpus"])
def test_what_cannot_be_trained_is_not_removed(
    lacking: str,
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "cnn-lstm-attention-4" if lacking == "a corpus" else FOREIGN
    place = replace(place, runs=tmp_path / "runs")
    there = fake_run(system_named(name), place, "paper")
    words = ["--run", name, "--runs", str(place.runs), "--json", str(tmp_path / "papers.json")]
    corpora = place.corpora
    if lacking == "a corpus":
        # Its further sets need TESS too.
        corpora = tmp_path / "corpora"
        corpora.mkdir()
        (corpora / "ravdess").symlink_to(place.corpora / "ravdess")
    elif lacking == "the folder of weights":
        words += ["--weights", str(tmp_path / "none")]
    assert called(monkeypatch, *words, "--corpora", str(corpora)) == 1
    _, err = capsys.readouterr()
    assert len(err.splitlines()) == 1
    assert {path.name for path in place.runs.iterdir()} == there
    assert not (tmp_path / "papers.json").exists()


def test_only_a_system_that_is_not_named_is_left_out(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(papers, "systems", lambda: (FOREIGN,))
    place = replace(place, runs=tmp_path)
    for weights, said in ((None, "needs weights"), (tmp_path / "none", "no such folder")):
        lines: list[str] = []
        here = replace(place, weights=weights)
        (left_out,) = run_papers(here, protocols=["paper"], say=lines.append)
        assert left_out["paper"] is None
        (line,) = lines
        assert line.startswith(f"{FOREIGN} is left out: ")
        assert said in line
        with pytest.raises(WeightsError, match=said):
            run_papers(here, names=[FOREIGN], protocols=["paper"], say=lines.append)
    nowhere = replace(place, corpora=tmp_path)
    with pytest.raises(CorpusError, match="no folder"):
        run_papers(nowhere, names=[FOREIGN], protocols=["paper"])


def test_a_run_from_nothing_takes_only_what_is_trained_again(tmp_path: Path) -> None:
    place = Place(corpora=tmp_path, cache=tmp_path, runs=tmp_path / "runs")
    system = system_named("cnn-lstm-attention-4")
    paper = fake_run(system, place, "paper")
    first, second = (fake_run(system, place, f"ravdess-fold-{fold}") for fold in (1, 2))
    folds = fake_run(system, place, "ravdess-folds") | fake_run(system, place, "ravdess-folds-1")
    further = [fake_run(each, place, "paper") for each in system.on_further_corpora]
    others = fake_run(system, replace(place, seed=2), "paper")
    left = paper.union(first, second, folds, *further, others)

    def there() -> set[str]:
        return {path.name for path in place.runs.iterdir()}

    assert there() == left
    remove_run(system.on_further_corpora[0], place, "further")
    left -= further[0]
    assert there() == left
    remove_run(system, place, "paper")
    left -= paper
    assert there() == left
    remove_run(system, place, "folds", most_folds=1)
    left -= folds | {name for name in first if not name.endswith(".json")}
    assert there() == left
    remove_run(system, place, "folds")
    assert there() == further[1] | others


def test_a_run_is_made_again_where_it_is_named(quick: System, place: Place, tmp_path: Path) -> None:
    place = replace(place, runs=tmp_path)
    said: list[str] = []

    def trained(*, afresh: bool) -> int:
        protocols = ["paper"]
        run_papers(place, names=[quick.name], protocols=protocols, afresh=afresh, say=said.append)
        return (run_folder(quick, place, "paper") / "best.pt").stat().st_mtime_ns

    fold = fake_run(quick, place, "ravdess-fold-1")
    first = trained(afresh=False)
    assert trained(afresh=False) == first
    assert trained(afresh=True) > first
    assert said[0] == said[2]
    assert fold <= {path.name for path in tmp_path.iterdir()}


def test_a_latency_is_measured_again_only_with_its_system(
    quick: System, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = replace(place, runs=tmp_path)
    timed = iter(range(1, 9))
    monkeypatch.setattr(papers, "latency_of", lambda *_: {"p50_ms": next(timed)})
    earlier: dict[str, Papers] = {}

    def latency(**options: Any) -> int:
        rows = run_papers(place, names=[quick.name], earlier=earlier, say=lambda _: None, **options)
        earlier.update((row["system"], row) for row in rows)
        return int(earlier[quick.name]["latency_ms"]["p50_ms"])

    assert latency(protocols=["paper"]) == 1
    assert latency(protocols=["paper"]) == 1
    assert latency(train=False) == 1
    assert latency(protocols=["folds"], most_folds=1) == 1
    assert latency(protocols=["paper"], afresh=True) == 2
    earlier[quick.name]["latency_ms"] = None
    assert latency(train=False) == 3
    earlier[quick.name]["configuration"] = "another"
    assert latency(train=False) == 4
    rows = [earlier[quick.name], {"system": "cnn-4", "paper": {}, "latency_ms": None}]
    rows += [{"system": name, "paper": None, "latency_ms": None} for name in ("vgg19", "cnn-3")]
    rows += [{"system": "random-forest", "paper": {}, "latency_ms": {"p50_ms": 99}}]
    again = [row["latency_ms"] for row in time_all(rows, place)]
    assert again == [{"p50_ms": 5}, {"p50_ms": 6}, None, None, {"p50_ms": 99}]


def evaluation(*, folds: int = 0) -> Evaluation:
    """Figures of eight clips, on so many folds."""
    each = FoldFigures(index=1, speakers=("01",), clips=8, uar=75.0, accuracy=75.0)
    return Evaluation(
        model=FOREIGN,
        checkpoint_sha256=None,
        corpus="ravdess",
        protocol="folds" if folds else "paper",
        heard_corpus=True,
        command="affectd bench papers",
        trained_on=("ravdess",),
        clips=8,
        speakers=("01",),
        uar=75.0,
        accuracy=75.0,
        recalls={"angry": 50.0, "happy": 100.0},
        calibration_error=1.0,
        uar_four=None,
        uar_fold_mean=75.0 if folds else None,
        uar_fold_deviation=0.0 if folds else None,
        folds=(each,) * folds,
        labels=("angry", "happy"),
        confusion=((2, 2), (0, 4)),
    )


def test_a_figure_says_its_day_and_what_gives_it_again(tmp_path: Path) -> None:
    place = Place(corpora=tmp_path, cache=tmp_path, runs=tmp_path, seed=3)
    system = system_named(FOREIGN)
    for part, ran in (("paper", 0), ("ravdess-folds-1", 1), ("ravdess-folds-2", 2)):
        file = run_folder(system, place, part).with_suffix(".json")
        evaluation(folds=ran).save(file)
        day = datetime(2020, 5, 10 + ran, 12, tzinfo=UTC).timestamp()
        os.utime(file, (day, day))
    told = papers.row(system, place)
    command = f"affectd bench papers --run {FOREIGN} --protocol"
    assert told["paper"]["command"] == f"{command} paper --seed 3 --weights DIR"
    assert told["paper"]["date"] == "2020-05-10"
    assert told["folds"]["command"] == f"{command} folds --folds 2 --seed 3 --weights DIR"
    assert told["folds"]["date"] == "2020-05-12"
    assert told["folds"]["uar_fold_deviation"] == 0
    assert told["classes"] == 8
    run_folder(system, place, "ravdess-folds-2").with_suffix(".json").unlink()
    assert papers.row(system, place)["folds"]["uar_fold_deviation"] is None
    own = system_named("mlp")
    evaluation(folds=6).save(run_folder(own, place, "ravdess-folds").with_suffix(".json"))
    plain = papers.row(own, replace(place, seed=1))
    assert plain["folds"] is None
    assert papers.row(own, place)["folds"]["command"].endswith(
        "--run mlp --protocol folds --seed 3"
    )


def an_old_row(name: str, **changes: Any) -> dict[str, Any]:
    """Return a row as it was written before rows had their classes and figures their days."""
    figures = {"accuracy": 60.0, "uar": 58.0, "f1": 57.4, "clips": 100, "epochs": 1, "command": ""}
    spread = {"uar_fold_mean": 50.0, "uar_fold_deviation": 0.0}
    of_folds = {"corpus": "ravdess", "folds": 1, "published_folds": 6, **spread}
    return {
        "system": name,
        "source": "a paper",
        "published": [
            {"accuracy": 70.0, "protocol": "at random", "corpora": ["ravdess"], "f1": 69.5}
        ],
        "corpora": ["ravdess"],
        "needs_weights": "",
        "note": "",
        "seed": 1,
        "configuration": "0",
        "paper": figures,
        "folds": figures | of_folds,
        "latency_ms": {"p50_ms": 1.0, "p99_ms": 2.0, "frames": 184.0},
        "parameters": 1000,
        **changes,
    }


def test_a_row_of_before_is_told_as_one_of_now(tmp_path: Path) -> None:
    file = tmp_path / "papers.json"
    seeded = an_old_row("crnn-4", seed=2, needs_weights="a file")
    save([seeded, an_old_row("retired")], {}, file)
    rows = kept(file)
    assert rows["crnn-4"]["folds"]["uar_fold_deviation"] is None
    command = "affectd bench papers --run crnn-4 --protocol"
    assert rows["crnn-4"]["folds"]["command"] == f"{command} folds --folds 1 --seed 2 --weights DIR"
    assert rows["crnn-4"]["paper"]["command"] == f"{command} paper --seed 2 --weights DIR"
    begin, after = "1.0 k | 70 (at random; F1 0.69)", "**50.0** (ravdess, 1 of 6 folds) | 1.00 |"
    here = "**60.0** (-10.0; ravdess; UAR 58.0; F1 0.57)"
    lines = markdown(rows.values()).splitlines()
    assert f"| `crnn-4` | 4 | {begin} | {here} | {after}" in lines
    assert f"| `retired` | – | {begin} | {here} | {after}" in lines
    of_two = [
        {"accuracy": 70.0, "protocol": "both", "corpora": ["tess", "ravdess"], "f1": None},
    ]
    save([an_old_row("crnn-4", published=of_two)], {}, file)
    table = markdown(kept(file).values())
    assert "| 70 (both) | **60.0** (ravdess, without tess; UAR 58.0) |" in table


def test_the_plot_tells_some_folds_from_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, _path: drawn.append(self))
    file = tmp_path / "papers.json"
    whole = an_old_row("mlp")
    whole["folds"] |= {"folds": 6, "uar_fold_deviation": 2.0}
    save([whole, an_old_row("crnn-4", latency_ms={"p50_ms": 9.0})], {}, file)
    assert plot(kept(file).values(), tmp_path / "papers.png")
    (axes,) = drawn[0].axes
    faces = [line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"]
    assert [same_color(face, "white") for face in faces] == [False, True]
    assert {text.get_text() for text in axes.texts} == {"mlp", "crnn-4 (4)"}
    legend = axes.get_legend()
    assert legend is not None
    told = [text.get_text() for text in legend.get_texts()]
    assert told == ["all published folds", "some folds only"]


def test_there_is_nothing_to_draw_without_figures(tmp_path: Path) -> None:
    assert not plot([], tmp_path / "papers.png")
    assert not (tmp_path / "papers.png").exists()
