"""The one thread that runs the sessions of the daemon's own sources."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from affectd.engine.batcher import Job
from affectd.engine.desk import DRAIN_SECONDS, Desk, Stream
from affectd.engine.doorbell import Doorbell
from affectd.engine.protocol import Event

__all__ = ["Worker"]

_TICK_SECONDS = 0.25
_HELD_BACK_SECONDS = 0.005


class Worker(Desk):
    """A desk with a thread of its own, for sources that must be heard whatever the network does.

    Streams may be added at any time; one that is over is forgotten.

    Args:
        streams: What to run from the start.
        submit: As for a `Desk`; a result comes back through `deliver`.
        publish: As for a `Desk`; called in this worker's thread.
        congested: As for a `Desk`.
        shows_mel: As for a `Desk`.
        ended: Called when every stream that it began with is over, if there were any.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        submit: Callable[[Job], None],
        publish: Callable[[list[Event]], None],
        congested: Callable[[], bool] = lambda: False,
        shows_mel: Callable[[str], bool] = lambda stream: False,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            streams,
            submit=submit,
            publish=publish,
            congested=congested,
            shows_mel=shows_mel,
            ended=ended,
        )
        self._doorbell = Doorbell()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="affectd-worker", daemon=True)

    def start(self) -> None:
        """Start the sources and run their sessions.

        Raises:
            SourceError: a source cannot be opened.
        """
        for stream in self._streams.values():
            self._listen(stream, self._doorbell.write_fd)
        self._thread.start()

    def add(self, stream: Stream) -> None:
        """Run another stream, from any thread. An earlier one of that name must be over.

        Raises:
            SourceError: its source cannot be opened.
        """
        self._joining.append(stream)
        self._listen(stream, self._doorbell.write_fd)

    def stop(self) -> None:
        """Stop the sources, say what is still to be said, and return within two seconds."""
        for stream in (*self._streams.copy().values(), *self._joining.copy()):
            stream.source.stop()
        self._stopping = True
        self._doorbell.ring()
        if self._thread.is_alive():
            self._thread.join(timeout=DRAIN_SECONDS + _TICK_SECONDS)

    def deliver(self, job: Job) -> None:
        """Take a finished window back from the model; called in the batcher's thread."""
        self._results.append(job)
        self._doorbell.ring()

    def _wake(self) -> None:
        self._doorbell.ring()

    def _run(self) -> None:
        try:
            self._serve()
        except Exception as error:  # nobody must wait for a worker that is gone
            self._give_up(error)

    def _serve(self) -> None:
        awaits = bool(self._awaited)
        while not self._stopping:
            self._doorbell.wait(_HELD_BACK_SECONDS if self._waiting else _TICK_SECONDS)
            self._work()
            if awaits and not self._awaited:
                self._ended()
                return
        self._work()
        self._finish()
        until = time.monotonic() + DRAIN_SECONDS
        while self._owed:
            if time.monotonic() > until:
                return
            self._doorbell.wait(_TICK_SECONDS)
            self._resolve()

    def _work(self) -> None:
        self._resolve()
        waiting, self._waiting = self._waiting, []
        for stream in waiting:
            self._read(stream)
        for stream in self._polled:
            self._read(stream)
        while self._due:
            stream = self._due.popleft()
            # Whatever is written from here on wakes us again.
            stream.due = False
            self._read(stream)
