from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from affectd.export.conversion import to_onnx
from affectd.export.parity import ParityError, measure_parity, windows_at_hand
from affectd.models.checkpoint import Checkpoint
from affectd.models.clips import UnreadableClipError


def test_windows_come_from_the_best_audio_there_is(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windowing = checkpoint.recipe.windowing
    noise = 0.1 * np.random.default_rng(0).standard_normal(64_000)
    clip = tmp_path / "emodb" / "wav" / "03a01Fa.wav"
    clip.parent.mkdir(parents=True)
    soundfile.write(clip, noise, 16_000)
    given = windows_at_hand(windowing, audio=[clip])
    assert (given.source, given.real) == ("the given files", True)
    assert sorted({len(window) for window in given.windows}) == [34, 109, 184]
    assert windows_at_hand(windowing, corpora=tmp_path).source == "the corpora"
    monkeypatch.setattr("affectd.export.parity._demo_clips", tuple)
    tone = windows_at_hand(windowing, corpora=tmp_path / "emodb")
    assert (tone.source, tone.real) == ("a tone", False)
    assert len(tone.windows) == 9


def test_audio_that_cannot_serve_is_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    windowing = checkpoint.recipe.windowing
    with pytest.raises(UnreadableClipError, match=r"gone\.wav"):
        windows_at_hand(windowing, audio=[tmp_path / "gone.wav"])
    soundfile.write(tmp_path / "short.wav", np.zeros(4_000), 16_000)
    with pytest.raises(ValueError, match=r"no audio of the given files lasts 0\.6 s"):
        windows_at_hand(windowing, audio=[tmp_path / "short.wav"])


def test_a_graph_of_other_weights_is_refused(checkpoint: Checkpoint) -> None:
    model, other = checkpoint.model(), checkpoint.model()
    windows = windows_at_hand(checkpoint.recipe.windowing)
    graph = to_onnx(model, bands=64, frames=184).SerializeToString()
    parity = measure_parity(model, graph, windows)
    assert 0 < parity.largest <= 1e-4
    assert parity.to_dict()["windows"] == len(windows.windows)
    with torch.no_grad():
        next(other.classify.parameters()).mul_(1.05)  # type: ignore[union-attr,operator]  # a module
    with pytest.raises(ParityError, match=r"allowed is 0\.0001"):
        measure_parity(other, graph, windows)
