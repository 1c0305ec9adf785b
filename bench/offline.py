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


def measure_offline(*, model: str, repeats: int = 40) -> dict[str, Any]:
    """Run the session and the model over the demo as fast as they go, in one thread.

    The demo is half a minute; it is heard so many times, because one of them alone is as noisy as
    the machine.

    Returns:
        Seconds of audio, the median time of all repeats, the median of the session's part of it,
        and seconds of audio for each second: by the median, the worst and the best.
    """
    classifier = Classifier(find_model(model))
    demo = DemoSource(pace="fast", repeat=False)
    samples = np.concatenate(list(demo.clips()))
    times: list[float] = []
    of_session: list[float] = []
    windows = 0
    for _ in range(1 + repeats):
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
        times.append(time.process_time() - began)
        of_session.append(heard_at - began)
    # The first one reads the kernels from the cache.
    del times[0], of_session[0]
    seconds, median = samples.size / demo.rate, float(np.median(times))
    return {
        "model": model,
        "audio_seconds": round(seconds, 2),
        "windows": windows,
        "repeats": repeats,
        "processor_seconds": round(median, 4),
        "session_seconds": round(float(np.median(of_session)), 4),
        "audio_seconds_a_second": round(seconds / median, 1),
        "worst_audio_seconds_a_second": round(seconds / max(times), 1),
        "best_audio_seconds_a_second": round(seconds / min(times), 1),
    }
