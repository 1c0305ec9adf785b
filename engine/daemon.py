"""The daemon: puts the parts together, runs until told to stop, and takes them apart again."""

from __future__ import annotations

import asyncio
import errno
import gc
import resource
import signal
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from affectd.engine.access import AccessRules
from affectd.engine.batcher import Batcher, Job
from affectd.engine.capacity import Capacity, stream_cost
from affectd.engine.configuration import Configuration
from affectd.engine.desk import Stream
from affectd.engine.hub import Hub
from affectd.engine.known_voices import KnownVoices
from affectd.engine.loop_worker import LoopWorker
from affectd.engine.metrics import Metrics
from affectd.engine.offline_connection import OfflineHearing
from affectd.engine.processor import open_runner
from affectd.engine.protocol import DEFAULT_PORT, Event
from affectd.engine.publisher import PublisherSource
from affectd.engine.publishing import Publishers
from affectd.engine.server import Greeting, Server
from affectd.engine.session import Session, SessionSettings
from affectd.engine.shipped import find_model
from affectd.engine.sources import DemoSource, Feed, FileSource, Source, SourceError, StdinSource
from affectd.engine.voice_baseline import VoiceBaseline
from affectd.engine.worker import Worker

__all__ = ["Daemon", "open_source", "watch_command"]

_STDIN_RATE = 16_000
_OWN_FILES = 128
_VIEW_SECONDS = 5.0
_RETRY_SECONDS = 5.0
# Threads of one interpreter take turns, by default for 5 ms each: a client's burst of messages
# would make a window wait that long.
_SWITCH_SECONDS = 0.0005


def open_source(configuration: Configuration) -> Source | None:
    """Return the source that is configured, if any, checked but not yet started.

    Raises:
        SourceError: it cannot be opened.
    """
    name = configuration.source
    if name == "none":
        return None
    if name == "demo":
        return DemoSource(pace=configuration.pace)
    if name == "mic":
        from affectd.engine.microphone import MicrophoneSource

        return MicrophoneSource(configuration.device, rate=configuration.rate)
    if name == "-":
        return StdinSource(configuration.rate or _STDIN_RATE)
    return FileSource(Path(name).expanduser(), pace=configuration.pace)


def watch_command(address: str) -> str:
    """Return the command that shows the daemon at an address, as short as may be."""
    place = address.removeprefix("ws://").removeprefix("127.0.0.1")
    return "affectd watch" if place == f":{DEFAULT_PORT}" else f"affectd watch {place}"


class Daemon:
    """One engine, from its source to its clients.

    Args:
        configuration: What to run.
        ready: Called with the address once clients can connect.
        say: Called with what a person at the terminal should know.
        viewed: Whether `ready` starts a client, which then hears everything from the start.

    Raises:
        ArtefactError: the model cannot be used.
        ProcessorError: what shall run it is not there.
        SourceError: the source cannot be opened.
        VoiceError: a baseline is asked for that cannot be had.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        ready: Callable[[str], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
        viewed: bool = False,
    ) -> None:
        self._configuration = configuration
        self._ready = ready
        self._say = say
        self._viewed = viewed
        source = open_source(configuration)
        self._runner = open_runner(
            configuration.model,
            configuration.processor,
            alone=not configuration.publishers.largest_streams,
        )
        self._classifier = self._runner.classifier
        artefact = self._classifier.metadata
        self._settings = SessionSettings(
            voice=configuration.voice,
            segmenter=configuration.segmenter,
            smoothing=configuration.smoothing,
        )
        self._artefact = artefact
        self._voices = KnownVoices(
            artefact, everyone=configuration.voice_baseline, later=self._later, say=say
        )
        voice = configuration.voice_name or ""
        streams: list[Stream] = []
        if source:
            baseline = self._voices.own(source.name, voice)
            streams.append(self._stream(source, baseline=baseline))
        names = tuple(stream.session.stream for stream in streams)
        self._metrics = Metrics(names)
        self._hub = Hub(
            queue_events=configuration.server.queue_events,
            patience_seconds=configuration.server.slow_seconds,
        )
        self._batcher = Batcher(self._classifier, self._deliver, costs=self._classifier.costs)
        self._capacity = Capacity.measured(
            self._classifier.costs,
            stream_cost(artefact, self._settings),
            hop_seconds=configuration.segmenter.hop_seconds,
            talking_share=configuration.publishers.talking_share,
        )
        self._worker = Worker(
            streams,
            submit=self._batcher.submit,
            publish=self._publish,
            congested=lambda: self._hub.congested,
            shows_mel=self._hub.shows_mel,
            ended=lambda: self._call(self._end),
        )
        self._loop_worker = LoopWorker(
            submit=self._batcher.submit,
            publish=self._publish_now,
            shows_mel=self._hub.shows_mel,
            ended=self._end,
        )
        self._publishers = Publishers(
            configuration.publishers,
            begin=self._begin,
            reserved=names,
            capacity=lambda: (self._capacity.streams - len(names), _RETRY_SECONDS),
        )
        self._reason = "shutdown"
        self._waits_for_listener = source is not None and source.waits and not source.live
        self._greeting = Greeting(
            server=f"affectd {metadata.version('affectd')}",
            model=artefact.title,
            labels=artefact.labels,
            streams=names,
            hop_seconds=configuration.segmenter.hop_seconds,
            window_seconds=configuration.segmenter.window_seconds,
            voice_baseline=configuration.voice_baseline,
        )

    async def run(self) -> None:
        """Serve until the source ends or a signal comes; then say goodbye.

        Raises:
            OSError: the port is taken, or the source failed.
        """
        configuration = self._configuration
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        joined = asyncio.Event()
        offline = OfflineHearing(find_model(configuration.model), self._settings)
        server = Server(
            self._hub,
            self._greeting,
            access=AccessRules(token=configuration.token, origins=configuration.origins),
            settings=configuration.server,
            metrics=self._metrics,
            publishers=self._publishers,
            offline=offline,
            status=self._status,
            joined=joined.set,
        )
        try:
            port = await server.start(configuration.host, configuration.port)
        except OSError as error:
            raise OSError(_cannot_listen(configuration, error)) from None
        for name in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(name, self._stopping.set)
        sys.setswitchinterval(_SWITCH_SECONDS)
        _allow_open_files(configuration.server.largest_clients)
        host = f"[{configuration.host}]" if ":" in configuration.host else configuration.host
        # What was imported stays: without this, looking through it now and then costs 50 ms.
        gc.collect()
        gc.freeze()
        address = f"ws://{host}:{port}"
        self._ready(address)
        try:
            if self._viewed:
                await _first(joined, self._stopping, seconds=_VIEW_SECONDS)
            elif self._waits_for_listener:
                # What goes as fast as it can is over before anyone could connect.
                self._say(
                    "--pace fast plays once: waiting for a first client, such as "
                    f"'{watch_command(address)}'"
                )
                await _first(joined, self._stopping)
            if not self._stopping.is_set():
                self._batcher.start()
                self._worker.start()
                await self._stopping.wait()
            await asyncio.gather(self._loop_worker.stop(), asyncio.to_thread(self._worker.stop))
            await asyncio.to_thread(self._batcher.stop)
        finally:
            await server.stop(self._reason)
        for failure in (*self._worker.failures, *self._loop_worker.failures):
            raise SourceError(failure)
        if self._reason == "ended" and not joined.is_set():
            self._say("the source has ended, and no client came to hear it")

    def _status(self) -> dict[str, Any]:
        """Say how it fares, for ``/status``."""
        return {
            "server": self._greeting.server,
            "model": self._greeting.model,
            "processor": self._runner.device.name,
            "processor_reason": self._runner.reason,
            "window_ms": self._runner.window_ms,
            "streams_carried": self._capacity.streams,
            "clients": len(self._hub),
            "streams": [
                {
                    "stream": stream.session.stream,
                    "rate": stream.source.rate,
                    "capture": stream.source.manner,
                    "hop_seconds": stream.governor.hop_seconds,
                    "voice_only": stream.governor.voice_only,
                    "lost": stream.lost,
                }
                for stream in (*self._worker.streams, *self._loop_worker.streams)
            ],
        }

    def _end(self) -> None:
        self._reason = "ended"
        self._stopping.set()

    def _begin(self, source: PublisherSource, seq: int, voice: str) -> bool:
        baseline = self._voices.client(voice)
        self._loop_worker.add(self._stream(source, seq=seq, baseline=baseline))
        return baseline is not None

    def _stream(
        self, source: Feed, *, seq: int = 0, baseline: VoiceBaseline | None = None
    ) -> Stream:
        session = Session(
            source.name,
            self._artefact,
            rate=source.rate,
            settings=self._settings,
            device=source.device,
            seq=seq,
            baseline=baseline,
        )
        return Stream.of(source, session, self._configuration.load)

    def _deliver(self, job: Job) -> None:
        """Take a window back from the model; called in the batcher's thread."""
        own = job.window.stream in self._worker
        (self._worker if own else self._loop_worker).deliver(job)

    def _publish(self, events: list[Event]) -> None:
        """Hand events to the event loop; called in the worker's thread."""
        self._call(self._publish_now, events)

    def _publish_now(self, events: list[Event]) -> None:
        self._hub.publish(events)
        now = time.monotonic()
        for event in events:
            self._metrics.count(event, now)
            self._publishers.saw(event)
            self._voices.saw(event)

    def _later(self, work: Callable[[], None]) -> None:
        self._loop.run_in_executor(None, work)

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)


def _allow_open_files(clients: int) -> None:
    """Raise the soft limit on open files, where the hard one allows, so that every client fits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients + _OWN_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _first(*events: asyncio.Event, seconds: float | None = None) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()


def _cannot_listen(configuration: Configuration, error: OSError) -> str:
    address = f"{configuration.host}:{configuration.port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {configuration.port} on {configuration.host} is in use, perhaps by another "
            "affectd: choose one with --port, or 0 for any that is free"
        )
    return f"cannot listen on {address}: {error.strerror or error}"
