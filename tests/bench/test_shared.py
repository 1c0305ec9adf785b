"""The variants do share their work: what is computed hop by hop is what whole windows give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from affectd.bench.shared import measure_shared
from affectd.bench.shared_accuracy import ARCHITECTURES, measure_accuracy_shared
from affectd.bench.streaming_crnn import (
    REACH_FRAMES,
    STEP_FRAMES,
    StreamingCrnn,
    Variant,
    running_normalisation,
)
from affectd.models.checkpoint import Checkpoint
from affectd.models.crnn import CrnnOptions
from affectd.models.training import LATEST

torch.set_num_threads(1)


def network(variant: Variant) -> StreamingCrnn:
    torch.manual_seed(0)
    options = CrnnOptions(channels=(4, 8, 8), recurrent=16, hidden=16)
    return StreamingCrnn(bands=64, classes=7, options=options, variant=variant).eval()


def test_the_trunk_makes_the_same_steps_of_new_frames_as_of_all() -> None:
    trunk, frames = network("trunk").trunk, torch.randn(1, 96, 64)
    with torch.inference_mode():
        whole, new = trunk(frames), trunk(frames[:, -16 - REACH_FRAMES :])
    torch.testing.assert_close(new[:, REACH_FRAMES // STEP_FRAMES :], whole[:, -4:])


def test_normalised_frames_do_not_depend_on_later_ones_nor_on_gain() -> None:
    frames = torch.randn(2, 60, 64)
    whole = running_normalisation(frames)
    torch.testing.assert_close(running_normalisation(frames[:, :31]), whole[:, :31])
    # The prior holds the spread near one, so that a gain is undone only in the long run.
    louder = running_normalisation(frames + 20)
    torch.testing.assert_close(louder, whole, atol=1e-3, rtol=1e-3)


def test_the_lstms_state_carries_over_to_the_next_hop() -> None:
    causal, frames = network("causal"), torch.randn(1, 64, 64)
    with torch.inference_mode():
        steps = causal.trunk(running_normalisation(frames))
        first, state = causal.recurrent(steps[:, :9])
        second, _ = causal.recurrent(steps[:, 9:], state)
        joined = torch.cat([first, second], dim=1)
        logits = causal.head(joined, torch.ones(1, 16))[0]
        torch.testing.assert_close(logits, causal(frames, torch.tensor([64]))[0])


@pytest.mark.parametrize("variant", ["trunk", "causal"])
def test_padding_after_a_window_has_no_influence(variant: Variant) -> None:
    model, frames = network(variant), torch.randn(1, 40, 64)
    padded = torch.cat([frames, torch.randn(1, 24, 64)], dim=1)
    with torch.inference_mode():
        alone = model(frames, torch.tensor([40]))[0]
        torch.testing.assert_close(model(padded, torch.tensor([40]))[0], alone)


def test_every_way_is_timed() -> None:
    figures = measure_shared()
    assert [row["way"] for row in figures["ways"]] == [
        "shipped, whole window",
        "trunk, new frames",
        "trunk, head",
        "causal, new frames",
        "causal, head",
    ]
    assert all(0 < row["best ms"] <= row["ms"] for row in figures["ways"])
    assert set(figures["times_faster"]) == {"trunk", "causal"}


def test_every_way_learns_and_is_scored(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for actor in (1, 2, 19, 21):
        for emotion in (1, 5):
            name = f"ravdess/Actor_{actor:02d}/03-01-{emotion:02d}-01-01-01-{actor:02d}.wav"
            write_voice(tmp_path / name, 100 + 60 * emotion + actor, rng)
    for speaker in ("03", "09", "16"):
        for emotion in "NW":
            name = f"emodb/wav/{speaker}a01{emotion}a.wav"
            write_voice(tmp_path / name, 160 if emotion == "N" else 400, rng)
    said: list[str] = []
    found = measure_accuracy_shared(
        corpora=tmp_path,
        cache=tmp_path / "cache",
        runs=tmp_path / "runs",
        epochs=1,
        windows_per_epoch=64,
        say=said.append,
    )
    assert tuple(found) == ARCHITECTURES
    for name in ARCHITECTURES:
        assert set(found[name]) == {"seconds", "ravdess", "emodb"}
        checkpoint = Checkpoint.load(tmp_path / "runs" / name / LATEST)
        assert (checkpoint.recipe.architecture, checkpoint.epoch) == (name, 1)
        heard = {each.corpus: each.speakers for each in checkpoint.heard}
        assert heard == {"ravdess": ("01", "02", "19"), "emodb": ("09", "16")}
    assert len(said) == 2 * len(ARCHITECTURES)


def write_voice(file: Path, hertz: float, rng: np.random.Generator) -> None:
    """Write a second of a buzz that comes and goes as syllables do, in a quiet room."""
    time = np.arange(16_000) / 16_000
    buzz = np.sign(np.sin(2 * np.pi * hertz * time)) * (np.sin(2 * np.pi * 4 * time) > -0.5)
    samples = 0.1 * buzz + 1e-4 * rng.standard_normal(time.size)
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples.astype(np.float32), 16_000)
