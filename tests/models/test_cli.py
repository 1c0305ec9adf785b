from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from affectd.models import extra
from affectd.models.cli import evaluate, train
from affectd.models.evaluation import Evaluation
from affectd.models.extra import MissingExtraError, need_inference_extra, need_training_extra
from affectd.models.recipes import load_recipe

app = typer.Typer()
app.command()(train)
app.command()(evaluate)


def test_train_then_evaluate(corpora: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name = "tiny"\narchitecture = "crnn"\n'
        "corpora = { ravdess = 1.0, nemo = 1.0 }\n"
        "options = { channels = [2, 2, 2], recurrent = 4, hidden = 4 }\n"
        "[optimiser]\nepochs = 1\nwindows_per_epoch = 8\nbatch = 8\n"
    )
    run, places = tmp_path / "run", ["--corpora", str(corpora), "--cache", str(tmp_path / "cache")]
    done = CliRunner().invoke(app, ["train", str(recipe), "-o", str(run), *places])
    assert done.exit_code == 0, done.output
    assert "best checkpoint" in done.output
    figures, picture = tmp_path / "a.json", tmp_path / "a.png"
    results = ["--json", str(figures), "--png", str(picture)]
    done = CliRunner().invoke(
        app, ["evaluate", str(run / "best.pt"), "--corpus", "nemo", *places, *results]
    )
    assert done.exit_code == 0, done.output
    assert "UAR" in done.output
    assert Evaluation.load(figures).speakers == ("EB0", "WR0")
    assert picture.exists()
    folds = ["--protocol", "folds", "--runs", str(tmp_path / "runs")]
    told = ["--train-on", "ravdess", "--epochs", "1"]
    done = CliRunner().invoke(
        app, ["evaluate", str(recipe), "--corpus", "tess", *places, *folds, *told]
    )
    assert done.exit_code == 0, done.output
    assert "UAR over 2 folds" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "crn"], "did you mean crnn"),
        (["evaluate", "crnn", "--corpus", "emodbb"], "did you mean emodb"),
        (["evaluate", "crnn", "--corpus", "emodb", "--protocol", "fold"], "did you mean folds"),
        (["evaluate", "cnn-4", "--protocol", "paper", "--corpus", "tess"], "on the corpora of its"),
        (["evaluate", "gone.pt", "--corpus", "emodb"], "no such file"),
    ],
)
def test_a_mistake_is_a_value_error_of_one_line(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs the extra 'train': pip install 'affectd\["):
        need_training_extra("train")
    with pytest.raises(MissingExtraError, match=r"affectd evaluate needs the extra 'cpu'"):
        need_inference_extra("evaluate")
    assert load_recipe("crnn")  # recipes read without torch
