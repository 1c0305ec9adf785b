"""How fast whole files go: seconds of audio for each second of one core."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from affectd.engine.classifier import Classifier
from affectd.engine.session import Session, Window
from affectd.engine.shipped import find_model
from affectd.engine.sources import DemoSource

__all__ = ["measure_offline"]

_BLOCK_SAMPLES = 16_000


def measure_offline(*, model: str, repeats: int = 3) -> dict[str, Any]:
    """Run the session and the model over the demo as fast as they go, in one thread.

    Returns:
        Seconds of audio, the best time of all repeats, its share in the session, and the ratio.
    """
    classifier = Classifier(find_model(model))
    demo = DemoSource(pace="fast", repeat=False)
    samples = np.concatenate(list(demo.clips()))
    best = (np.inf, 0.0)
    windows = 0
    for _ in range(repeats):
        session = Session("offline", classifier.metadata, rate=demo.rate)
        began = time.process_time()
        waiting: list[Window] = []
        for start in range(0, samples.size, _BLOCK_SAMPLES):
            heard = session.feed(samples[start : start + _BLOCK_SAMPLES], 0.0)
            waiting += [each for each in heard if isinstance(each, Window)]
        waiting += [each for each in session.finish() if isinstance(each, Window)]
        heard_at = time.process_time()
        for window in waiting:
            session.resolve(window, classifier.run([window.logmel])[0])
        windows = len(waiting)
        best = min(best, (time.process_time() - began, heard_at - began))
    seconds = samples.size / demo.rate
    return {
        "model": model,
        "audio_seconds": round(seconds, 2),
        "windows": windows,
        "processor_seconds": round(best[0], 4),
        "session_seconds": round(best[1], 4),
        "audio_seconds_a_second": round(seconds / best[0], 1),
    }
