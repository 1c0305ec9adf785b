from __future__ import annotations

import numpy as np
import torch

from affectd.export.conversion import to_onnx
from affectd.export.parity import logits_of, measure_parity
from affectd.export.runtime import scorer_of
from affectd.export.speech import windows_at_hand
from affectd.models.checkpoint import Checkpoint
from affectd.models.scoring import torch_scorer


def test_a_graph_agrees_with_its_own_weights_and_with_no_others(checkpoint: Checkpoint) -> None:
    model, other = checkpoint.model(), checkpoint.model()
    windows = windows_at_hand(checkpoint.recipe.windowing)
    assert len(windows) >= 500
    graph = to_onnx(model, bands=64, frames=184).SerializeToString()
    parity = measure_parity(logits_of(torch_scorer(model), windows), scorer_of(graph), windows)
    assert 0 < parity.mean < parity.largest <= 1e-4
    assert parity.agreement == 1
    assert parity.to_dict()["windows"] == len(windows)
    with torch.no_grad():
        next(other.classify.parameters()).mul_(1.05)  # type: ignore[union-attr,operator]  # a module
    expected = logits_of(torch_scorer(other), windows)
    assert measure_parity(expected, scorer_of(graph), windows).largest > 1e-4


def test_a_logit_that_is_no_number_is_infinitely_far(checkpoint: Checkpoint) -> None:
    windows = windows_at_hand(checkpoint.recipe.windowing)
    parity = measure_parity(
        np.zeros((len(windows), 7), np.float32),
        lambda logmel, frames: np.full((len(frames), 7), np.nan, np.float32),
        windows,
    )
    assert parity.largest == np.inf
