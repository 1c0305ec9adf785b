"""What is done with streams, whoever does it: blocks in, windows to the model, events out."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from affectd.engine.batcher import Job
from affectd.engine.device_clock import DeviceClock
from affectd.engine.judge import NonFiniteResultError
from affectd.engine.load import LoadGovernor, LoadSettings
from affectd.engine.opus import BadPacketError
from affectd.engine.protocol import ErrorCode, Event, Result
from affectd.engine.session import Session, Window
from affectd.engine.sources import OVERFLOW, Feed
from affectd.kernels.samples import BadSampleError

if TYPE_CHECKING:
    from affectd.kernels.ring import Block

__all__ = ["DRAIN_SECONDS", "Desk", "Stream"]

DRAIN_SECONDS = 0.6
"""How long what the model still owes is waited for at the end."""
_WAITING_WINDOWS = 8
_FLAGGED_EVERY_SECONDS = 1.0
# A publisher is lost and restored as a device is, for those who listen.
_DEVICE_STATES = {"stalled": "lost", "resumed": "restored", "rejoined": "restored"}


@dataclass(slots=True)
class Stream:
    """A source, its session, and what lies between."""

    source: Feed
    session: Session
    clock: DeviceClock | None
    governor: LoadGovernor
    in_flight: int = 0
    """Windows that the model has not yet answered."""
    over: bool = False
    lost: bool = False
    """Whether its device or publisher is away, or sends nothing."""
    due: bool = False
    """Whether the worker knows that there is something to be read."""
    failure: str = ""
    """Why the source ended, where that was no regular end."""
    failure_code: ErrorCode | None = None
    remark: str = ""
    """What is to be said of a regular end."""
    flagged_at: float = -_FLAGGED_EVERY_SECONDS
    """When the system last said that it lost audio, without saying how much."""

    @classmethod
    def of(cls, source: Feed, session: Session, load: LoadSettings | None = None) -> Stream:
        """Put a stream together."""
        governor = LoadGovernor(session.hop_seconds, load)
        return cls(source, session, source.clock(source.rate), governor)


class Desk(ABC):
    """Reads streams, runs their sessions, hands windows to the model and events to the hub.

    It has no thread: whoever owns it says when there is something to do, and does all of it from
    one thread alone. `affectd.engine.worker.Worker` and `affectd.engine.loop_worker.LoopWorker`
    are the two that do.

    Args:
        streams: What to run from the start.
        submit: Takes a window to the model; its result comes back through `_results`.
        publish: Takes finished events, in stream order.
        congested: Whether those who listen cannot take more. Asked only for sources that wait
            and are not live.
        shows_mel: Whether somebody wants to see the spectrogram of a stream.
        ended: Called once, when the owner has nothing more to do.
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
        self._streams = {stream.session.stream: stream for stream in streams}
        self._awaited = set(self._streams)
        self._joining: deque[Stream] = deque()
        self._due: deque[Stream] = deque()
        """Streams whose sources have something to be read."""
        self._polled: list[Stream] = []
        """Streams whose sources only ring the bell: each may have something at any time."""
        self._waiting: list[Stream] = []
        """Streams that have, but must wait for the model or for clients."""
        self._submit = submit
        self._publish = publish
        self._congested = congested
        self._shows_mel = shows_mel
        self._ended = ended
        self._results: deque[Job] = deque()
        self.failures: list[str] = []
        """Why streams that it began with ended, where that was no regular end."""

    def __contains__(self, stream: str) -> bool:
        return stream in self._streams

    @property
    def streams(self) -> list[Stream]:
        """Those that run now, for who looks from another thread: they go on meanwhile."""
        return list(self._streams.copy().values())

    @abstractmethod
    def _wake(self) -> None:
        """Have the work done soon; called from any thread."""

    def _listen(self, stream: Stream, bell: int | None = None) -> None:
        def wake() -> None:
            if not stream.due:
                stream.due = True
                self._due.append(stream)
                self._wake()

        stream.source.start(wake, bell=bell)
        if stream.source.polled:
            self._polled.append(stream)
        # What the source had to say before it was listened to rang for nobody.
        wake()

    def _give_up(self, error: Exception) -> None:
        """Say on every stream that the engine failed: nobody must wait for what is gone."""
        message = f"the engine failed: {type(error).__name__}: {error}"
        self.failures.append(message)
        self._results.clear()
        for stream in self._streams.values():
            stream.failure = stream.failure or message
            stream.session.wait(time.monotonic())
            self._publish([stream.session.failure(ErrorCode.INTERNAL, stream.failure)])
        self._ended()

    def _finish(self) -> None:
        """Say what is still to be said of every stream."""
        for stream in self._streams.values():
            if not stream.over:
                self._take(stream, stream.session.finish(), time.monotonic())

    @property
    def _owed(self) -> bool:
        """Whether the model still owes results."""
        return any(stream.in_flight for stream in self._streams.values())

    def _read(self, stream: Stream, until: float = math.inf) -> None:
        """Hear what a stream has to say, and in between what the model has.

        Args:
            stream: Which one.
            until: From then on, on the clock of `time.monotonic`, no further block is begun; what
                is left is due later.
        """
        while self._joining:
            joining = self._joining.popleft()
            self._streams[joining.session.stream] = joining
        while not stream.over:
            if self._must_wait(stream):
                self._waiting.append(stream)
                return
            # Before reading: where nothing is read, no more than this has been heard.
            written = stream.source.written
            try:
                block = stream.source.read()
            except BadPacketError as error:
                self._fail(stream, ErrorCode.BAD_AUDIO, str(error))
                return
            self._notices(stream, written if block is None else block.position)
            if stream.over:
                return
            if block is None:
                stream.source.wakes_at = written + stream.session.quiet_samples
                return
            self._hear(stream, block)
            if self._results:
                self._resolve()
            if time.monotonic() > until:
                stream.due = True
                self._due.append(stream)
                return

    def _must_wait(self, stream: Stream) -> bool:
        source = stream.source
        if not source.waits:
            return False
        if not source.live and self._congested():
            return True
        return stream.in_flight >= _WAITING_WINDOWS

    def _hear(self, stream: Stream, block: Block) -> None:
        read_at = time.monotonic()
        if stream.governor.voice_only and (change := stream.governor.tick(read_at)):
            self._publish([stream.session.load(change, stream.governor.announce())])
        session, rate = stream.session, stream.session.rate
        captured_at, missing = block.captured_at, 0.0
        if block.overrun:
            lost = block.overrun / rate
            self._take(stream, session.gap("overrun", lost, captured_at), read_at)
            if stream.clock:
                stream.clock.skip(block.overrun)
        if stream.clock:
            captured_at, missing = _timed_block(stream.clock, block, stream.source.device, rate)
        flagged = block.flags & OVERFLOW and read_at - stream.flagged_at >= _FLAGGED_EVERY_SECONDS
        if missing or flagged:
            stream.flagged_at = read_at
            reason = stream.source.gap_reason
            self._take(stream, session.gap(reason, missing, captured_at), read_at)
        session.shows_mel = self._shows_mel(session.stream)
        try:
            heard = session.feed(block.samples, captured_at)
        except BadSampleError as error:
            if stream.source.device:
                lost = block.samples.size / rate
                heard = session.gap("device", lost, captured_at + lost)
            else:
                self._fail(stream, ErrorCode.BAD_AUDIO, str(error))
                return
        if heard:
            self._take(stream, heard, read_at)

    def _notices(self, stream: Stream, position: int) -> None:
        """Do what the source said when it had written no more samples than these."""
        session, notices = stream.session, stream.source.notices
        while notices and notices[0].position <= position:
            notice = notices.popleft()
            now = time.monotonic()
            session.wait(now)
            if notice.state == "failed":
                self._fail(stream, ErrorCode.SOURCE_FAILED, notice.detail)
                return
            if notice.state == "stalled":
                # Who is silent for so long has ended a sentence, and need not say so.
                self._take(stream, session.pause(now), now)
            if notice.state == "lost":
                self._take(stream, session.finish(), now)
            if notice.state == "restored":
                stream.clock = stream.source.clock(session.rate)
                self._take(stream, session.gap("device", notice.lost_seconds, now), now)
            if notice.state == "rejoined":
                stream.clock = stream.source.clock(notice.rate)
                gap = session.gap("publisher", notice.lost_seconds, now, rate=notice.rate)
                self._take(stream, gap, now)
            if notice.state == "missing":
                if stream.clock:
                    stream.clock.skip(round(notice.lost_seconds * session.rate))
                self._take(stream, session.gap("publisher", notice.lost_seconds, now), now)
                continue
            if notice.state == "ended":
                stream.over, stream.remark = True, notice.detail
                self._take(stream, session.finish(), now)
                self._part(stream)
                return
            state = _DEVICE_STATES.get(notice.state, notice.state)
            stream.lost = state == "lost"
            self._publish([session.device(state, notice.detail)])

    def _fail(self, stream: Stream, code: ErrorCode, message: str) -> None:
        stream.over = True
        stream.session.wait(time.monotonic())
        stream.failure, stream.failure_code = message, code
        if code is not ErrorCode.INTERNAL:
            # What was heard before still counts.
            self._take(stream, stream.session.finish(), time.monotonic())
        self._part(stream)

    def _break(self, stream: Stream, error: Exception) -> None:
        """End a stream that cannot be heard any more, for a reason that nobody foresaw."""
        self._fail(
            stream, ErrorCode.INTERNAL, f"the engine failed: {type(error).__name__}: {error}"
        )

    def _part(self, stream: Stream) -> None:
        """Publish a stream's last event, once all that it still waited for has come."""
        if not stream.over or stream.in_flight:
            return
        name = stream.session.stream
        self._streams.pop(name, None)
        # A new list: the old one may be gone through just now.
        self._polled = [each for each in self._polled if each is not stream]
        if name in self._awaited:
            self._awaited.discard(name)
            if stream.failure:
                self.failures.append(stream.failure)
        if stream.failure_code:
            self._publish([stream.session.failure(stream.failure_code, stream.failure)])
        else:
            self._publish([stream.session.device("ended", stream.remark)])

    def _take(self, stream: Stream, heard: list[Event | Window], read_at: float) -> None:
        events: list[Event] = []
        for each in heard:
            if isinstance(each, Window):
                if stream.governor.voice_only:
                    stream.governor.dropped += 1
                    continue
                keep = each.cut.final or stream.source.waits
                self._submit(Job(each, read_at, keep=keep))
                stream.in_flight += 1
            else:
                events.append(each)
        if events:
            self._publish(events)

    def _resolve(self) -> None:
        while self._results:
            job = self._results.popleft()
            stream = self._streams[job.window.stream]
            stream.in_flight -= 1 + job.superseded
            if job.logits is None:
                self._fail(stream, ErrorCode.INTERNAL, f"the model failed: {job.error}")
                continue
            resolved_at = time.monotonic()
            try:
                events = stream.session.resolve(job.window, job.logits, job.vector)
            except NonFiniteResultError as error:
                self._fail(stream, ErrorCode.INTERNAL, f"the model failed: {error}")
                continue
            except Exception as error:  # the other streams go on
                self._break(stream, error)
                continue
            self._publish([_timed(event, job, resolved_at) for event in events])
            if stream.source.waits:
                self._part(stream)
                continue
            waited = job.started_at - job.submitted_at
            change = stream.governor.window(job.superseded, resolved_at, waited_seconds=waited)
            stream.session.hop_seconds = stream.governor.hop_seconds
            if change:
                self._publish([stream.session.load(change, stream.governor.announce())])
            self._part(stream)


def _timed_block(clock: DeviceClock, block: Block, device: bool, rate: int) -> tuple[float, float]:
    """Return when a block was captured by its source's clock, and the seconds missing before it."""
    captured_at, missing, before = block.captured_at, 0.0, 0
    for samples, stamped_at in block.parts or ((block.samples.size, block.captured_at),):
        expected_at, lost = clock.push(samples, stamped_at)
        missing += lost
        # What is sent ahead of its time was still captured before it came.
        captured_at = expected_at if device else min(expected_at, stamped_at)
        captured_at -= before / rate
        before += samples
    return captured_at, missing


def _timed(event: Event, job: Job, resolved_at: float) -> Event:
    if not isinstance(event, Result):
        return event
    stages = {
        "wait": job.window.completed_at - job.window.captured_at,
        "ring": job.read_at - job.window.completed_at,
        "features": job.submitted_at - job.read_at,
        "queue": job.started_at - job.submitted_at,
        "inference": job.finished_at - job.started_at,
        "events": resolved_at - job.finished_at,
    }
    return replace(event, stages_ms={name: 1000 * seconds for name, seconds in stages.items()})
