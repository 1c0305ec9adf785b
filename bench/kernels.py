"""The log-mel kernel against its peers, in one run on the same signal."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from statistics import median

import numpy as np
import numpy.typing as npt

from affectd.bench.percentiles import Percentiles
from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel

__all__ = ["log_mel_peers", "measure_logmel"]

_HOPS = 20_000
_PEER_HOPS = 200
_WINDOW_SECONDS = 3.0


def measure_logmel() -> dict[str, object]:
    """Time one hop of streaming log-mel, call included, and one window in a call.

    Returns:
        Microseconds a hop (percentiles), microseconds a window, and how many times longer librosa,
        scipy, numpy, torch and kaldi-native-fbank take for each; a peer that is not installed is
        not among the ratios, and librosa's own are `None` then.
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
    frame = window[: front_end.fft_samples]
    ratios: dict[str, dict[str, float]] = {}
    for name, peer in log_mel_peers().items():
        peer(frame)
        peer(window)
        peer_hop_us = median(_time(partial(peer, frame), _PEER_HOPS))
        peer_window_us = median(_time(partial(peer, window), _PEER_HOPS))
        ratios[name] = {
            "hop": round(peer_hop_us / median(hop_us), 1),
            "window": round(peer_window_us / window_us, 1),
        }
    librosa = ratios.get("librosa", {})
    return {
        "hop_us": Percentiles.of(hop_us).to_dict(),
        "window_us": round(window_us, 1),
        "librosa_hop_ratio": librosa.get("hop"),
        "librosa_window_ratio": librosa.get("window"),
        "ratios": ratios,
    }


def _time(call: Callable[[], object], times: int) -> list[float]:
    """Return how long each call took, in microseconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter_ns()
        call()
        taken.append((time.perf_counter_ns() - began) / 1000)
    return taken


def log_mel_peers() -> dict[str, Callable[[np.ndarray], object]]:
    """Return the same log-mel by every peer that is installed, each from float32 ``(n,)``.

    All use this engine's window and filters, so that they compute the same; kaldi-native-fbank
    has filters of its own, as many.
    """
    front_end = FrontEnd()
    filters = front_end.filter_matrix()
    window = front_end.window()
    hop, size, floor = front_end.hop_samples, front_end.fft_samples, front_end.floor_power

    def frames_of(samples: np.ndarray) -> np.ndarray:
        return np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]

    def by_numpy(samples: np.ndarray) -> object:
        power = np.abs(np.fft.rfft(frames_of(samples) * window)) ** 2
        return 10 * np.log10(np.maximum(power @ filters, floor))

    peers: dict[str, Callable[[np.ndarray], object]] = {"numpy": by_numpy}
    if find_spec("scipy"):
        import scipy.fft

        def by_scipy(samples: np.ndarray) -> object:
            power = np.abs(scipy.fft.rfft(frames_of(samples) * window)) ** 2
            return 10 * np.log10(np.maximum(power @ filters, floor))

        peers["scipy"] = by_scipy
    if find_spec("librosa"):
        peers["librosa"] = _librosa(front_end)
    if find_spec("torch"):
        peers["torch"] = _torch(front_end, filters)
    if find_spec("kaldi_native_fbank"):
        peers["kaldi-native-fbank"] = _kaldi(front_end)
    return peers


def _librosa(front_end: FrontEnd) -> Callable[[np.ndarray], object]:
    import librosa

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


def _torch(front_end: FrontEnd, filters: npt.NDArray[np.float32]) -> Callable[[np.ndarray], object]:
    import torch

    torch.set_num_threads(1)
    window, weights = torch.from_numpy(front_end.window()), torch.from_numpy(filters)

    def log_mel(samples: np.ndarray) -> object:
        with torch.inference_mode():
            frames = torch.from_numpy(samples).unfold(
                0, front_end.fft_samples, front_end.hop_samples
            )
            power = torch.fft.rfft(frames * window).abs().square()
            return 10 * torch.log10((power @ weights).clamp_min(front_end.floor_power))

    return log_mel


def _kaldi(front_end: FrontEnd) -> Callable[[np.ndarray], object]:
    import kaldi_native_fbank as knf

    options = knf.FbankOptions()
    options.frame_opts.samp_freq = front_end.sample_rate
    options.frame_opts.frame_length_ms = 1000 * front_end.fft_samples / front_end.sample_rate
    options.frame_opts.frame_shift_ms = 1000 * front_end.hop_samples / front_end.sample_rate
    options.frame_opts.dither = 0.0
    options.frame_opts.snip_edges = True
    options.frame_opts.window_type = "hanning"
    options.mel_opts.num_bins = front_end.bands

    bank = knf.OnlineFbank(options)
    popped = 0

    def log_mel(samples: np.ndarray) -> object:
        nonlocal popped
        # One stream that goes on, as ours does: of a single frame only its hop is new.
        new = (
            samples[-front_end.hop_samples :] if samples.size == front_end.fft_samples else samples
        )
        bank.accept_waveform(front_end.sample_rate, new)
        ready = bank.num_frames_ready
        frames = [bank.get_frame(each) for each in range(popped, ready)]
        bank.pop(ready - popped)
        popped = ready
        return frames

    return log_mel
