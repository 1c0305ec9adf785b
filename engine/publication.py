"""One stream that a client sends: its pace, and what becomes of it when the client is gone."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from affectd.engine.protocol import ErrorCode
from affectd.engine.publisher import FrameFormat, PublisherSource, frame_samples
from affectd.engine.publisher_settings import PublisherSettings
from affectd.engine.refusal import RequestError
from affectd.engine.sources import Notice

__all__ = ["Publication"]

_KEY_BYTES = 12
# Whoever was away may catch up on what the network held back, but on no more than this.
_CREDIT_SECONDS = 5.0
# A frame costs the engine about as much as this much audio does. A browser's audio worklet hands
# over 128 samples, 2.7 ms at 48 kHz, and may send them as they are.
_SHORTEST_FRAME_SECONDS = 0.0025


class Publication:
    """One stream and the client that sends it; `Publishers.open` makes one.

    It lives on the event loop. The clock is given to it, so that tests need not wait.

    Args:
        source: What the worker reads.
        settings: Limits.
        release: Called when nothing more can come.
        key: Shows that a client may continue it; by default a new one.
        voice: Whose voice it is, if its client said so.

    Attributes:
        voice_baseline: Whether it is heard beside its voice's own baseline.
    """

    def __init__(
        self,
        source: PublisherSource,
        settings: PublisherSettings,
        *,
        release: Callable[[Publication], None],
        key: str = "",
        voice: str = "",
    ) -> None:
        self.name = source.name
        self.key = key or secrets.token_urlsafe(_KEY_BYTES)
        self.voice = voice
        self.voice_baseline = False
        self.over: Callable[[], None] = lambda: None
        """Told when the stream's last event has been published."""
        self.finished_with: tuple[int, str] | None = None
        """How the connection is to be closed then."""
        self._source = source
        self._settings = settings
        self._release = release
        self._connected = True
        self._ended = False
        self._stalled = False
        self._timer: asyncio.TimerHandle | None = None
        self._rate = source.rate
        self._format: FrameFormat = "s16le"
        self._heard_at = time.monotonic()
        self._ahead = 0.0
        self._held_since: float | None = None

    @property
    def connected(self) -> bool:
        """Whether its client is there, as far as is known."""
        return self._connected

    @property
    def ended(self) -> bool:
        """Whether no more audio is taken."""
        return self._ended

    def begin(self, rate: int, sample_format: FrameFormat, now: float) -> None:
        """Expect audio of this kind from now on."""
        self._rate = rate
        self._format = sample_format
        # Who comes back is as far ahead as before: to reconnect must not pay.
        self._ahead = max(0.0, self._ahead - (now - self._heard_at))
        self._heard_at = now
        self._watch()

    def takes(self, frame: bytes) -> bool:
        """Return whether a frame holds whole samples, or an Opus packet, and nothing else."""
        return frame_samples(frame, self._format)[1]

    def hear(self, frame: bytes, now: float) -> float:
        """Take a frame of audio.

        Args:
            frame: As it came.
            now: Seconds of the engine's clock.

        Returns:
            How long to wait, in seconds, before more is read from this client.

        Raises:
            RequestError: it holds no whole number of samples, or the client is too fast.
        """
        if self._ended:
            return 0.0
        samples, whole = frame_samples(frame, self._format)
        seconds = samples / self._rate
        ahead = self._ahead - (now - self._heard_at)
        self._ahead = max(ahead, -_CREDIT_SECONDS) + max(seconds, _SHORTEST_FRAME_SECONDS)
        self._heard_at = now
        if self._stalled:
            self._stalled = False
            self._source.notice(Notice("resumed"))
        if not whole:
            self._source.notice(Notice("missing", lost_seconds=seconds))
            held = (
                "Opus packet"
                if self._format == "opus"
                else f"whole number of {self._format} samples"
            )
            text = f"a frame of {len(frame)} bytes holds no {held}"
            raise RequestError(ErrorCode.ODD_AUDIO, text)
        if samples:
            self._source.hear(frame, now - seconds)
        return self._hold_back(now)

    def rejoin(self, rate: int, sample_format: FrameFormat, now: float) -> None:
        """Go on after the client was away."""
        lost = now - self._heard_at
        self._connected = True
        self._stalled = False
        self._source.rejoin(rate, sample_format, lost_seconds=round(max(0.0, lost), 4))
        self.begin(rate, sample_format, now)

    def hand_over(self) -> Publication:
        """Return the stream for another connection of its client, and close this one.

        A client may know of a loss long before the daemon does, whose pings wait for an answer.
        """
        taken = Publication(
            self._source, self._settings, release=self._release, key=self.key, voice=self.voice
        )
        taken.voice_baseline = self.voice_baseline
        taken._heard_at = self._heard_at
        taken._ahead, taken._held_since = self._ahead, self._held_since
        self._cancel()
        if self._connected and not self._stalled:
            self._source.notice(Notice("stalled", "the publisher is gone"))
        self._ended = True  # for this connection
        self.finished_with = (1008, ErrorCode.STREAM_TAKEN)
        self.over()
        return taken

    def end(self) -> None:
        """Let the stream end with what has been heard."""
        if not self._ended:
            self._ended = True
            self._cancel()
            self._source.notice(Notice("ended"))

    def leave(self, *, purposely: bool) -> None:
        """Note that the client's connection is gone.

        Args:
            purposely: Whether it closed it itself; else it may come back within the grace time.
        """
        self._connected = False
        self.over = lambda: None
        if self._ended:
            return
        if purposely or not self._settings.grace_seconds:
            self.end()
            return
        self._cancel()
        self._stalled = True
        self._source.notice(Notice("stalled", "the publisher is gone"))
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._settings.grace_seconds, self.end)

    def finished(self, fault: ErrorCode | None) -> None:
        """Note that the stream's last event has been published."""
        self._ended = True
        self._cancel()
        self._release(self)
        self.finished_with = (1008, fault) if fault else (1000, "ended")
        self.over()

    def _hold_back(self, now: float) -> float:
        too_far = self._ahead - self._settings.ahead_seconds
        if too_far <= 0:
            self._held_since = None
            return 0.0
        if self._held_since is None:
            self._held_since = now
        if now - self._held_since >= self._settings.fast_seconds:
            self.end()
            raise RequestError(
                ErrorCode.TOO_FAST,
                f"audio was more than {self._settings.ahead_seconds:g} s ahead of real time for "
                f"{self._settings.fast_seconds:g} s without a break",
            )
        return too_far

    def _watch(self) -> None:
        """Look now and then whether audio still comes; that is cheaper than at every frame."""
        self._cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._settings.stall_seconds / 2, self._look)

    def _look(self) -> None:
        silent = time.monotonic() - self._heard_at - max(0.0, self._ahead)
        if not self._stalled and silent >= self._settings.stall_seconds:
            self._stalled = True
            self._source.notice(Notice("stalled", "the publisher sends nothing"))
        self._watch()

    def _cancel(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
