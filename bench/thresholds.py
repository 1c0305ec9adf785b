"""Where the engine's thresholds lie best: speech named, and other sounds not."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.bench.coverage import NAMED_AT_MOST, WITHHELD_AT_MOST
from affectd.bench.listeners import Listener
from affectd.bench.live_clip import answers_to, in_a_room, judged
from affectd.bench.nonspeech import SAMPLE_RATE, Sound, recorded, synthetic
from affectd.bench.spoken import speech_for
from affectd.engine.smoothing import SmoothingSettings
from affectd.models.clips import read_audio
from affectd.models.folds import HEARD_NOISE

__all__ = ["CONFIDENCES", "LIKENESSES", "Heard", "best", "measure_thresholds"]

Figures = dict[str, Any]
Matrix = npt.NDArray[np.float64]

LIKENESSES: tuple[float, ...] = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
"""Of `SmoothingSettings.minimum_speech_likeness`."""
CONFIDENCES: tuple[float, ...] = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45)
"""Of `SmoothingSettings.minimum_confidence`."""
_SEED = 3
"""Of the synthesised sounds: the gate was fitted on others, and others yet are measured on."""
_WITHHELD = -1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """How sure a model was of windows, `_WITHHELD` where something else withheld an emotion."""

    speech: Matrix
    """``(likenesses, windows)``."""
    others: Mapping[str, Matrix]
    """Of other sounds, by where they come from, ``(likenesses, windows)`` each."""


def measure_thresholds(
    listeners: Sequence[Listener],
    *,
    corpora: Path,
    most: int = 120,
    sounds: int = 20,
    seed: int = 1,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Figures:
    """Hear speech and other sounds with every threshold, and choose.

    The recorded sounds are those folds of ESC-10 that models and gate may have learnt with.

    Args:
        listeners: Models, each of which hears the speakers that it has not heard: whoever is
            heard here has taken part in the choice, and belongs in no figure of `bench coverage`.
        corpora: The folder of the corpora.
        most: Clips of each corpus and model; 0 for all.
        sounds: Synthesised sounds of each kind.
        seed: Decides which clips.
        progress: Told how many recordings are done, and of how many.

    Raises:
        CorpusError: the folder holds no speech or no ESC-10, or the models have heard everybody.
    """
    models = {each.name: [one for one in listeners if one.name == each.name] for each in listeners}
    speech = {
        name: speech_for(own, corpora, most=most, seed=seed)[0] for name, own in models.items()
    }
    noises = [
        *(sound for sound in recorded(corpora) if sound.fold in HEARD_NOISE),
        *synthetic(sounds, seed=_SEED),
    ]
    of = sum(map(len, speech.values())) + len(models) * len(noises)
    done = 0
    heard: dict[str, Heard] = {}
    for name, own in models.items():
        spoken: list[Matrix] = []
        others: dict[str, list[Matrix]] = {}
        for listener, clip in speech[name]:
            samples = read_audio(clip.path, sample_rate=SAMPLE_RATE)
            spoken.append(_sureness(samples, f"{clip.corpus}/{clip.name}", listener))
            progress(done := done + 1, of)
        for turn, sound in enumerate(noises):
            sure = _sureness(sound.samples, sound.name, own[turn % len(own)])
            others.setdefault(_source(sound), []).append(sure)
            progress(done := done + 1, of)
        heard[name] = Heard(
            np.concatenate(spoken, axis=1),
            {source: np.concatenate(parts, axis=1) for source, parts in others.items()},
        )
    return {
        "seed": seed,
        "speakers": sorted(
            {f"{clip.corpus} {clip.speaker}" for own in speech.values() for _, clip in own}
        ),
        "now": _as_told(heard, SmoothingSettings()),
        "best": best(heard),
    }


def best(heard: Mapping[str, Heard]) -> Figures:
    """Return the thresholds that stay furthest from what is allowed, for the worst of the models.

    How much speech may be withheld, and how much of the rest named, counts as a share of what is
    allowed; the largest of all shares is made as small as it can be.

    Args:
        heard: By model.
    """
    settings = [
        SmoothingSettings(minimum_speech_likeness=likeness, minimum_confidence=confidence)
        for likeness in LIKENESSES
        for confidence in CONFIDENCES
    ]
    return min((_as_told(heard, each) for each in settings), key=lambda told: told["worst"])


def _as_told(heard: Mapping[str, Heard], settings: SmoothingSettings) -> Figures:
    """Return what is withheld and named, in percent; ``worst`` is a share of what is allowed."""
    row = LIKENESSES.index(settings.minimum_speech_likeness)
    models = {
        name: {
            "speech withheld": _percent(one.speech[row] < settings.minimum_confidence),
            **{
                f"{source} named": _percent(sure[row] >= settings.minimum_confidence)
                for source, sure in one.others.items()
            },
        }
        for name, one in heard.items()
    }
    shares = [
        value / (WITHHELD_AT_MOST if what == "speech withheld" else NAMED_AT_MOST)
        for told in models.values()
        for what, value in told.items()
    ]
    return {
        "minimum_speech_likeness": settings.minimum_speech_likeness,
        "minimum_confidence": settings.minimum_confidence,
        "models": models,
        "worst": round(max(shares), 3),
    }


def _sureness(samples: npt.NDArray[np.float32], name: str, listener: Listener) -> Matrix:
    """Return how sure a model is of a recording's windows, ``(likenesses, windows)``."""
    room = in_a_room(samples, seed=zlib.crc32(name.encode()))
    answers = answers_to(room, listener.classifier)
    settings = SmoothingSettings(minimum_confidence=0)
    rows = [
        judged(
            answers,
            listener.classifier.metadata,
            replace(settings, minimum_speech_likeness=likeness),
        )
        for likeness in LIKENESSES
    ]
    return np.array(
        [[_WITHHELD if each.abstained else each.confidence for each in row] for row in rows]
    ).reshape(len(LIKENESSES), -1)


def _source(sound: Sound) -> str:
    return "synthesised" if sound.made else "ESC-10"


def _percent(which: npt.NDArray[np.bool_]) -> float:
    return round(100 * float(which.mean()), 2) if which.size else 0.0
