"""How a recording or a block of samples sounds, from a few lines of Python.

This is where the engine that hears meets the clients' way of showing; it belongs to neither room.
"""

from __future__ import annotations

import html
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from affectd.clients.palette import colour_of
from affectd.clients.timeline import Timeline
from affectd.clients.wording import reason
from affectd.engine.analysis import Analysis, Hearing, Span, analyse, judge_span
from affectd.engine.classifier import Classifier
from affectd.engine.protocol import Utterance
from affectd.engine.recording import Recording
from affectd.engine.session import SessionSettings
from affectd.engine.shipped import DEFAULT_MODEL, find_model

if TYPE_CHECKING:
    from affectd.frame import TimelineFrame

__all__ = ["Prediction", "Recognizer", "SampleStream"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """How a stretch of speech sounds."""

    label: str | None
    """The emotion, or `None` where the engine abstains."""
    abstained: str | None
    """Why it abstains: ``too_short``, ``noisy``, ``not_speech`` or ``uncertain``."""
    confidence: float
    """Calibrated probability of the leading label, 0 to 1."""
    scores: dict[str, float]
    """Calibrated probability of every label; they add up to 1, but for rounding."""
    valence: float
    arousal: float
    """Each within ±1, derived from the scores."""
    start: float
    end: float
    """Where the speech is, in seconds since the first sample."""

    def _repr_html_(self) -> str:
        said = self.label or f"({reason(self.abstained)})"
        bars = "".join(
            f'<tr><td>{html.escape(label)}</td><td style="width:16em"><div style="height:.8em;'
            f'width:{100 * score:.1f}%;background:{colour_of(label)}"></div></td>'
            f"<td>{score:.0%}</td></tr>"
            for label, score in self.scores.items()
        )
        return f"<p><b>{html.escape(said)}</b> {self.confidence:.0%}</p><table>{bars}</table>"


class SampleStream:
    """Samples in, events out, at whatever pace they come.

    A context manager, too: leaving it with `finish` uncalled drops what is still to be said.

    Args:
        hearing: The session with its model.
    """

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing

    def feed(self, samples: npt.ArrayLike) -> list[dict[str, Any]]:
        """Hear the next samples.

        Args:
            samples: Floats within ±1, or int16, any length: ``(n,)``, or ``(n, channels)``, which
                are averaged.

        Returns:
            The events that they complete, as on the wire (``docs/protocol.md``), with
            ``captured_at`` in stream seconds.

        Raises:
            ValueError: a sample is NaN, infinite or beyond ±65,536, or the array has another
                shape.
        """
        return [event.to_wire() for event in self._hearing.feed(_mono(samples))]

    def finish(self) -> list[dict[str, Any]]:
        """Return the events that are due at the end."""
        return [event.to_wire() for event in self._hearing.finish()]


class Recognizer:
    """A model, ready to hear.

    ```python
    import affectd

    recognizer = affectd.Recognizer()
    print(recognizer.analyze("talk.wav")[["start", "end", "label", "confidence"]])
    ```

    Args:
        model: A shipped model's name, or an artefact's file.
        settings: When it hears speech, cuts windows, and is sure; as for the daemon.

    Warns:
        ArtefactWarning: the model's export rejected it.

    Raises:
        ArtefactError: the model cannot be used.
        ImportError: ONNX Runtime is not installed.
    """

    def __init__(
        self, model: str | PathLike[str] = DEFAULT_MODEL, *, settings: SessionSettings | None = None
    ) -> None:
        self._classifier = Classifier(find_model(fspath(model)))
        self._settings = settings

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that the model tells apart."""
        return self._classifier.metadata.labels

    def predict(self, samples: npt.ArrayLike, rate: int) -> Prediction:
        """Say how the speech in some samples sounds as a whole.

        Args:
            samples: Floats within ±1, or int16: ``(n,)``, or ``(n, channels)``, which are averaged.
            rate: Their sampling rate, Hz; 8,000 to 192,000.

        Raises:
            ValueError: there are no samples, one is NaN, infinite or beyond ±65,536, or the rate is
                not allowed.
        """
        mono = _mono(samples)
        if not mono.size:
            raise ValueError("there are no samples to hear")
        _check_rate(rate)
        blocks = (mono[at : at + rate] for at in range(0, mono.size, rate))
        heard = analyse(blocks, rate, self._classifier, settings=self._settings)
        span = Span.of(heard.utterances, 0.0, heard.seconds)
        inside = mono[round(span.start * rate) : round(span.end * rate)]
        if not heard.utterances:
            # Nobody speaks: what the model would make of it is judged by the same rules.
            span, inside = Span(0.0, heard.seconds, 0.0, 0.0), mono
        return _prediction(
            judge_span(span, inside, rate, self._classifier, settings=self._settings)
        )

    def analyze(self, path: str | PathLike[str]) -> TimelineFrame:
        """Hear a file, and return a row an utterance.

        Args:
            path: Whatever libsndfile reads, or ffmpeg where that is installed.

        Returns:
            A pandas data frame with ``path``, ``start``, ``end`` (seconds), ``label``,
            ``abstained``, ``confidence``, ``scores`` (a dict), ``valence``, ``arousal`` and
            ``snr_db``. A notebook shows it as a timeline. Where the file is cut off, a
            `UserWarning` says how much is missing.

        Raises:
            RecordingError: the file cannot be heard.
            ValueError: a sample is NaN, infinite or beyond ±65,536.
            ImportError: pandas is not installed.
        """
        try:
            from affectd.frame import TimelineFrame
        except ImportError as error:
            raise ImportError(
                f"{error.name or 'pandas'} is missing: pip install 'affectd[files]'"
            ) from None
        timeline = self.timeline(path)
        if timeline.complaint:
            warnings.warn(timeline.complaint, stacklevel=2)
        return TimelineFrame.of(timeline)

    def timeline(
        self, path: str | PathLike[str], *, heard: Callable[[float], None] = lambda _: None
    ) -> Timeline:
        """Hear a file, and return all that was heard; needs no pandas.

        Args:
            path: As for `analyze`.
            heard: Told how many seconds of it were heard, every time that some more were.

        Raises:
            RecordingError: the file cannot be heard.
            ValueError: a sample is NaN, infinite or beyond ±65,536.
        """
        with Recording(Path(path)) as recording:
            blocks = _watched(recording, heard)
            # A name that is not UTF-8 can be opened, and not be written anywhere.
            name = os.fsencode(path).decode("utf-8", "backslashreplace")
            found = analyse(
                blocks, recording.rate, self._classifier, name=name, settings=self._settings
            )
            return _timeline(name, found, recording.complaint)

    def under(
        self, path: str | PathLike[str], spans: list[tuple[float, float]], timeline: Timeline
    ) -> list[Prediction | None]:
        """Judge what is said in some spans of a file, each on its own.

        Args:
            path: The file.
            spans: Start and end of each, in seconds.
            timeline: What `timeline` returned for it.

        Returns:
            One a span; `None` where nobody speaks.
        """
        utterances = [
            Utterance(**{name: value for name, value in each.items() if name != "type"})
            for each in timeline.utterances
        ]
        found: list[Prediction | None] = []
        with Recording(Path(path)) as recording:
            for start, end in spans:
                span = Span.of(utterances, start, end)
                if span.end <= span.start:
                    found.append(None)
                    continue
                inside = recording.between(span.start, span.end)
                verdict = judge_span(
                    span, inside, recording.rate, self._classifier, settings=self._settings
                )
                found.append(_prediction(verdict))
        return found

    def stream(self, rate: int = 16_000, *, name: str = "stream") -> SampleStream:
        """Return a stream that hears samples as they come.

        Args:
            rate: Their sampling rate, Hz; 8,000 to 192,000.
            name: Of the stream, in its events.

        Raises:
            ValueError: the rate is not allowed.
        """
        _check_rate(rate)
        return SampleStream(Hearing(name, self._classifier, rate=rate, settings=self._settings))


def _watched(
    recording: Recording, heard: Callable[[float], None]
) -> Iterator[npt.NDArray[np.float32]]:
    for block in recording.blocks():
        yield block
        heard(block.size / recording.rate)


def _timeline(name: str, found: Analysis, complaint: str) -> Timeline:
    return Timeline(
        name=name,
        seconds=found.seconds,
        labels=found.labels,
        utterances=[event.to_wire() for event in found.utterances],
        moments=[event.to_wire() for event in found.moments],
        complaint=complaint,
    )


def _prediction(verdict: Utterance) -> Prediction:
    return Prediction(
        label=verdict.label,
        abstained=str(verdict.abstained) if verdict.abstained else None,
        confidence=verdict.confidence,
        scores=dict(verdict.scores),
        valence=verdict.valence,
        arousal=verdict.arousal,
        start=round(verdict.start, 4),
        end=round(verdict.end, 4),
    )


def _mono(samples: npt.ArrayLike) -> npt.NDArray[np.float32]:
    array = np.asarray(samples)
    if array.dtype == np.int16:
        array = array / np.float32(32_768)
    if array.dtype.kind not in "f":
        raise ValueError(f"samples are {array.dtype}; needed are floats within ±1, or int16")
    if array.ndim == 2:
        array = array.mean(axis=1)
    if array.ndim != 1:
        raise ValueError(f"samples have the shape {array.shape}; needed is (n,) or (n, channels)")
    return np.ascontiguousarray(array, np.float32)


def _check_rate(rate: int) -> None:
    if not 8_000 <= rate <= 192_000:
        raise ValueError(f"rate {rate} Hz is not allowed: 8000 to 192000 are")
