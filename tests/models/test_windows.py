from __future__ import annotations

import numpy as np
import pytest

from affectd.kernels.normalisation import normalise
from affectd.models.features import FeatureSet
from affectd.models.labels import LABELS
from affectd.models.noise import NoiseBank
from affectd.models.recipes import Recipe
from affectd.models.windows import (
    Batch,
    clip_weights,
    noise_bank,
    training_batches,
    utterance_windows,
)


def test_classes_are_drawn_alike_and_corpora_by_square_root(
    separable_clips: FeatureSet, tiny_recipe: Recipe
) -> None:
    # 6 cells of 15 clips; without 10 clips of one cell, that one is drawn by the root of 5.
    dropped = {
        clip.name
        for clip in separable_clips.clips
        if clip.label == "angry" and clip.corpus == "emodb"
    }
    dropped = set(sorted(dropped)[:10])
    features = separable_clips.select(lambda clip: clip.name not in dropped)
    weights = clip_weights(features, tiny_recipe)
    shares: dict[tuple[str | None, str], float] = {}
    for clip, weight in zip(features.clips, weights, strict=True):
        cell = clip.label, clip.corpus
        shares[cell] = shares.get(cell, 0) + weight
    assert sum(shares.values()) == pytest.approx(1)
    for label in ("angry", "sad", "neutral"):
        assert shares[label, "emodb"] + shares[label, "ravdess"] == pytest.approx(1 / 3)
    assert shares["angry", "emodb"] / shares["angry", "ravdess"] == pytest.approx((5 / 15) ** 0.5)


def test_an_epoch_has_full_batches_of_valid_windows_and_repeats_with_its_seed(
    separable_clips: FeatureSet, tiny_recipe: Recipe, white_and_pink: NoiseBank
) -> None:
    def epoch(seed: int) -> list[Batch]:
        return list(
            training_batches(
                separable_clips,
                recipe=tiny_recipe,
                labels=LABELS,
                noise=white_and_pink,
                rng=np.random.default_rng(seed),
            )
        )

    batches = epoch(0)
    assert len(batches) == 12
    for batch, again in zip(batches, epoch(0), strict=True):
        assert batch.logmel.shape == (16, batch.frames.max(), 64)
        assert np.isfinite(batch.logmel).all()
        assert set(batch.targets) <= {0, 4, 5}
        assert np.array_equal(batch.logmel, again.logmel)
        for row, frames in zip(batch.logmel, batch.frames, strict=True):
            assert (row[frames:] == 0).all()
    assert not np.array_equal(batches[0].targets, epoch(1)[0].targets)


def test_a_short_utterance_has_one_window_and_a_long_one_many(tiny_recipe: Recipe) -> None:
    windowing = tiny_recipe.windowing
    rng = np.random.default_rng(0)
    for length, expected in ((100, 1), (184, 1), (185, 2), (184 + 16, 2), (184 + 40, 4)):
        logmel = rng.normal(-40, 5, (length, 64)).astype(np.float16)
        features = FeatureSet(
            (None,),  # type: ignore[arg-type]  # no clip is looked at
            logmel,
            np.array([0]),
            np.array([length]),
            np.array([[0, length]]),
        )
        windows = utterance_windows(features, 0, windowing)
        assert len(windows) == expected
        last = normalise(logmel[-184:].astype(np.float32), windowing.normalisation)
        assert np.array_equal(windows[-1], last)
        assert all(len(window) == min(length, 184) for window in windows)


def test_sizes_end_at_the_full_window(tiny_recipe: Recipe) -> None:
    assert tiny_recipe.windowing.frame_sizes == (64, 128, 184)
    assert tiny_recipe.windowing.minimum_frames == 34


def test_recordings_stand_beside_white_and_pink_noise(
    separable_clips: FeatureSet, tiny_recipe: Recipe
) -> None:
    assert len(noise_bank(tiny_recipe, None).kinds) == 2
    assert len(noise_bank(tiny_recipe, separable_clips).kinds) == 20 + len(separable_clips)
