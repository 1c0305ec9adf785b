"""The benchmark's figures are those of its scores, and its folds leave out whom they test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.conftest import corpora
from tests.models.test_distilling import recipe_of
from tests.models.test_whisper_weights import folder as weights  # a trunk of one block

from affectd.bench.accuracy import (
    PROTOCOLS,
    _calibration,
    _figures,
    by_sex,
    markdown,
    measure_alone,
    measure_seed,
    summary,
)
from affectd.bench.accuracy_file import evaluations, load, save
from affectd.cli import main
from affectd.models.clips import Clip
from affectd.models.evaluation import Evaluation
from affectd.models.probe_data import Scores
from affectd.models.probe_recipe import ProbeRecipe
from affectd.models.trial_data import TrialData, gather_trial_data
from affectd.models.trials import hold_trials

__all__ = ["corpora", "weights"]

LABELS = ("angry", "happy", "neutral")


def clip(speaker: str, sex: Any = "female") -> Clip:
    return Clip(
        corpus="emodb",
        name="n",
        path=Path("p"),
        speaker=speaker,
        sex=sex,
        label="angry",
        native="W",
        licence="CC0",
    )


def scores(truth: list[int], guessed: list[int], speaker: str, sex: Any = "female") -> Scores:
    return Scores(
        logits=4 * np.eye(3)[guessed],
        truth=np.array(truth),
        clips=tuple(clip(speaker, sex) for _ in truth),
    )


def test_uar_is_the_mean_recall_over_all_folds_together() -> None:
    first = scores([0, 0, 1, 2], [0, 1, 1, 2], "a")
    second = scores([0, 2], [0, 1], "b", "male")
    figures = _figures([first, second], LABELS)
    assert figures["recalls"] == {"angry": 66.67, "happy": 100.0, "neutral": 50.0}
    assert figures["uar"] == pytest.approx(72.22)
    assert [fold["speakers"] for fold in figures["folds"]] == [["a"], ["b"]]
    assert figures["folds"][0]["uar"] == pytest.approx(83.33)
    assert figures["uar_by_sex"] == {"female": 83.33, "male": 50.0}
    assert by_sex([first], LABELS) == {}


def test_the_error_of_confidence_is_that_of_what_it_says() -> None:
    sure = scores([0, 1, 2, 0] * 10, [0, 1, 2, 0] * 10, "a")
    wrong = scores([0, 1, 2, 0] * 10, [1, 2, 0, 1] * 10, "b")
    figures = _calibration({"one": sure, "two": wrong}, {"one": [sure, wrong]})
    p = float(np.exp(4) / (np.exp(4) + 2))
    assert figures["error_unseen_corpus"] == pytest.approx(
        {"one": 100 * (1 - p), "two": 100 * p}, abs=0.01
    )
    assert figures["error_unseen_speakers"]["one"] == pytest.approx(100 * (p - 0.5), abs=0.01)


@pytest.fixture(scope="module")
def tried(corpora: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    """A probe of TESS and EmoDB without surprise, to be tried on nEMO and CREMA-D, too."""
    values = recipe_of().to_dict()
    values |= {"corpora": {"tess": 1.0, "emodb": 1.0}, "absent": ["surprised"]}
    values |= {"distilling": None, "options": {"blocks": 0, "layers": [0], "stride": 4}}
    recipe = ProbeRecipe.from_dict(values)
    assert isinstance(recipe, ProbeRecipe)
    cache = tmp_path_factory.mktemp("cache")
    foreign = ("nemo", "crema-d")
    return gather_trial_data(
        recipe, corpora=corpora, cache=cache, weights=weights, seed=1, foreign=foreign
    )


def test_a_recipe_is_tried_on_what_it_has_and_on_what_it_lacks(tried: TrialData) -> None:
    said: list[str] = []
    figures = measure_seed(hold_trials(tried), 1, said.append)
    # TESS's own protocol has surprise, which the recipe does not know; RAVDESS was not asked for.
    unseen = {"four-unseen-emodb", "four-unseen-nemo", "four-unseen-tess"}
    assert set(figures["protocols"]) == {"emodb-7", *unseen}
    assert said[0].endswith("and 3 others are made")
    nemo = figures["protocols"]["four-unseen-nemo"]
    assert nemo["clips"] == 3, "those that are angry; the others are surprised"
    errors = figures["calibration"]
    assert set(errors["error_unseen_corpus"]) == {"emodb", "nemo", "tess"}
    assert set(errors["error_unseen_speakers"]) == {"emodb"}
    assert set(measure_alone(tried, said.append)) == {"emodb-7"}
    assert "four-unseen" not in summary([figures]), "of three it is no mean of four"
    assert tried.foreign
    assert tried.foreign().without["crema-d"] == ("1001", "1090"), "made sound again"


def run(seed: int, right: int) -> dict[str, Any]:
    found = {
        one.name: {
            "labels": list(one.labels),
            **_figures(
                [
                    Scores(
                        np.eye(len(one.labels))[[0, right, 2]],
                        np.array([0, 1, 2]),
                        tuple(clip("a") for _ in range(3)),
                    )
                ],
                one.labels,
            ),
        }
        for one in PROTOCOLS
    }
    errors = {one.corpus: 3.0 for one in PROTOCOLS}
    return {
        "seed": seed,
        "date": f"2026-01-0{seed}T00:00:00+00:00",
        "protocols": found,
        "calibration": {"error_unseen_speakers": errors, "error_unseen_corpus": errors},
    }


def test_seeds_become_a_mean_and_a_spread(tmp_path: Path) -> None:
    runs = [run(1, 1), run(2, 0)]
    figures = summary(runs)
    assert figures["ravdess-8"] == {"mean": 83.34, "deviation": 23.57, "seeds": 2}
    assert figures["four-unseen"]["mean"] == pytest.approx(83.34)
    told = {
        "benchmark": "accuracy",
        "model": "m",
        "command": "c",
        "epochs": 2,
        "summary": figures,
        "runs": runs,
        "alone": {},
    }
    assert "| ravdess-8 | 3 | 1 | **83.3** ± 23.6 | – |" in markdown(told)
    save(told, tmp_path / "deep" / "figures.json")
    assert (tmp_path / "deep" / "figures.json").read_text().endswith("}\n")
    assert load(tmp_path / "deep" / "figures.json") == json.loads(json.dumps(told))
    cards = evaluations(told)
    assert {one.corpus for one in cards} == {"ravdess", "nemo", "emodb", "tess", "crema-d"}
    cards[0].save(tmp_path / "one.json")
    assert Evaluation.load(tmp_path / "one.json") == cards[0]


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"benchmark": "papers"}')
    with pytest.raises(ValueError, match="holds no figures"):
        load(tmp_path / "other.json")
    with pytest.raises(ValueError, match="cannot be read"):
        load(tmp_path / "none.json")


def test_kept_figures_are_told_again_and_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(__file__).parents[2] / "bench/results/accuracy-fast.json"
    again = tmp_path / "again.json"

    def asked(*arguments: str) -> int:
        monkeypatch.setattr(
            "sys.argv", ["affectd", "bench", "accuracy", "--from", str(file), *arguments]
        )
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0)

    assert asked("--json", str(again)) == 0
    assert load(again) == load(file)
    assert "| ravdess-8 |" in capsys.readouterr().out
    for option, value in (("--model", "fast"), ("--seed", "1"), ("--weights", ".")):
        assert asked(option, value) == 1
        assert f"{option}: with --from nothing is measured" in capsys.readouterr().err
