"""One window in this engine, and the way the papers do it: in the same run, on the same speech."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from affectd.bench.percentiles import Percentiles
from affectd.engine.classifier import Classifier, find_model, shipped_models
from affectd.engine.sources import DemoSource
from affectd.kernels.logmel import LogMel
from affectd.kernels.normalisation import normalise

__all__ = ["measure_peers"]

_TIMES = 100
_WARM_UPS = 5


def measure_peers() -> dict[str, Any]:
    """Time a full window from samples to logits.

    The engine's own way is one with what overlapping windows share already there, so that only the
    frames of a hop are computed; the papers' is librosa and PyTorch, eager, for the whole window.

    Returns:
        Milliseconds a window by way, and how many times longer than ours each takes. What is not
        installed is named under ``missing``.
    """
    classifiers = {name: Classifier(find_model(name)) for name in shipped_models()}
    metadata = next(iter(classifiers.values())).metadata
    front_end = metadata.front_end
    speech = np.concatenate(list(DemoSource().clips()))
    samples = speech[: front_end.samples(metadata.frame_sizes[-1])]
    hop = samples[: round(metadata.hop_seconds * front_end.sample_rate)]
    frames = LogMel(front_end).batch(samples)
    ways: dict[str, Callable[[], object]] = {}
    for name, classifier in classifiers.items():
        stream = LogMel(classifier.metadata.front_end)

        def ours(classifier: Classifier = classifier, stream: LogMel = stream) -> object:
            stream.push(hop)
            return classifier.run([normalise(frames, classifier.metadata.normalisation)])

        ways[f"affectd {name}"] = ours
    missing = []
    if importlib.util.find_spec("librosa") and importlib.util.find_spec("torch"):
        ways["librosa and PyTorch eager"] = _papers(samples, classifiers)
    else:
        missing.append("librosa and PyTorch eager")
    if importlib.util.find_spec("opensmile"):
        ways["openSMILE eGeMAPS, features alone"] = _opensmile(samples, front_end.sample_rate)
    else:
        missing.append("openSMILE eGeMAPS")
    taken = {name: _time(way) for name, way in ways.items()}
    fastest = min(median(taken[f"affectd {name}"]) for name in classifiers)
    return {
        "window_ms": {name: Percentiles.of(values).to_dict() for name, values in taken.items()},
        "ratio": {name: round(median(values) / fastest, 2) for name, values in taken.items()},
        "ms_a_second_of_audio": {
            name: round(median(values) / metadata.hop_seconds, 3) for name, values in taken.items()
        },
        "missing": missing,
    }


def _papers(samples: np.ndarray, classifiers: dict[str, Classifier]) -> Callable[[], object]:
    import librosa
    import torch

    from affectd.models.crnn import Crnn

    metadata = next(iter(classifiers.values())).metadata
    front_end = metadata.front_end
    torch.set_num_threads(1)
    model = Crnn(bands=front_end.bands, classes=len(metadata.labels)).eval()

    def run() -> object:
        power = librosa.feature.melspectrogram(
            y=samples,
            sr=front_end.sample_rate,
            n_fft=front_end.fft_samples,
            hop_length=front_end.hop_samples,
            n_mels=front_end.bands,
            center=False,
        )
        frames = librosa.power_to_db(power, top_db=None).T
        window = normalise(np.ascontiguousarray(frames, np.float32), metadata.normalisation)
        with torch.inference_mode():
            return model(torch.from_numpy(window)[None], torch.tensor([len(window)]))

    return run


def _opensmile(samples: np.ndarray, rate: int) -> Callable[[], object]:
    import opensmile

    smile = opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02)
    return lambda: smile.process_signal(samples, rate)


def _time(way: Callable[[], object]) -> list[float]:
    for _ in range(_WARM_UPS):
        way()
    taken = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        way()
        taken.append(1000 * (time.perf_counter() - began))
    return taken
