"""A recording heard as fast as it goes, by the same session that hears a microphone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import soxr

from affectd.engine.artefact import Metadata
from affectd.engine.classifier import Classifier
from affectd.engine.judge import Judge
from affectd.engine.protocol import Abstention, Emotion, Event, Result, Utterance
from affectd.engine.segmenter import Cut
from affectd.engine.session import Session, SessionSettings, Window
from affectd.engine.voice_baseline import VoiceBaseline
from affectd.kernels.logmel import LogMel

__all__ = ["Analysis", "Hearing", "Span", "analyse", "judge_span"]

Samples = npt.NDArray[np.float32]

_SPAN_HOP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was heard in a recording; times are seconds since its beginning."""

    seconds: float
    labels: tuple[str, ...]
    moments: tuple[Emotion, ...]
    """Provisional results, in order."""
    utterances: tuple[Utterance, ...]


class Hearing:
    """A session with its model, fed by whoever has the samples.

    It gives to the last digit what a live stream of the same samples gives.

    Args:
        name: Name of the stream.
        classifier: The model.
        rate: Sampling rate of the samples, Hz.
        settings: As for a live stream.
        baseline: What is known of the speaker's voice, where it shall count.
    """

    def __init__(
        self,
        name: str,
        classifier: Classifier,
        *,
        rate: int,
        settings: SessionSettings | None = None,
        baseline: VoiceBaseline | None = None,
    ) -> None:
        self._classifier = classifier
        self._session = Session(
            name, classifier.metadata, rate=rate, settings=settings, baseline=baseline
        )

    @property
    def seconds(self) -> float:
        """How much was heard so far."""
        return self._session.seconds

    def feed(self, samples: Samples) -> list[Event]:
        """Return the events of the next samples, mono float32 ``(n,)``, in stream order.

        Raises:
            BadSampleError: a sample is NaN, infinite or beyond any sound.
            NonFiniteResultError: the model answers with NaN or infinity.
        """
        return self._resolve(self._session.feed(samples, self._session.seconds))

    def finish(self) -> list[Event]:
        """Return the events that are due at the end."""
        return self._resolve(self._session.finish())

    def _resolve(self, heard: Sequence[Event | Window]) -> list[Event]:
        events: list[Event] = []
        for each in heard:
            if isinstance(each, Window):
                # Alone, as live: a batch is no faster on one thread, and an INT8 model takes its
                # ranges from the whole of it.
                if each.wants_vector:
                    logits, vectors = self._classifier.hear([each.logmel])
                    events += self._session.resolve(each, logits[0], vectors[0])
                else:
                    events += self._session.resolve(each, self._classifier.run([each.logmel])[0])
            else:
                events.append(each)
        return events


def analyse(
    blocks: Iterable[Samples],
    rate: int,
    classifier: Classifier,
    *,
    name: str = "recording",
    settings: SessionSettings | None = None,
) -> Analysis:
    """Hear a recording.

    Args:
        blocks: Mono, each float32 ``(n,)``.
        rate: Their sampling rate, Hz.
        classifier: The model.
        name: Name of the stream.
        settings: As for a live stream.

    Raises:
        BadSampleError: a sample is NaN, infinite or beyond any sound.
        NonFiniteResultError: the model answers with NaN or infinity.
    """
    hearing = Hearing(name, classifier, rate=rate, settings=settings)
    events: list[Event] = []
    for block in blocks:
        events += hearing.feed(block)
    events += hearing.finish()
    return Analysis(
        seconds=hearing.seconds,
        labels=classifier.metadata.labels,
        moments=tuple(event for event in events if isinstance(event, Emotion)),
        utterances=tuple(event for event in events if isinstance(event, Utterance)),
    )


@dataclass(frozen=True, slots=True)
class Span:
    """The speech between two moments of a recording."""

    start: float
    end: float
    """Of the speech itself, in seconds; equal where there is none."""
    spoken: float
    """Share of the whole span in which somebody speaks, 0 to 1."""
    snr_db: float

    @classmethod
    def of(cls, utterances: Iterable[Result], start: float, end: float) -> Span:
        """Return the speech of a recording between two seconds."""
        inside = [
            (max(each.start, start), min(each.end, end), each.snr_db)
            for each in utterances
            if each.start < end and each.end > start
        ]
        if not inside:
            return cls(start, start, 0.0, 0.0)
        seconds = [last - first for first, last, _ in inside]
        level = sum(s * snr for s, (*_, snr) in zip(seconds, inside, strict=True)) / sum(seconds)
        first, last = inside[0][0], inside[-1][1]
        return cls(first, last, sum(seconds) / (last - first), level)


def judge_span(
    span: Span,
    samples: Samples,
    rate: int,
    classifier: Classifier,
    *,
    settings: SessionSettings | None = None,
) -> Utterance:
    """Judge a span as if it were one utterance, by the rules of those that a session finds.

    Args:
        span: Where the speech is.
        samples: What is heard in it, mono float32 ``(n,)``.
        rate: Their sampling rate, Hz.
        classifier: The model.
        settings: As for a live stream.

    Raises:
        BadSampleError: a sample is NaN, infinite or beyond any sound.
        NonFiniteResultError: the model answers with NaN or infinity.
    """
    settings = settings or SessionSettings()
    artefact = classifier.metadata
    front_end = artefact.front_end
    if rate != front_end.sample_rate:
        samples = soxr.resample(samples, rate, front_end.sample_rate, quality="LQ")
    if samples.size < front_end.fft_samples:
        # Not even one frame: nothing was said that a model could hear.
        return _unheard(span, artefact, Abstention.TOO_SHORT)
    frames = LogMel(front_end).batch(np.ascontiguousarray(samples, np.float32))
    cuts = _cuts(span, frames, artefact, settings)
    judge = Judge(artefact, settings.smoothing)
    verdict = {}
    for cut in cuts:
        logits = classifier.run([artefact.window(cut.logmel)])[0]
        verdict = judge.judge(cut, logits, cut.end / front_end.sample_rate)
    return Utterance(
        stream="", seq=0, start=span.start, end=span.end, captured_at=span.end, **verdict
    )


def _cuts(
    span: Span, frames: npt.NDArray[np.float32], artefact: Metadata, settings: SessionSettings
) -> list[Cut]:
    """Return the full windows of a span, and the last one."""
    front_end = artefact.front_end
    longest = front_end.frames(round(settings.segmenter.window_seconds * front_end.sample_rate))
    hop = round(_SPAN_HOP_SECONDS * front_end.sample_rate / front_end.hop_samples)
    begin = round(span.start * front_end.sample_rate)
    ends = [*range(longest, len(frames), hop), len(frames)]
    cuts = []
    for end in ends:
        start = max(0, end - longest)
        # A non-final window counts towards the whole if it does not begin the utterance.
        cuts.append(
            Cut(
                utterance=1,
                start=begin + start * front_end.hop_samples,
                end=begin + (end - 1) * front_end.hop_samples + front_end.fft_samples,
                utterance_start=begin - 1,
                final=False,
                too_short=span.end - span.start < settings.segmenter.first_seconds * 0.5,
                voiced_fraction=span.spoken,
                snr_db=span.snr_db,
                logmel=frames[start:end].copy(),
            )
        )
    cuts[-1] = replace(cuts[-1], final=True)
    return cuts


def _unheard(span: Span, artefact: Metadata, why: Abstention) -> Utterance:
    share = round(1 / len(artefact.labels), 4)
    return Utterance(
        stream="",
        seq=0,
        start=span.start,
        end=span.end,
        captured_at=span.end,
        label=None,
        abstained=why,
        confidence=share,
        scores=dict.fromkeys(artefact.labels, share),
        valence=0.0,
        arousal=0.0,
        snr_db=span.snr_db,
    )
