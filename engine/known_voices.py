"""Which stream is heard with whose baseline, and when the named ones are written down."""

from __future__ import annotations

import threading
from collections.abc import Callable

from affectd.engine.artefact import Metadata
from affectd.engine.protocol import Event
from affectd.engine.voice_baseline import VoiceBaseline, VoiceError
from affectd.engine.voice_files import VoiceFiles

__all__ = ["KnownVoices"]


class KnownVoices:
    """The baselines of a daemon's streams. Only those with a name are ever stored.

    Args:
        artefact: The model's contract.
        everyone: Whether streams without a name have a running baseline, too.
        files: Where named voices are kept.
        later: Runs what writes a file, where nothing waits for it.
        say: Told what a person at the terminal should know.

    Raises:
        VoiceError: everyone shall have one, and the model knows nothing of voices.
    """

    def __init__(
        self,
        artefact: Metadata,
        *,
        everyone: bool = False,
        files: VoiceFiles | None = None,
        later: Callable[[Callable[[], None]], object] = lambda work: work(),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._artefact = artefact
        self._everyone = everyone
        self._files = files or VoiceFiles()
        self._later = later
        self._say = say
        self._named: dict[str, tuple[str, VoiceBaseline]] = {}
        """By stream."""
        self._writing = threading.Lock()
        self._complained = False
        if everyone:
            VoiceBaseline(artefact)

    def baseline(
        self, stream: str, voice: str = "", *, enrolled: bool = False
    ) -> VoiceBaseline | None:
        """Return the baseline that a new stream is heard with, if it is to have one.

        Args:
            stream: Its name.
            voice: Name of its speaker, if it was said.
            enrolled: Whether the voice must be on file.

        Raises:
            VoiceError: the voice has no file, is heard on another stream, or its file cannot be
                used with this model.
        """
        if not voice:
            return VoiceBaseline(self._artefact) if self._everyone else None
        baseline = self._files.baseline(voice, self._artefact)
        if enrolled and not self._files.path(voice).exists():
            raise VoiceError(f"no voice {voice!r} is enrolled where the daemon runs")
        for other, (taken, _) in self._named.items():
            if taken == voice and other != stream:
                raise VoiceError(f"voice {voice!r} is heard on stream {other!r} already")
        self._named[stream] = voice, baseline
        return baseline

    def saw(self, event: Event) -> None:
        """Look at an event that is being published: after an utterance there is more to keep."""
        named = self._named.get(event.stream)
        if named is None:
            return
        ended = event.type == "device" and getattr(event, "state", "") == "ended"
        if ended or getattr(event, "fatal", False):
            del self._named[event.stream]
        elif event.type == "utterance":
            self._later(lambda: self._write(*named))

    def _write(self, voice: str, baseline: VoiceBaseline) -> None:
        # Whoever comes last writes the newest, whatever the order of the threads.
        with self._writing:
            try:
                self._files.save(voice, self._artefact, baseline.kept)
            except OSError as error:
                if not self._complained:
                    self._complained = True
                    path = self._files.path(voice)
                    self._say(f"{path} cannot be written ({error.strerror}): {voice} is not kept")
