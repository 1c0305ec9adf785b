"""Which stream is heard with whose baseline, and what of it is written down."""

from __future__ import annotations

import threading
from collections.abc import Callable

from affectd.engine.artefact import Metadata
from affectd.engine.protocol import Event
from affectd.engine.voice_baseline import VoiceBaseline, VoiceError
from affectd.engine.voice_files import VoiceFiles

__all__ = ["KnownVoices"]


class KnownVoices:
    """The baselines of a daemon's streams.

    Only what is learnt of the voice of the daemon's own source is ever stored, and only where it
    has a name. A client's stream may begin with an enrolled voice, and changes nothing of it.

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
        self._kept: _Kept | None = None
        if everyone:
            VoiceBaseline(artefact)

    def own(self, stream: str, voice: str) -> VoiceBaseline | None:
        """Return the baseline of the daemon's own source, which is kept if its voice has a name.

        Args:
            stream: Its name.
            voice: Name of its speaker; empty for none.

        Raises:
            VoiceError: the voice's file cannot be used with this model.
        """
        if not voice:
            return self._running()
        state = self._files.state(voice)
        baseline = self._files.baseline(voice, self._artefact)
        if state is None:
            self._say(
                f"the voice {voice!r} is new: it is learnt, and kept in {self._files.path(voice)}"
            )
        self._kept = _Kept(stream, voice, baseline, state)
        return baseline

    def client(self, voice: str) -> VoiceBaseline | None:
        """Return the baseline of a client's stream, which is never stored.

        Args:
            voice: Name of its speaker, if it was said.

        Raises:
            VoiceError: the voice has no file, or none that can be used with this model.
        """
        if not voice:
            return self._running()
        if self._files.state(voice) is None:
            raise VoiceError(f"no voice {voice!r} is enrolled where the daemon runs")
        return self._files.baseline(voice, self._artefact)

    def saw(self, event: Event) -> None:
        """Look at an event that is being published: after an utterance there is more to keep."""
        kept = self._kept
        # What waits to be written will be written as it is then.
        if kept and event.type == "utterance" and event.stream == kept.stream and not kept.waits:
            kept.waits = True
            self._later(lambda: self._write(kept))

    def _running(self) -> VoiceBaseline | None:
        return VoiceBaseline(self._artefact) if self._everyone else None

    def _write(self, kept: _Kept) -> None:
        with kept.writing:
            kept.waits = False
            if self._kept is not kept:
                return
            path = self._files.path(kept.voice)
            if self._files.state(kept.voice) != kept.state:
                # Somebody had it forgotten, or enrolled anew: that must not be undone.
                self._kept = None
                self._say(f"{path} was changed meanwhile: what is learnt now is not kept")
                return
            try:
                self._files.save(kept.voice, self._artefact, kept.baseline.kept)
            except OSError as error:
                if not kept.complained:
                    kept.complained = True
                    self._say(
                        f"{path} cannot be written ({error.strerror}): {kept.voice} is not kept"
                    )
            kept.state = self._files.state(kept.voice)


class _Kept:
    """A voice whose file grows with it."""

    def __init__(
        self, stream: str, voice: str, baseline: VoiceBaseline, state: tuple[int, int] | None
    ) -> None:
        self.stream, self.voice, self.baseline, self.state = stream, voice, baseline, state
        self.writing = threading.Lock()
        self.waits = self.complained = False
