"""A real artefact that can tell voices apart, by experts drawn at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx.helper import set_model_props

from affectd.engine.artefact import Metadata
from affectd.engine.shipped import find_model
from affectd.kernels.voice_experts import VoiceExperts

EXPERTS, OUTPUTS = 16, 7
"""Together with how far each is believed, as long as the embedding of the model taken."""


def random_experts(
    labels: int = 7, *, experts: int = EXPERTS, outputs: int = OUTPUTS, seed: int = 0
) -> VoiceExperts:
    rng = np.random.default_rng(seed)
    return VoiceExperts(
        offsets=rng.normal(0, 0.1, (labels, experts * outputs)),
        constants=rng.normal(0, 1, (experts, outputs)),
        columns=tuple((place,) for place in range(labels)),
        prior_utterances=2.0,
    )


def artefact_with_voices(folder: Path, *, seed: int = 0, name: str = "voices") -> Path:
    """Write the shipped CRNN with experts for voices, and return the file."""
    model = onnx.load(find_model("crnn-int8"))
    metadata = Metadata.from_props({each.key: each.value for each in model.metadata_props})
    changed = metadata.model_copy(update={"voice_experts": random_experts(seed=seed)})
    del model.metadata_props[:]
    set_model_props(model, changed.to_props())
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    return path
