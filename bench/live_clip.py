"""One recording heard as it would be live: voice activity, segmenter, model, verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affectd.engine.artefact import Metadata
from affectd.engine.classifier import Classifier
from affectd.engine.judge import Judge
from affectd.engine.segmenter import Cut
from affectd.engine.session import Session, SessionSettings, Window
from affectd.engine.smoothing import SmoothingSettings

__all__ = ["HeardWindow", "answers_to", "cuts_of", "hear", "in_a_room", "judged"]

Samples = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
_BEFORE_SECONDS, _AFTER_SECONDS = 1.0, 0.8
_ROOM_DB = -80.0
_BLOCK = 1_600


@dataclass(frozen=True, slots=True)
class HeardWindow:
    """A window and what was said of it."""

    cut: Cut
    logits: npt.NDArray[np.float32]
    """float32 ``(classes,)``."""
    scores: npt.NDArray[np.float64]
    """Calibrated, smoothed, or averaged over the utterance where the window is its last."""
    confidence: float
    label: str | None
    """What was named."""
    abstained: str | None


def in_a_room(samples: Samples, *, seed: int = 0) -> Samples:
    """Return a recording with a second of a quiet room (-80 dB) before it, and some after it.

    Without it the first word would be the stream's first sound: the engine hears a stream from its
    first dip on.
    """
    rng = np.random.default_rng(seed)
    before, after = (round(each * SAMPLE_RATE) for each in (_BEFORE_SECONDS, _AFTER_SECONDS))
    room = 10 ** (_ROOM_DB / 20) * rng.standard_normal(before + samples.size + after)
    heard = room.astype(np.float32)
    heard[before : before + samples.size] += samples
    return heard


def cuts_of(
    samples: Samples, artefact: Metadata, *, settings: SessionSettings | None = None
) -> list[tuple[Window, float]]:
    """Return the windows that a session cuts from a recording, and the second each one ends at.

    Args:
        samples: At 16 kHz, float32 ``(n,)``.
        artefact: Says what a window is.
        settings: As for a live stream.
    """
    session = Session("recording", artefact, rate=SAMPLE_RATE, settings=settings)
    found: list[Window] = []
    for at in range(0, samples.size, _BLOCK):
        heard = session.feed(samples[at : at + _BLOCK], at / SAMPLE_RATE)
        found += [each for each in heard if isinstance(each, Window)]
    found += [each for each in session.finish() if isinstance(each, Window)]
    return [(each, each.cut.end / artefact.front_end.sample_rate) for each in found]


def answers_to(
    samples: Samples, classifier: Classifier, *, settings: SessionSettings | None = None
) -> list[tuple[Cut, npt.NDArray[np.float32], float]]:
    """Return the windows of a recording, the logits of each, and the second that it ends at.

    Args:
        samples: At 16 kHz, float32 ``(n,)``.
        classifier: The model.
        settings: As for a live stream.
    """
    windows = cuts_of(samples, classifier.metadata, settings=settings)
    return [(window.cut, classifier.run([window.logmel])[0], end) for window, end in windows]


def judged(
    answers: Sequence[tuple[Cut, npt.NDArray[np.float32], float]],
    artefact: Metadata,
    settings: SmoothingSettings,
) -> list[HeardWindow]:
    """Return what is said of a recording's windows.

    Args:
        answers: Of `answers_to`.
        artefact: The model's.
        settings: How sure it must be.
    """
    judge = Judge(artefact, settings)
    found: list[HeardWindow] = []
    for cut, logits, end in answers:
        verdict = judge.judge(cut, logits, end)
        found.append(
            HeardWindow(
                cut=cut,
                logits=logits,
                scores=np.array(list(verdict["scores"].values())),
                confidence=verdict["confidence"],
                label=verdict["label"],
                abstained=None if verdict["abstained"] is None else str(verdict["abstained"]),
            )
        )
    return found


def hear(
    samples: Samples, classifier: Classifier, *, settings: SessionSettings | None = None
) -> list[HeardWindow]:
    """Return all that is said of a recording.

    Args:
        samples: At 16 kHz, float32 ``(n,)``.
        classifier: The model.
        settings: As for a live stream.
    """
    settings = settings or SessionSettings()
    answers = answers_to(samples, classifier, settings=settings)
    return judged(answers, classifier.metadata, settings.smoothing)
