"""Vectors of hand-crafted features, and the invariances that every view must have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.models.vowel import FRAMES, LINEAR, RATE

from affectd.kernels.logmel import LogMel
from affectd.models.handcrafted import HandCrafted
from affectd.models.tracks import Tracks
from affectd.models.windowing import Windowing

WINDOWING = Windowing(
    front_end=LINEAR,
    normalisation="none",
    window_seconds=3.0,
    hop_seconds=0.25,
    minimum_seconds=0.6,
)


@pytest.mark.parametrize("bpm", [75.0, 120.0, 150.0])
def test_the_tempo_of_clicks_is_found(bpm: float) -> None:
    samples = 1e-3 * np.random.default_rng(3).standard_normal(3 * RATE).astype(np.float32)
    for start in np.arange(0.1, 3, 60 / bpm) * RATE:
        samples[int(start) : int(start) + 400] += np.float32(0.5)
    view = HandCrafted(WINDOWING, tracks=("rms",), statistics=("mean",), scalars=("tempo",))
    frames = LogMel(LINEAR).batch(samples)
    tempo = view(torch.from_numpy(frames[None]), torch.tensor([len(frames)]))[0, -1]
    assert float(tempo) == pytest.approx(bpm, rel=0.05)


def test_frames_past_the_valid_ones_say_nothing() -> None:
    tracks = ("mfcc-5", "delta-5", "chroma", "contrast", "pitch", "formants", "rms")
    view = HandCrafted(
        WINDOWING,
        tracks=tracks,
        statistics=("mean", "std", "min", "max"),
        scalars=("tempo", "snr", "seconds"),
    )
    frames = torch.from_numpy(FRAMES[None, :80])
    padded = torch.nn.functional.pad(frames, (0, 0, 0, 40))
    alone = view(frames, torch.tensor([80]))
    np.testing.assert_allclose(view(padded, torch.tensor([80])), alone, atol=1e-4)
    assert alone.shape == (1, view.width)


def test_statistics_are_numpys() -> None:
    view = HandCrafted(
        WINDOWING, tracks=("mfcc-3",), statistics=("mean", "std", "min", "max"), scalars=()
    )
    cepstra = Tracks(LINEAR, ("mfcc-3",))(torch.from_numpy(FRAMES[None]))[0].numpy()
    expected = np.concatenate([cepstra.mean(0), cepstra.std(0), cepstra.min(0), cepstra.max(0)])
    found = view(torch.from_numpy(FRAMES[None]), torch.tensor([len(FRAMES)]))[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_unknown_statistic_is_refused() -> None:
    with pytest.raises(ValueError, match="no statistic 'median'"):
        HandCrafted(WINDOWING, tracks=("rms",), statistics=("median",))
