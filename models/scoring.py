"""Scores utterances on the windows that the engine would cut: the mean of the logits over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from affectd.models.features import FeatureSet
from affectd.models.metrics import Confusion
from affectd.models.windowing import Windowing
from affectd.models.windows import utterance_windows

__all__ = ["Scorer", "confusion", "score_utterances", "torch_scorer"]

Logits = npt.NDArray[np.float64]
Scorer = Callable[[npt.NDArray[np.float32], npt.NDArray[np.int64]], npt.NDArray[np.float32]]
"""Takes a batch of normalised windows and their valid frames; gives ``(batch, classes)`` logits."""

_BATCH = 64


def torch_scorer(model: nn.Module) -> Scorer:
    """Return a scorer that runs a model in evaluation mode."""

    def score(
        logmel: npt.NDArray[np.float32], frames: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        model.eval()
        with torch.inference_mode():
            logits: torch.Tensor = model(torch.from_numpy(logmel), torch.from_numpy(frames))[0]
        return logits.float().numpy()

    return score


def score_utterances(scorer: Scorer, features: FeatureSet, windowing: Windowing) -> Logits:
    """Return the mean logits of every clip over its windows, float64 ``(clips, classes)``."""
    windows: list[npt.NDArray[np.float32]] = []
    owners: list[int] = []
    for index in range(len(features)):
        cut = utterance_windows(features, index, windowing)
        windows.extend(cut)
        owners.extend([index] * len(cut))
    order = np.argsort([len(window) for window in windows], kind="stable")
    scores: Logits | None = None
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        frames = np.array([len(windows[i]) for i in chosen], np.int64)
        logmel = np.zeros((len(chosen), frames.max(), windows[0].shape[1]), np.float32)
        for row, i in zip(logmel, chosen, strict=True):
            row[: len(windows[i])] = windows[i]
        logits = scorer(logmel, frames)
        if scores is None:
            scores = np.zeros((len(windows), logits.shape[1]))
        scores[chosen] = logits
    if scores is None:
        raise ValueError("no clips to score")
    sums = np.zeros((len(features), scores.shape[1]))
    np.add.at(sums, owners, scores)
    return sums / np.bincount(owners, minlength=len(features))[:, None]


def confusion(logits: Logits, features: FeatureSet, labels: Sequence[str]) -> Confusion:
    """Return which label each clip was taken for."""
    guessed = [labels[place] for place in logits.argmax(axis=1)]
    return Confusion.of([str(clip.label) for clip in features.clips], guessed, labels)
