"""Whether an ONNX graph says what its checkpoint says, on windows of every length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from torch import nn

from affectd.kernels.logmel import LogMel
from affectd.kernels.normalisation import normalise
from affectd.models.clips import AUDIO_SUFFIXES, read_audio
from affectd.models.corpora import CORPORA, CorpusError
from affectd.models.windowing import Windowing

__all__ = ["TOLERANCE", "Parity", "ParityError", "Windows", "measure_parity", "windows_at_hand"]

TOLERANCE = 1e-4
"""The largest difference of a logit that an artefact may have from its checkpoint."""

_CLIPS_PER_CORPUS = 12
_BATCH = 5


class ParityError(ValueError):
    """An ONNX graph differs from its checkpoint by more than `TOLERANCE`."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows to compare on."""

    windows: tuple[npt.NDArray[np.float32], ...]
    """Normalised, float32 ``(frames, bands)`` each, of all lengths that the engine sends."""
    source: str
    """Where the audio is from, in words."""
    real: bool
    """Whether it is speech that somebody spoke."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a graph lies from its checkpoint."""

    windows: Windows
    largest: float
    """Largest absolute difference of a logit."""
    mean: float
    """Mean absolute difference of the logits."""

    def to_dict(self) -> dict[str, float]:
        """Return the figures as an artefact's metadata has them."""
        return {
            "windows": float(len(self.windows.windows)),
            "real_speech": float(self.windows.real),
            "largest_logit_difference": self.largest,
            "mean_logit_difference": self.mean,
        }


def windows_at_hand(
    windowing: Windowing, *, corpora: Path | None = None, audio: Sequence[Path] = ()
) -> Windows:
    """Return windows of the best audio there is.

    That is the audio that is given, else a few clips of every corpus at hand, else the package's
    demo, else a voice-like tone, which is said.

    Args:
        windowing: How to cut them.
        corpora: The folder of the corpora.
        audio: Sound files.

    Raises:
        UnreadableClipError: a file that was asked for cannot be read.
        ValueError: no audio lasts as long as the shortest window.
    """
    rate = windowing.front_end.sample_rate
    paths, source = tuple(audio), "the given files"
    if not paths and corpora is not None:
        paths, source = _corpus_clips(corpora), "the corpora"
    if not paths:
        paths, source = _demo_clips(), "the demo"
    if paths:
        signals = [read_audio(path, sample_rate=rate) for path in paths]
    else:
        signals, source = [_voice_like(rate, pitch_hz) for pitch_hz in (110, 160, 220)], "a tone"
    windows = tuple(_cut(signals, windowing))
    if not windows:
        raise ValueError(f"no audio of {source} lasts {windowing.minimum_seconds} s")
    return Windows(windows, source, bool(paths))


def measure_parity(model: nn.Module, graph: bytes, windows: Windows) -> Parity:
    """Run both on the same batches, padded as the engine pads, and compare the logits.

    Raises:
        ParityError: a logit differs by more than `TOLERANCE`, or is not finite.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    differences: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(windows.windows), _BATCH):
        chosen = windows.windows[start : start + _BATCH]
        frames = np.array([len(window) for window in chosen], np.int64)
        logmel = np.zeros((len(chosen), frames.max(), chosen[0].shape[1]), np.float32)
        for row, window in zip(logmel, chosen, strict=True):
            row[: len(window)] = window
        with torch.inference_mode():
            expected = model.eval()(torch.from_numpy(logmel), torch.from_numpy(frames))[0].numpy()
        (found,) = session.run(["logits"], {"logmel": logmel, "frames": frames})
        differences.append(np.abs(found - expected).ravel())
    difference = np.concatenate(differences)
    parity = Parity(windows, float(difference.max()), float(difference.mean()))
    if not parity.largest <= TOLERANCE:
        raise ParityError(
            f"logits differ from the checkpoint's by {parity.largest:.2g}; allowed is {TOLERANCE:g}"
        )
    return parity


def _cut(
    signals: Iterable[npt.NDArray[np.float32]], windowing: Windowing
) -> Iterable[npt.NDArray[np.float32]]:
    transform = LogMel(windowing.front_end)
    shortest, full = windowing.minimum_frames, windowing.window_frames
    for signal in signals:
        logmel = transform.batch(signal)
        lengths = {shortest, (shortest + full) // 2, full, len(logmel)}
        for length in sorted(length for length in lengths if length <= min(full, len(logmel))):
            if length >= shortest:
                start = (len(logmel) - length) // 2
                yield normalise(logmel[start : start + length], windowing.normalisation)


def _corpus_clips(corpora: Path) -> tuple[Path, ...]:
    chosen: list[Path] = []
    for corpus in CORPORA.values():
        try:
            clips = [clip.path for clip in corpus.list(corpora).labelled if clip.row is None]
        except CorpusError:
            continue  # any corpus will do, none has to be there
        chosen += clips[:: max(len(clips) // _CLIPS_PER_CORPUS, 1)][:_CLIPS_PER_CORPUS]
    return tuple(chosen)


def _demo_clips() -> tuple[Path, ...]:
    folder = resources.files("affectd.engine").joinpath("demo")
    if not isinstance(folder, Path) or not folder.is_dir():
        return ()
    return tuple(sorted(p for p in folder.iterdir() if p.suffix.lower() in AUDIO_SUFFIXES))


def _voice_like(sample_rate: int, pitch_hz: float) -> npt.NDArray[np.float32]:
    """Return four seconds of a pulse train with a moving pitch and syllables."""
    seconds = np.arange(4 * sample_rate) / sample_rate
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.15 * np.sin(5 * seconds))) / sample_rate
    harmonics = sum(np.sin(number * phase) / number for number in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 2.5 * seconds), 0.01, 1)
    return (0.2 * harmonics * syllables).astype(np.float32)
