from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from affectd.export.folds import FoldCost, FoldsCost, quantise_folds
from affectd.export.gates import GATES, GateError
from affectd.models.checkpoint import Checkpoint, Heard
from affectd.models.metrics import Confusion


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    clips = folder / "emodb" / "wav"
    clips.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for speaker in ("03", "09"):
        for letter in "WFNT":
            noise = 0.1 * rng.standard_normal(20_000)
            soundfile.write(clips / f"{speaker}a01{letter}a.wav", noise, 16_000)
    return folder


def save(checkpoint: Checkpoint, path: Path, *speakers: str) -> Path:
    heard = (Heard(corpus="emodb", licence="CC0 1.0", clips=4, speakers=speakers),)
    replace(checkpoint, heard=heard).save(path)
    return path


def test_every_speaker_is_scored_once_by_a_model_that_never_heard_them(
    checkpoint: Checkpoint, corpora: Path, tmp_path: Path
) -> None:
    first = save(checkpoint, tmp_path / "1.pt", "03")
    second = save(checkpoint, tmp_path / "2.pt", "09")
    cache = tmp_path / "cache"
    done = quantise_folds(
        [first, second], corpus="emodb", corpora=corpora, cache=cache, allow=GATES
    )
    assert [fold.speakers for fold in done.folds] == [("09",), ("03",)]
    assert done.before.clips == done.after.clips == 8
    assert "emodb, 2 folds, 8 clips" in str(done)
    with pytest.raises(ValueError, match=r"emodb speaker 09 is scored by .*1\.pt and by .*1\.pt"):
        quantise_folds([first, first], corpus="emodb", corpora=corpora, cache=cache, allow=GATES)
    everyone = save(checkpoint, tmp_path / "3.pt", "03", "09")
    with pytest.raises(ValueError, match="has heard every speaker of emodb"):
        quantise_folds([everyone], corpus="emodb", corpora=corpora, cache=cache)


def test_what_is_lost_is_counted_over_all_folds() -> None:
    def fold(before: int, after: int) -> FoldCost:
        counts = [
            Confusion(("a", "b"), np.array([[right, 10 - right], [0, 10]]))
            for right in (before, after)
        ]
        return FoldCost(
            checkpoint=Path("best.pt"),
            speakers=("1",),
            before=counts[0],
            after=counts[1],
            p50_ms=(3.0, 2.0),
            gates=(),
        )

    even = FoldsCost("emodb", (fold(8, 9), fold(8, 7)))
    assert even.lost == pytest.approx(0)
    even.check()
    assert "1.50 times as fast" in str(even)
    worse = FoldsCost("emodb", (fold(8, 6), fold(8, 8)))
    assert worse.lost == pytest.approx(5)
    with pytest.raises(GateError, match=r"emodb fails uar: .* is 5\.00 points"):
        worse.check()
