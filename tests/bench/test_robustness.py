"""What is made of answers by hand, and a short run with the shipped model on the demo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import recall_score

from affectd.bench.listeners import Listener, listeners
from affectd.bench.robustness import Answer, answer, changes, groups, measure_robustness
from affectd.bench.spoken import demo_speech, spoken_clips
from affectd.cli import main
from affectd.models.alterations import Alteration
from affectd.models.architectures import build
from affectd.models.checkpoint import Checkpoint, Heard
from affectd.models.clips import Clip
from affectd.models.corpora import CorpusError
from affectd.models.labels import LABELS as EMOTIONS
from affectd.models.recipes import Recipe, load_recipe

torch.set_num_threads(1)

LABELS = ("angry", "happy", "sad")


def clip(speaker: str, label: str, sex: str = "female", corpus: str = "emodb") -> Clip:
    return Clip(
        corpus=corpus,
        name=f"{speaker}{label}",
        path=Path(),
        speaker=speaker,
        sex=sex,  # type: ignore[arg-type]  # one of the two
        label=label,
        native=label,
        licence="",
    )


def way(**goals: float) -> Alteration:
    return Alteration("louder", "line", lambda samples, rng: samples, **goals)


def test_changes_are_counted_and_the_uar_is_scikit_learns() -> None:
    truth = ["angry", "angry", "happy", "sad", "sad", "sad"]
    clips = [clip("03", label) for label in truth]
    plain = [Answer(label, True) for label in ["angry", "happy", "happy", "sad", "sad", "angry"]]
    heard = ["angry", "happy", "sad", None, "sad", "sad"]
    altered = [Answer(label, label == "sad") for label in heard]
    found = changes(way(unchanged_at_least=50, lost_at_most=1), clips, plain, altered, LABELS)
    assert found["unchanged"] == 50
    expected = recall_score(
        truth, [label or "none" for label in heard], labels=LABELS, average="macro"
    )
    assert found["uar"] == pytest.approx(100 * expected, abs=0.01)
    clean = recall_score(truth, [each.label for each in plain], labels=LABELS, average="macro")
    assert found["uar_lost"] == pytest.approx(100 * (clean - expected), abs=0.01)
    assert found["no_speech_found"] == pytest.approx(100 / 6, abs=0.01)
    assert found["named"] == 50
    assert not found["met"]


def test_a_goal_of_labels_is_met_at_its_limit() -> None:
    clips = [clip("03", "angry"), clip("03", "sad")]
    plain = [Answer("angry", True), Answer("sad", True)]
    altered = [Answer("angry", True), Answer("angry", True)]
    assert changes(way(unchanged_at_least=50), clips, plain, altered, LABELS)["met"]
    assert not changes(way(unchanged_at_least=51), clips, plain, altered, LABELS)["met"]
    assert "met" not in changes(way(), clips, plain, altered, LABELS)


def test_groups_are_compared_on_emotions_that_both_speak() -> None:
    clips = [
        clip("03", "angry", "male"),
        clip("03", "sad", "male"),
        clip("08", "angry"),
        clip("08", "sad"),
        clip("08", "happy"),
        clip("OAF", "sad", corpus="tess"),
    ]
    said = ["angry", "sad", "angry", "angry", "sad", "sad"]
    found = groups(
        clips,
        [Answer(label, True) for label in said],
        LABELS,
        ("female", "male"),
        lambda each: each.sex,
    )
    assert found == {
        "emodb": {
            "female": {"speakers": 1, "clips": 2, "uar": 50},
            "male": {"speakers": 1, "clips": 2, "uar": 100},
            "gap": 50,
        }
    }


@pytest.fixture(scope="module")
def listener() -> Listener:
    with listeners() as found:
        return found[0]


def test_silence_has_no_answer(listener: Listener) -> None:
    assert answer(np.zeros(32_000, np.float32), listener.classifier) == Answer(None, False)


def test_speakers_whom_a_model_has_heard_are_left_out_where_there_are_others() -> None:
    clips, heard = demo_speech(lambda clip: clip.speaker == "03", labels=("angry", "sad"))
    assert {each.speaker for each in clips["emodb"]} == {"08"}
    assert heard == {"emodb": False}
    everyone, heard = demo_speech(lambda clip: True, labels=("angry", "sad"))
    assert {each.speaker for each in everyone["emodb"]} == {"03", "08"}
    assert heard == {"emodb": True}


def test_a_folder_without_corpora_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="holds no corpus"):
        spoken_clips(tmp_path, lambda clip: False, labels=LABELS, most=1, seed=1)


def test_the_command_alters_the_demo_and_writes_figures_and_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AFFECTD_CORPORA", raising=False)
    figures, page = tmp_path / "r.json", tmp_path / "r.html"
    monkeypatch.setattr(
        "sys.argv",
        [
            *("affectd", "bench", "robustness", "--model", "crnn-int8"),
            *("--clips", "2"),
            *("--json", str(figures), "--html", str(page)),
        ],
    )
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    out = capsys.readouterr()
    assert "telephone" in out.out
    assert "demo" in out.err
    told = json.loads(figures.read_text("utf-8"))
    assert told["corpora"]["emodb"]["speakers_are"] == "not heard in training"
    assert {"gain +20 dB", "white noise, 5 dB"} <= {
        each["alteration"] for each in told["alterations"]
    }
    assert page.read_text("utf-8").count("<svg") >= 2


def test_the_same_seed_gives_the_same_figures(listener: Listener) -> None:
    first, again = (
        measure_robustness([listener], corpora=None, most=1, seed=3)["alterations"][-1]
        for _ in range(2)
    )
    assert first == again


def test_checkpoints_are_exported_and_know_whom_they_have_heard(tmp_path: Path) -> None:
    torch.manual_seed(0)
    values = load_recipe("crnn").to_dict()
    values["options"] = {"channels": [4, 4, 8], "recurrent": 8, "hidden": 8}
    recipe = Recipe.from_dict(values)
    state = build("crnn", bands=64, classes=7, options=recipe.options).state_dict()
    for speaker in ("03", "08"):
        Checkpoint(
            recipe=recipe,
            labels=EMOTIONS,
            seed=1,
            epoch=1,
            step=1,
            weights=state,
            averaged=state,
            optimiser={},
            random_state=torch.get_rng_state(),
            heard=(Heard(corpus="emodb", licence="CC0 1.0", clips=1, speakers=(speaker,)),),
            temperature=1.0,
        ).save(tmp_path / f"{speaker}.pt")
    with listeners(checkpoints=[tmp_path / "03.pt", tmp_path / "08.pt"]) as asked:
        assert not asked[0].knows(clip("08", "sad"))
        assert asked[0].knows(clip("03", "sad"))
        found = measure_robustness(asked, corpora=None, most=1)
    # Each hears the speaker that it has not heard.
    assert found["corpora"]["emodb"]["speakers"] == 2
    assert found["corpora"]["emodb"]["speakers_are"] == "not heard in training"
