"""Getting to know a voice on purpose: by some seconds of speech that is told to be neutral."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from affectd.engine.analysis import Hearing
from affectd.engine.classifier import Classifier
from affectd.engine.protocol import Event, Result, Utterance
from affectd.engine.segmenter import SegmenterSettings
from affectd.engine.session import SessionSettings
from affectd.engine.sources import Source, SourceError
from affectd.engine.voice_baseline import UNHEARD, VoiceBaseline, VoiceError
from affectd.engine.voice_files import VoiceFiles, check_voice_name

__all__ = ["WANTED_SECONDS", "Enrolment", "blocks_of"]

WANTED_SECONDS = 20.0
"""How much speech is asked for."""
_LEAST_SECONDS = 5.0
_TOLD = "neutral"
# A pause is no more needed than a full stop: who reads on without one says a sentence in this.
_LONGEST_SECONDS = 4.0
_WAIT_SECONDS = 0.1


class Enrolment:
    """Hears somebody speak neutrally, by the engine's own way from samples to utterances.

    Args:
        name: Of the voice.
        classifier: The model.
        files: Where voices are kept.

    Raises:
        VoiceError: the name is none, or the model knows nothing of voices or of neutral speech.
    """

    def __init__(self, name: str, classifier: Classifier, *, files: VoiceFiles) -> None:
        self._name = check_voice_name(name)
        self._classifier = classifier
        self._files = files
        self._baseline = VoiceBaseline(classifier.metadata, told=_TOLD)
        self._settled_seconds = self._begun_seconds = 0.0

    @property
    def seconds(self) -> float:
        """How much speech was heard so far."""
        return self._settled_seconds + self._begun_seconds

    @property
    def utterances(self) -> int:
        """How many utterances were learnt from."""
        return self._baseline.utterances

    def hear(self, blocks: Iterator[npt.NDArray[np.float32]], rate: int) -> Iterator[float]:
        """Hear a recording, or a microphone.

        Args:
            blocks: Mono, each float32 ``(n,)``.
            rate: Their sampling rate, Hz.

        Yields:
            After each block, how many seconds it was long; the last, empty one says that all was
            heard.

        Raises:
            BadSampleError: a sample is NaN, infinite or beyond any sound.
        """
        hearing = Hearing(
            self._name,
            self._classifier,
            rate=rate,
            settings=SessionSettings(segmenter=SegmenterSettings(longest_seconds=_LONGEST_SECONDS)),
            baseline=self._baseline,
        )
        for block in blocks:
            self._note(hearing.feed(block))
            yield block.size / rate
        self._note(hearing.finish())
        yield 0.0

    def save(self) -> Path:
        """Keep what was learnt, in place of what was known of the voice before.

        Raises:
            VoiceError: too little was said.
            OSError: the file cannot be written.
        """
        if not self.utterances:
            raise VoiceError("no speech was heard: nothing was learnt of the voice")
        if self._settled_seconds < _LEAST_SECONDS:
            raise VoiceError(
                f"only {self._settled_seconds:.1f} s of speech were heard: {_LEAST_SECONDS:g} s "
                f"are needed, {WANTED_SECONDS:g} s are better"
            )
        return self._files.save(self._name, self._classifier.metadata, self._baseline.kept)

    def _note(self, events: list[Event]) -> None:
        for event in events:
            if not isinstance(event, Result):
                continue
            if not isinstance(event, Utterance):
                # Of an utterance that goes on; a window begins where it does, or later.
                self._begun_seconds = max(self._begun_seconds, event.end - event.start)
                continue
            self._begun_seconds = 0.0
            if event.abstained not in UNHEARD:
                self._settled_seconds += event.end - event.start


def blocks_of(source: Source) -> Generator[npt.NDArray[np.float32]]:
    """Start a source and yield its blocks until they are not wanted any more.

    Raises:
        SourceError: it cannot be opened, fails, or is lost.
    """
    wake = threading.Event()
    source.start(wake.set)
    try:
        while True:
            wake.wait(_WAIT_SECONDS)
            wake.clear()
            # Before reading: what is said from here on may follow audio that is not read yet.
            said = len(source.notices)
            while (block := source.read()) is not None:
                yield block.samples
            for _ in range(said):
                notice = source.notices.popleft()
                if notice.state in ("lost", "failed"):
                    raise SourceError(notice.detail)
                if notice.state == "ended":
                    return
    finally:
        source.stop()
