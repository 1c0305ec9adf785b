from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affectd.export.accuracy import measure_accuracy
from affectd.kernels.front_end import FrontEnd
from affectd.models.clips import Clip, Sex
from affectd.models.features import FeatureSet
from affectd.models.windowing import Windowing

WINDOWING = Windowing(
    front_end=FrontEnd(),
    normalisation="standard",
    window_seconds=3.0,
    hop_seconds=0.25,
    minimum_seconds=0.6,
)


def features_of(*told: tuple[str, str, Sex]) -> FeatureSet:
    """Return a clip for each label, emotion of its corpus, and sex."""
    clips = tuple(
        Clip(
            corpus="ravdess",
            name=str(place),
            path=Path("gone.wav"),
            speaker="01",
            sex=sex,
            label=label,
            native=native,
            licence="CC BY-NC-SA 4.0",
        )
        for place, (label, native, sex) in enumerate(told)
    )
    count = len(clips)
    return FeatureSet(
        clips,
        np.zeros((100 * count, 64), np.float16),
        np.arange(count) * 100,
        np.full(count, 100),
        np.tile([0, 100], (count, 1)),
    )


SAID = features_of(("neutral", "calm", "male"), ("neutral", "neutral", "female"))


@pytest.mark.parametrize(
    ("labels", "clips"),
    [
        (("neutral", "sad"), [2, 0]),
        (("neutral", "calm", "sad"), [1, 1, 0]),
        (("male calm", "female neutral", "sad"), [1, 1, 0]),
        (("male neutral", "female neutral"), [1, 1]),
        (("calm", "sad"), [1, 0]),
    ],
)
def test_clips_are_scored_under_the_models_own_labels(
    labels: tuple[str, ...], clips: list[int]
) -> None:
    def scorer(logmel: np.ndarray, frames: np.ndarray) -> np.ndarray:
        return np.zeros((len(logmel), len(labels)), np.float32)

    measured = measure_accuracy(scorer, SAID, windowing=WINDOWING, labels=labels)
    assert measured.total.counts.sum(1).tolist() == clips
