"""How often the engine names an emotion, how right it then is, and what it says of no speech."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.bench.listeners import Listener
from affectd.bench.live_clip import HeardWindow, hear, in_a_room
from affectd.bench.nonspeech import SAMPLE_RATE, Sound, recorded, synthetic
from affectd.bench.spoken import speech_for
from affectd.engine.speech_gate import SpeechGate
from affectd.models.clips import read_audio
from affectd.models.corpora import CorpusError

__all__ = [
    "NAMED_AT_MOST",
    "WITHHELD_AT_MOST",
    "Judged",
    "calibration",
    "curve",
    "measure_coverage",
]

Figures = dict[str, Any]

NAMED_AT_MOST = 5.0
"""Percent of the windows of no speech that may name an emotion."""
WITHHELD_AT_MOST = 10.0
"""Percent of the windows of speech that may name none."""
_BINS = 15
_POINTS = 20
_SEED = 2
"""Of the synthesised sounds: those that the gate was fitted on have another."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A window of speech, and what is true of it."""

    corpus: str
    window: HeardWindow
    right: bool
    """Whether the most probable emotion is the clip's."""


def measure_coverage(
    listeners: Sequence[Listener],
    *,
    corpora: Path | None,
    most: int = 120,
    sounds: int = 20,
    seed: int = 1,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Figures:
    """Play speech, and what is none, as it would be heard live.

    Args:
        listeners: One model, or several of which each hears the speakers that it has not heard.
        corpora: The folder of the corpora; the package's demo and synthesis where there is none.
        most: Clips of each corpus and model; 0 for all.
        sounds: Synthesised sounds of each kind.
        seed: Decides which clips.
        progress: Told how many recordings are done, and of how many.

    Raises:
        CorpusError: the folder holds no corpus, or the models have heard everybody.
    """
    speech, heard = speech_for(listeners, corpora, most=most, seed=seed)
    noises = [*_recorded(corpora), *synthetic(sounds, seed=_SEED)]
    of = len(speech) + len(noises)
    progress(0, of)
    judged: list[Judged] = []
    for done, (listener, clip) in enumerate(speech, 1):
        own = zlib.crc32(f"{clip.corpus}/{clip.name}".encode())
        samples = in_a_room(read_audio(clip.path, sample_rate=SAMPLE_RATE), seed=own)
        labels = listener.classifier.metadata.labels
        for window in hear(samples, listener.classifier):
            right = labels[int(window.scores.argmax())] == clip.label
            judged.append(Judged(clip.corpus, window, right))
        progress(done, of)
    told: list[tuple[Sound, list[HeardWindow]]] = []
    for done, sound in enumerate(noises, len(speech) + 1):
        # In turn, where there are several models.
        classifier = listeners[done % len(listeners)].classifier
        samples = in_a_room(sound.samples, seed=zlib.crc32(sound.name.encode()))
        told.append((sound, hear(samples, classifier)))
        progress(done, of)
    provisional = [each for each in judged if not each.window.cut.final]
    final = [each for each in judged if each.window.cut.final]
    return {
        "models": [listener.name for listener in listeners],
        "seed": seed,
        "corpora": {
            name: {
                "speakers_are": "heard in training" if known else "not heard in training",
                **_speech([each for each in judged if each.corpus == name]),
            }
            for name, known in heard.items()
        },
        "speech": {
            **_speech(judged),
            "provisional_withheld": _withheld(provisional),
            "utterances_withheld": _withheld(final),
            "goal": f"at most {WITHHELD_AT_MOST:g} % withheld",
            "met": _withheld(judged) <= WITHHELD_AT_MOST,
        },
        **_no_speech(told),
        "calibration": {
            "windows": calibration(provisional),
            "utterances": calibration(final),
        },
        "coverage": {"windows": curve(provisional), "utterances": curve(final)},
    }


def curve(judged: Sequence[Judged]) -> list[Figures]:
    """Return how right the most confident windows are, for rising shares of all.

    Returns:
        Coverage and accuracy in percent, and the lowest confidence among them.
    """
    if not judged:
        return []
    confidence = np.array([each.window.scores.max() for each in judged])
    right = np.array([each.right for each in judged])
    order = np.argsort(-confidence, kind="stable")
    counts = np.unique(np.linspace(1, len(judged), _POINTS + 1).round().astype(int)[1:])
    return [
        {
            "coverage": round(100 * count / len(judged), 2),
            "accuracy": round(100 * float(right[order[:count]].mean()), 2),
            "least_confidence": round(float(confidence[order[count - 1]]), 4),
        }
        for count in counts
    ]


def calibration(judged: Sequence[Judged]) -> Figures:
    """Return the expected calibration error in percent, and what it is the sum of.

    Source: M. P. Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    AAAI 2015.
    """
    if not judged:
        return {}
    confidence = np.array([each.window.scores.max() for each in judged])
    right = np.array([each.right for each in judged])
    places = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    reliability: list[Figures] = []
    error = 0.0
    for place in np.unique(places):
        inside = places == place
        sure, true = float(confidence[inside].mean()), float(right[inside].mean())
        error += abs(sure - true) * float(inside.mean())
        reliability.append(
            {
                "confidence": round(100 * sure, 2),
                "accuracy": round(100 * true, 2),
                "share": round(100 * float(inside.mean()), 2),
            }
        )
    return {"error": round(100 * error, 2), "reliability": reliability}


def _speech(judged: Sequence[Judged]) -> Figures:
    named = [each for each in judged if each.window.label is not None]
    return {
        "windows": len(judged),
        "withheld": _withheld(judged),
        "reasons": _reasons(each.window for each in judged),
        "accuracy": _percent(each.right for each in judged),
        "accuracy_where_named": _percent(each.right for each in named),
    }


def _no_speech(told: Sequence[tuple[Sound, list[HeardWindow]]]) -> Figures:
    """Return what is said of sounds that are no speech and pass voice activity."""
    fitted = SpeechGate.fitted_on()
    parts = {
        "recorded": [each for each in told if not each[0].made],
        "recorded_not_fitted_on": [
            each for each in told if not each[0].made and each[0].fold not in fitted
        ],
        "synthesised": [each for each in told if each[0].made],
    }
    found: Figures = {}
    for name, part in parts.items():
        windows = [window for _, heard in part for window in heard]
        if not part:
            continue
        named = _percent(window.label is not None for window in windows)
        found[name] = {
            "sounds": len(part),
            "sounds_taken_for_speech": sum(bool(heard) for _, heard in part),
            "windows": len(windows),
            "named": named,
            "reasons": _reasons(windows),
            "goal": f"at most {NAMED_AT_MOST:g} % named",
            "met": named <= NAMED_AT_MOST,
        }
    kinds: dict[str, list[HeardWindow]] = {}
    for sound, heard in told:
        kinds.setdefault(sound.kind, []).extend(heard)
    found["named_by_kind"] = {
        kind: _percent(window.label is not None for window in windows)
        for kind, windows in sorted(kinds.items())
        if windows
    }
    return found


def _reasons(windows: Iterable[HeardWindow]) -> dict[str, float]:
    reasons = [window.abstained for window in windows]
    return {
        reason: _percent(each == reason for each in reasons)
        for reason in sorted({each for each in reasons if each})
    }


def _withheld(judged: Sequence[Judged]) -> float:
    return _percent(each.window.label is None for each in judged)


def _percent(each: Iterable[bool]) -> float:
    values: npt.NDArray[np.bool_] = np.array([*each], np.bool_)
    return round(100 * float(values.mean()), 2) if values.size else 0.0


def _recorded(corpora: Path | None) -> list[Sound]:
    if corpora is None:
        return []
    try:
        return [*recorded(corpora)]
    except CorpusError:
        return []
