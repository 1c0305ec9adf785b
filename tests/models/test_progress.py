"""What is printed of a long run where the output is no terminal."""

from __future__ import annotations

import pytest

from affectd.models.progress import RunProgress


def test_only_what_takes_a_while_is_told_and_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    with RunProgress() as progress:
        progress.preparing("an encoder", 1, 1)
        for _ in range(2):
            for done in range(1, 4):
                progress.preparing("features of ravdess", done, 3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["features of ravdess: 3 to be made ready"] * 2


def test_an_epoch_is_a_line_with_the_name_of_its_run(capsys: pytest.CaptureFixture[str]) -> None:
    with RunProgress() as progress:
        progress.run_started("mlp on ravdess")
        progress.epoch_started(2, epochs=3, steps=4)
        progress.batch_done(0.7)
        progress.epoch_done({"loss": 0.5, "accuracy": 61.0})
    _, err = capsys.readouterr()
    assert err.splitlines() == ["mlp on ravdess epoch 2/3: loss 0.50  accuracy 61.00"]
