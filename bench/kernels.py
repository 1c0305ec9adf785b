"""The log-mel kernel against librosa, in one run on the same signal."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from affectd.bench.percentiles import Percentiles
from affectd.kernels.logmel import LogMel

__all__ = ["measure_logmel"]

_HOPS = 20_000
_PEER_HOPS = 200
_WINDOW_SECONDS = 3.0


def measure_logmel() -> dict[str, object]:
    """Time one hop of streaming log-mel, call included, and one window in a call.

    Returns:
        Microseconds a hop (percentiles), microseconds a window, and how many times longer librosa
        takes for each; the ratios are `None` where librosa is not installed.
    """
    logmel = LogMel()
    front_end = logmel.front_end
    rng = np.random.default_rng(0)
    hop = 0.1 * rng.standard_normal(front_end.hop_samples).astype(np.float32)
    window_samples = round(_WINDOW_SECONDS * front_end.sample_rate)
    window = 0.1 * rng.standard_normal(window_samples).astype(np.float32)
    for _ in range(100):
        logmel.push(hop)
    hop_us = _time(lambda: logmel.push(hop), _HOPS)
    window_us = median(_time(lambda: logmel.batch(window), _PEER_HOPS))
    result: dict[str, object] = {
        "hop_us": Percentiles.of(hop_us).to_dict(),
        "window_us": round(window_us, 1),
        "librosa_hop_ratio": None,
        "librosa_window_ratio": None,
    }
    peer = _librosa()
    if peer:
        frame = window[: front_end.fft_samples]
        peer(frame)
        peer_hop_us = median(_time(lambda: peer(frame), _PEER_HOPS))
        peer_window_us = median(_time(lambda: peer(window), _PEER_HOPS))
        result["librosa_hop_ratio"] = round(peer_hop_us / median(hop_us), 1)
        result["librosa_window_ratio"] = round(peer_window_us / window_us, 1)
    return result


def _time(call: Callable[[], object], times: int) -> list[float]:
    """Return how long each call took, in microseconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter_ns()
        call()
        taken.append((time.perf_counter_ns() - began) / 1000)
    return taken


def _librosa() -> Callable[[np.ndarray], object] | None:
    try:
        import librosa
    except ImportError:
        return None
    front_end = LogMel().front_end

    def log_mel(samples: np.ndarray) -> object:
        power = librosa.feature.melspectrogram(
            y=samples,
            sr=front_end.sample_rate,
            n_fft=front_end.fft_samples,
            hop_length=front_end.hop_samples,
            n_mels=front_end.bands,
            fmin=front_end.low_hz,
            fmax=front_end.high_hz,
            center=False,
        )
        return librosa.power_to_db(power, amin=front_end.floor_power, top_db=None)

    return log_mel
