from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from affectd.models.evaluation import Evaluation, EvaluationError, Scored
from affectd.models.features import FeatureSet
from affectd.models.labels import LABELS
from affectd.models.recipes import Recipe
from affectd.models.scoring import score_utterances


def scored(features: FeatureSet, seed: int) -> tuple[Scored, list[str], list[str]]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (len(features), 7))
    true = [str(clip.label) for clip in features.clips]
    guessed = [LABELS[place] for place in logits.argmax(axis=1)]
    return Scored(logits, features, LABELS, 1.0), true, guessed


def evaluation(parts: list[Scored], protocol: str = "folds") -> Evaluation:
    return Evaluation.of(
        parts,
        model="crnn",
        checkpoint_sha256=None,
        corpus="emodb",
        protocol="folds" if protocol == "folds" else "held-out",
        heard_corpus=True,
        command="affectd evaluate crnn",
        trained_on=["emodb"],
        epochs=3,
    )


def test_folds_have_their_spread_and_the_sum_its_uar(separable_clips: FeatureSet) -> None:
    parts, true, guessed, uars = [], [], [], []
    for seed, speakers in enumerate((("0", "1"), ("2", "3"), ("4",))):
        fold = separable_clips.select(lambda clip, who=speakers: clip.speaker in who)  # type: ignore[misc]  # bound at once
        part, fold_true, fold_guessed = scored(fold, seed)
        parts.append(part)
        true += fold_true
        guessed += fold_guessed
        uars.append(
            100
            * metrics.recall_score(
                fold_true,
                fold_guessed,
                labels=sorted(set(fold_true)),
                average="macro",
                zero_division=0,
            )
        )
    result = evaluation(parts)
    expected = 100 * metrics.recall_score(
        true, guessed, labels=sorted(set(true)), average="macro", zero_division=0
    )
    assert result.uar == pytest.approx(expected, abs=0.01)
    assert result.uar_fold_mean == pytest.approx(np.mean(uars), abs=0.01)
    assert result.uar_fold_deviation == pytest.approx(np.std(uars, ddof=1), abs=0.02)
    assert [fold.speakers for fold in result.folds] == [("0", "1"), ("2", "3"), ("4",)]
    assert "UAR over 3 folds" in str(result)


def test_it_survives_its_file(separable_clips: FeatureSet, tmp_path: Path) -> None:
    result = evaluation([scored(separable_clips, 0)[0]], "held-out")
    assert result.uar_fold_mean is None
    result.save(tmp_path / "a.json")
    assert Evaluation.load(tmp_path / "a.json") == result
    (tmp_path / "b.json").write_text('{"model": "crnn"}')
    with pytest.raises(EvaluationError, match=r"b\.json: checkpoint_sha256: Field required"):
        Evaluation.load(tmp_path / "b.json")
    with pytest.raises(EvaluationError, match="cannot be read"):
        Evaluation.load(tmp_path / "gone.json")


def test_among_four_only_the_four_are_guessed(separable_clips: FeatureSet) -> None:
    logits = np.zeros((len(separable_clips), 7))
    logits[:, LABELS.index("surprised")] = 9
    logits[:, LABELS.index("sad")] = 1
    four = Scored(logits, separable_clips, LABELS, 1.0).four
    assert four is not None
    assert four.recalls == {"angry": 0.0, "neutral": 0.0, "sad": 1.0}


def test_an_utterances_score_is_the_mean_over_its_windows(
    separable_clips: FeatureSet, tiny_recipe: Recipe
) -> None:
    long = separable_clips.select(lambda clip: True)
    calls: list[int] = []

    def frames_as_score(
        logmel: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
        frames: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        calls.append(len(frames))
        return np.stack([frames, logmel[:, 0, 0]], axis=1).astype(np.float32)

    scores = score_utterances(frames_as_score, long, tiny_recipe.windowing)
    assert scores.shape == (90, 2)
    lengths = np.minimum(long.lengths, 184)
    assert np.array_equal(scores[:, 0], lengths)  # every window is as long as the utterance allows
    assert sum(calls) >= 90
