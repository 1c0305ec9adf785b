"""Fits the engine's speech gate: a logistic regression of speech against all other sounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.bench.live_clip import cuts_of, in_a_room
from affectd.bench.nonspeech import SAMPLE_RATE, recorded, synthetic
from affectd.engine.artefact import Metadata
from affectd.engine.classifier import Classifier
from affectd.engine.session import SessionSettings
from affectd.engine.shipped import DEFAULT_MODEL, find_model
from affectd.engine.smoothing import SmoothingSettings
from affectd.kernels.front_end import FrontEnd
from affectd.kernels.speech_likeness import SpeechLikeness
from affectd.models.alterations import alterations
from affectd.models.clips import read_audio
from affectd.models.corpora import CORPORA, CorpusError
from affectd.models.folds import HEARD_NOISE, HELD_OUT

__all__ = ["Material", "fit", "gather", "save"]

_FRONT_ENDS = (FrontEnd(), FrontEnd(fft_samples=400, hop_samples=160, bands=80))
"""The engine's own, and Whisper's: the weights serve all."""
_CLIPS = {"ravdess": 20, "emodb": 40, "nemo": 50, "tess": 150}
_OTHER_CLIPS = 30
_SOUNDS = 60
_SEED = 1
_LOUDNESS_DB = (-24.0, 6.0)
_REGULARISATION = 0.03
# What is fitted here need not be there yet.
_UNGATED = SessionSettings(smoothing=SmoothingSettings(minimum_speech_likeness=0))

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Material:
    """Windows as the gate sees them."""

    features: Matrix
    """``(windows, FEATURES)``."""
    kinds: npt.NDArray[np.str_]
    """What makes each sound: a corpus, or a kind of noise."""
    speech: npt.NDArray[np.bool_]


def gather(
    corpora: Path,
    *,
    seed: int = _SEED,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Material:
    """Play speech and noise, each as it is and altered in one way drawn by chance, at all levels.

    Held-out test speakers are not among them, nor the folds of ESC-10 that are measured on.

    Args:
        corpora: The folder of the corpora.
        seed: Decides every draw.
        progress: Told how many recordings are done, and of how many.

    Raises:
        CorpusError: ESC-10, or all speech, is missing.
    """
    rng = np.random.default_rng(seed)
    noises = [sound for sound in recorded(corpora) if sound.fold in HEARD_NOISE]
    sounds = [*noises, *synthetic(_SOUNDS, seed=seed)]
    spoken = _speech(corpora, rng)
    if not spoken:
        raise CorpusError(f"{corpora} holds no corpus with audio")
    ways = alterations([sound.samples for sound in noises])
    artefacts = _artefacts()
    likeness = [SpeechLikeness(each.front_end) for each in artefacts]
    features: list[Matrix] = []
    kinds: list[str] = []
    speech: list[bool] = []
    recordings: list[tuple[str, Path | npt.NDArray[np.float32], bool]] = [
        *((name, path, True) for name, path in spoken),
        *((sound.kind, sound.samples, False) for sound in sounds),
    ]
    for number, (kind, source, is_speech) in enumerate(recordings):
        raw = read_audio(source, sample_rate=SAMPLE_RATE) if isinstance(source, Path) else source
        samples = in_a_room(raw, seed=number)
        versions = [samples]
        way = ways[int(rng.integers(len(ways)))]
        if is_speech or way.family != "noise":
            versions.append(way.change(samples, rng))
        for version in versions:
            louder = version * np.float32(10 ** (rng.uniform(*_LOUDNESS_DB) / 20))
            for artefact, describing in zip(artefacts, likeness, strict=True):
                for window, _ in cuts_of(louder, artefact, settings=_UNGATED):
                    features.append(describing.describe(window.cut.logmel))
                    kinds.append(kind)
                    speech.append(is_speech)
        progress(number + 1, len(recordings))
    return Material(np.array(features), np.array(kinds), np.array(speech))


def fit(material: Material) -> dict[str, Any]:
    """Return weights and bias, and how well kinds of sound are told that were not fitted on.

    Each kind of sound weighs the same among speech, or among the rest, and both together the same.
    """
    weights, bias = _regression(material, np.ones(len(material.kinds), bool))
    strange: dict[str, float] = {}
    for kind in np.unique(material.kinds):
        own = material.kinds == kind
        if np.unique(material.speech[~own]).size < 2:
            continue  # it is all the speech, or all the rest, that there is
        apart, constant = _regression(material, ~own)
        odds = material.features[own] @ apart + constant
        strange[str(kind)] = round(100 * float((odds > 0).mean()), 2)
    odds = material.features @ weights + bias
    return {
        "weights": [float(f"{each:.6g}") for each in weights],
        "bias": float(f"{bias:.6g}"),
        "noise_folds": list(HEARD_NOISE),
        "windows": len(material.kinds),
        "speech_passed": round(100 * float((odds[material.speech] > 0).mean()), 2),
        "others_passed": round(100 * float((odds[~material.speech] > 0).mean()), 2),
        "passed_when_left_out": strange,
    }


def save(told: dict[str, Any], path: Path) -> None:
    """Write what `fit` returned, one line a field."""
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in told.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def _regression(material: Material, chosen: npt.NDArray[np.bool_]) -> tuple[Matrix, float]:
    from sklearn.linear_model import LogisticRegression

    features, kinds = material.features[chosen], material.kinds[chosen]
    speech = material.speech[chosen]
    shares = np.zeros(len(kinds))
    for side in (True, False):
        own = np.unique(kinds[speech == side])
        for kind in own:
            there = (kinds == kind) & (speech == side)
            shares[there] = len(kinds) / 2 / len(own) / there.sum()
    centre, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    found = LogisticRegression(C=_REGULARISATION, max_iter=500)
    found.fit((features - centre) / scale, speech, sample_weight=shares)
    weights: Matrix = found.coef_[0] / scale
    return weights, float(found.intercept_[0] - weights @ centre)


def _speech(corpora: Path, rng: np.random.Generator) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for corpus in CORPORA.values():
        try:
            clips = [clip for clip in corpus.list(corpora).clips if clip.row is None]
        except CorpusError:
            continue  # any corpus will do, none has to be there
        for speaker in sorted({clip.speaker for clip in clips}):
            if HELD_OUT.part(corpus.name, speaker) == "test":
                continue
            own = [clip.path for clip in clips if clip.speaker == speaker]
            drawn = rng.permutation(len(own))[: _CLIPS.get(corpus.name, _OTHER_CLIPS)]
            found += [(corpus.name, own[place]) for place in drawn]
    return found


def _artefacts() -> Sequence[Metadata]:
    """Return what a session has to know to cut windows of each front end."""
    metadata = Classifier(find_model(DEFAULT_MODEL)).metadata

    def of(front_end: FrontEnd) -> Metadata:
        frames = front_end.frames(round(metadata.window_seconds * front_end.sample_rate))
        return metadata.model_copy(update={"front_end": front_end, "frame_sizes": (frames,)})

    return [of(front_end) for front_end in _FRONT_ENDS]
