"""The sessions of what clients send, run by the event loop that reads it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from affectd.engine.batcher import Job
from affectd.engine.desk import DRAIN_SECONDS, Desk, Stream
from affectd.engine.protocol import Event

__all__ = ["LoopWorker"]

_SLICE_SECONDS = 0.004


class LoopWorker(Desk):
    """A desk on the event loop: it hears a block in the turn of the loop in which it came.

    Blocks of which nothing can come yet (`Session.quiet_samples`) wait for later ones.

    A thread of its own would share the interpreter with the loop and gain nothing by it: each
    block would wake it and wait for the interpreter's lock, which costs more than to hear the
    block, and keeps windows waiting for the switch from one thread to the other. All that came in
    one turn of the loop is heard together; after some milliseconds the sockets have their turn.

    Args:
        submit: As for a `Desk`; a result comes back through `deliver`.
        publish: As for a `Desk`; called on the loop.
        shows_mel: As for a `Desk`.
        ended: Called should the engine fail.
    """

    def __init__(
        self,
        *,
        submit: Callable[[Job], None],
        publish: Callable[[list[Event]], None],
        shows_mel: Callable[[str], bool] = lambda stream: False,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__([], submit=submit, publish=publish, shows_mel=shows_mel, ended=ended)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._called = False
        """Whether the loop has been asked to do the work."""
        self._answered = False
        """Whether it has been told that the model has answered."""
        self._stopping = False
        self._settled = asyncio.Event()

    def add(self, stream: Stream) -> None:
        """Run another stream. An earlier one of that name must be over. Called on the loop."""
        self._loop = asyncio.get_running_loop()
        self._streams[stream.session.stream] = stream
        self._listen(stream)

    def deliver(self, job: Job) -> None:
        """Take a finished window back from the model; called in the batcher's thread."""
        self._results.append(job)
        # One call serves all windows of a batch.
        loop = self._loop
        if not self._answered and loop:
            self._answered = True
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody listens
                loop.call_soon_threadsafe(self._answer)

    async def stop(self) -> None:
        """Say what is still to be said, and return within a second."""
        self._stopping = True
        for stream in self.streams:
            stream.source.stop()
        # What no window was due of has not been heard.
        self._due.extend(stream for stream in self.streams if not stream.due)
        while self._due:
            self._work()
        try:
            self._finish()
        except Exception as error:  # the rest must be stopped all the same
            self._give_up(error)
        if self._owed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._settled.wait()

    def _give_up(self, error: Exception) -> None:
        super()._give_up(error)
        # What is still under way finds nobody.
        self._loop = None
        self._streams.clear()
        self._due.clear()

    def _wake(self) -> None:
        if not self._called and self._loop:
            self._called = True
            self._loop.call_soon(self._work)

    def _answer(self) -> None:
        self._answered = False
        try:
            self._resolve()
        except Exception as error:  # nobody must wait for sessions that are gone
            self._give_up(error)
        if self._stopping and not self._owed:
            self._settled.set()

    def _work(self) -> None:
        self._called = False
        until = time.monotonic() + _SLICE_SECONDS
        try:
            while self._due:
                stream = self._due.popleft()
                # Whatever is written from here on wakes us again.
                stream.due = False
                try:
                    self._read(stream, until)
                except Exception as error:  # one stream, and not all
                    self._break(stream, error)
                if self._due and time.monotonic() > until:
                    self._wake()
                    return
        except Exception as error:  # nobody must wait for sessions that are gone
            self._give_up(error)
