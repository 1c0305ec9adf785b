"""A model that needs no file: its logits follow from its input, and it can be held up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from affectd.engine.artefact import Metadata, fingerprint
from affectd.engine.scheduling import Costs
from affectd.kernels.front_end import FrontEnd

LABELS = ("angry", "happy", "neutral", "sad")


def fake_metadata(**changes: Any) -> Metadata:
    """Return what an artefact for the default front end says of itself."""
    front_end = changes.get("front_end", FrontEnd())
    values: dict[str, Any] = {
        "name": "fake",
        "labels": LABELS,
        "front_end": front_end,
        "front_end_fingerprint": tuple(float(value) for value in fingerprint(front_end)),
        "window_seconds": 3.0,
        "hop_seconds": 0.25,
        "minimum_seconds": 0.6,
        "frame_sizes": (64, 128, 188),
        "normalisation": "standard",
        "temperature": 1.5,
        "valence_arousal": {
            "angry": (-0.5, 0.8),
            "happy": (0.8, 0.5),
            "neutral": (0.0, 0.0),
            "sad": (-0.6, -0.5),
        },
        "corpora": ({"name": "none", "licence": "CC0-1.0", "clips": 0, "speakers": ()},),
        "licence": "CC0-1.0",
        "checkpoint_sha256": "0" * 64,
    }
    return Metadata(**{**values, **changes})


def fake_logits(logmel: np.ndarray) -> np.ndarray:
    """Return logits that depend on every value of a window, float32 ``(classes,)``."""
    bands = logmel.mean(axis=0, dtype=np.float64)
    return np.array([part.sum() for part in np.array_split(bands, len(LABELS))], np.float32)


class FakeClassifier:
    """Stands in for `Classifier` where no ONNX file shall be needed.

    Attributes:
        costs: Says that a batch takes hardly longer than a window.
        go: While it is cleared, `run` waits.
        running: Set while `run` waits or works.
        batches: How many windows each run had.
        failure: Raised by `run`, if set.
    """

    def __init__(self) -> None:
        self.metadata = fake_metadata()
        seconds = {1: 0.001, 2: 0.0011, 4: 0.0012, 8: 0.0013}
        self.costs = Costs(dict.fromkeys(self.metadata.frame_sizes, seconds))
        self.go = threading.Event()
        self.go.set()
        self.running = threading.Event()
        self.batches: list[int] = []
        self.failure: Exception | None = None

    def run(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Return the logits of a batch, float32 ``(batch, classes)``."""
        self.running.set()
        assert self.go.wait(30), "the test never let the model go"
        self.batches.append(len(windows))
        if self.failure:
            raise self.failure
        return np.stack([fake_logits(window) for window in windows])
