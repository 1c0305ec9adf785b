"""Integration tests of the worker: its real thread, real sessions, a scripted source."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from tests.engine.fake_classifier import FakeClassifier, fake_metadata

from affectd.engine import batcher
from affectd.engine.batcher import Batcher, Job
from affectd.engine.desk import Stream
from affectd.engine.load import LoadSettings
from affectd.engine.protocol import Event
from affectd.engine.publisher import PublisherSource
from affectd.engine.session import Session
from affectd.engine.sources import OVERFLOW, DemoSource, Feed, Notice, Source
from affectd.engine.worker import Worker
from affectd.kernels.ring import Block

METADATA = fake_metadata()
Step = tuple[np.ndarray, float, int] | Notice


class ScriptedSource(Source):
    """Delivers blocks with the stamps and flags that a test gives them, and notices between."""

    def __init__(
        self, script: Sequence[Step], *, name: str = "mic", device: bool = False, waits: bool = True
    ) -> None:
        super().__init__(name, 16_000)
        self.device = device
        self.waits = waits
        self._script = script

    def _run(self) -> None:
        for step in self._script:
            if isinstance(step, Notice):
                # Notices are read once the ring is empty: what came before is heard before.
                while self.ring.read_position < self.ring.written and not self._stopping.is_set():
                    self._stopping.wait(0.001)
                self.notice(step)
                while self.notices and not self._stopping.is_set():
                    self._stopping.wait(0.001)
            else:
                samples, captured_at, flags = step
                if self.waits:
                    while self.ring.room < samples.size and not self._stopping.is_set():
                        self._stopping.wait(0.001)
                self.ring.write(samples, captured_at=captured_at, flags=flags)
                self._wake()


class Engine:
    """A worker with everything around it but the network."""

    def __init__(
        self,
        sources: Sequence[Feed],
        *,
        congested: Callable[[], bool] = lambda: False,
        shows_mel: Callable[[str], bool] = lambda stream: False,
        load: LoadSettings | None = None,
    ) -> None:
        self.classifier = FakeClassifier()
        self.events: list[Event] = []
        self.ended = threading.Event()
        self.published = threading.Event()
        self.batcher = Batcher(self.classifier, self._deliver, costs=self.classifier.costs)
        self.worker = Worker(
            [
                Stream.of(
                    source,
                    Session(source.name, METADATA, rate=source.rate, device=source.device),
                    load,
                )
                for source in sources
            ],
            submit=self.batcher.submit,
            publish=self._publish,
            congested=congested,
            shows_mel=shows_mel,
            ended=self.ended.set,
        )

    def _deliver(self, job: Job) -> None:
        self.worker.deliver(job)

    def _publish(self, events: list[Event]) -> None:
        self.events += events
        self.published.set()

    def start(self) -> None:
        self.batcher.start()
        self.worker.start()

    def run(self) -> list[dict[str, Any]]:
        """Run until every stream is over."""
        self.start()
        assert self.ended.wait(60), "the streams never ended"
        self.stop()
        return self.wire()

    def stop(self) -> None:
        self.worker.stop()
        self.batcher.stop()

    def wire(self) -> list[dict[str, Any]]:
        return [event.to_wire() for event in self.events]


def blocks(samples: np.ndarray, at: float = 0.0, size: int = 160) -> list[Step]:
    return [
        (samples[start : start + size], at + start / 16_000, 0)
        for start in range(0, samples.size, size)
    ]


def zeros(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * 16_000), np.float32)


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


def test_a_source_that_waits_gives_what_the_session_gives(speech: np.ndarray) -> None:
    session = Session("mic", METADATA, rate=16_000)
    cuts = sum(
        1
        for step in blocks(speech)
        for each in session.feed(step[0], step[1])
        if hasattr(each, "cut") and not each.cut.final
    )
    events = Engine([ScriptedSource(blocks(speech))]).run()
    assert len(of(events, "utterance")) == 12
    assert len(of(events, "emotion")) == cuts, "no window of a source that waits is given up"
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_the_demo_ends_after_its_last_utterance() -> None:
    events = Engine([DemoSource(pace="fast", repeat=False)]).run()
    assert len(of(events, "utterance")) == 12
    assert (events[-1]["type"], events[-1]["state"]) == ("device", "ended")
    assert len(of(events, "device")) == 1


def test_results_say_how_long_each_stage_took(clips: list[np.ndarray]) -> None:
    script = blocks(np.concatenate([clips[0], zeros(1)]))
    for result in of(Engine([ScriptedSource(script)]).run(), "utterance"):
        assert set(result["stages_ms"]) >= {"ring", "features", "queue", "inference", "events"}
        assert all(result["stages_ms"][name] >= 0 for name in ("features", "queue", "inference"))


def test_two_streams_are_heard_apart(clips: list[np.ndarray]) -> None:
    first = ScriptedSource(blocks(np.concatenate([clips[0], zeros(1)])), name="first")
    second = ScriptedSource(
        blocks(np.concatenate([clips[1], zeros(1), clips[5], zeros(1)])), name="second"
    )
    events = Engine([first, second]).run()
    for name, count in (("first", 1), ("second", 2)):
        mine = [event for event in events if event["stream"] == name]
        assert [event["seq"] for event in mine] == list(range(1, len(mine) + 1))
        assert len(of(mine, "utterance")) == count
        assert mine[-1]["state"] == "ended"


def test_only_streams_that_somebody_wants_to_see_are_shown() -> None:
    sources = [ScriptedSource(blocks(zeros(1)), name=name) for name in ("seen", "unseen")]
    events = Engine(sources, shows_mel=lambda stream: stream == "seen").run()
    assert {event["stream"] for event in of(events, "mel")} == {"seen"}


def test_an_overrun_is_a_gap_of_the_samples_lost() -> None:
    source = ScriptedSource([], waits=False)
    capacity = source.ring.capacity
    for _ in range(capacity // 160 + 500):
        source.ring.write(np.zeros(160, np.float32), captured_at=0.0)
    lost = source.ring.written - capacity // 160 * 160
    events = Engine([source]).run()
    [gap] = of(events, "gap")
    assert gap["reason"] == "overrun"
    assert gap["start"] == 0.0
    assert gap["end"] == gap["lost_seconds"] == lost / 16_000
    assert events[-1]["end"] == pytest.approx((capacity // 160 * 160 + lost) / 16_000, abs=1e-4)


def test_an_overflow_that_the_system_reports_is_a_gap() -> None:
    script = blocks(zeros(1))
    script[50] = (script[50][0], script[50][1], OVERFLOW)
    events = Engine([ScriptedSource(script)]).run()
    [gap] = of(events, "gap")
    assert (gap["reason"], gap["start"], gap["lost_seconds"]) == ("overflow", 0.5, 0.0)


def test_audio_that_a_device_lost_in_silence_is_found_from_the_clock() -> None:
    room = np.random.default_rng(1).normal(0, 1e-3, 64_000).astype(np.float32)
    script = blocks(room[:32_000], 10.0) + blocks(room[32_000:], 12.7)
    events = Engine([ScriptedSource(script, device=True)]).run()
    [gap] = of(events, "gap")
    assert gap["reason"] == "overflow"
    assert gap["lost_seconds"] == pytest.approx(0.7, abs=1e-3)
    assert events[-1]["end"] == pytest.approx(4.7, abs=1e-3)


def test_a_device_that_comes_back_tells_the_gap_and_then_that_it_is_back() -> None:
    script = [
        *blocks(zeros(0.5)),
        Notice("lost", "unplugged"),
        Notice("restored", lost_seconds=2.0),
        *blocks(zeros(0.5), 100.0),
    ]
    events = Engine([ScriptedSource(script, device=True)]).run()
    told = [(event["type"], event.get("state"), event["start"], event["end"]) for event in events]
    assert told == [
        ("device", "lost", 0.5, 0.5),
        ("gap", None, 0.5, 2.5),
        ("device", "restored", 2.5, 2.5),
        ("device", "ended", 3.0, 3.0),
    ]


def test_a_source_that_fails_ends_its_stream_with_an_error_after_all_results(
    clips: list[np.ndarray],
) -> None:
    script = [*blocks(np.concatenate([clips[0], zeros(1)])), Notice("failed", "the disk is gone")]
    engine = Engine([ScriptedSource(script)])
    events = engine.run()
    assert len(of(events, "utterance")) == 1
    last = events[-1]
    assert (last["type"], last["code"], last["fatal"]) == ("error", "source_failed", True)
    assert last["message"] == "the disk is gone"
    assert len(of(events, "error")) == 1
    assert engine.worker.failures == ["the disk is gone"]


@pytest.mark.parametrize("end", [Notice("ended"), Notice("failed", "gone")])
def test_the_last_event_of_a_stream_waits_for_the_model(
    clips: list[np.ndarray], end: Notice
) -> None:
    # Short enough to make fewer windows than a source that waits may have under way.
    source = ScriptedSource([*blocks(np.concatenate([clips[0][:24_000], zeros(1)])), end])
    engine = Engine([source])
    engine.classifier.go.clear()
    engine.start()
    while not engine.worker._streams["mic"].over:
        engine.published.wait(0.01)
    assert of(engine.wire(), "device") == of(engine.wire(), "error") == []
    engine.classifier.go.set()
    assert engine.ended.wait(60)
    engine.stop()
    events = engine.wire()
    assert [event["type"] for event in events[-2:]] == [
        "utterance",
        "device" if end.state == "ended" else "error",
    ]


def test_audio_that_is_not_finite_ends_its_stream_with_the_position_and_no_other(
    clips: list[np.ndarray],
) -> None:
    bad = zeros(1)
    bad[7_777] = np.nan
    broken = ScriptedSource(blocks(bad), name="broken")
    sound = ScriptedSource(blocks(np.concatenate([clips[0], zeros(1)])), name="sound")
    engine = Engine([broken, sound])
    events = engine.run()
    [error] = of(events, "error")
    assert (error["stream"], error["code"], error["fatal"]) == ("broken", "bad_audio", True)
    assert error["message"] == "sample 7777 is nan: audio must be finite"
    assert [event["stream"] for event in of(events, "utterance")] == ["sound"]
    assert engine.worker.failures == [error["message"]]


def test_what_is_said_before_any_audio_carries_the_time_at_which_it_is_said() -> None:
    bad = np.full(160, np.nan, np.float32)
    before = time.monotonic()
    events = Engine([ScriptedSource([Notice("started"), *blocks(bad, at=before)])]).run()
    after = time.monotonic()
    assert [event["type"] for event in events] == ["device", "error"]
    for event in events:
        assert before <= event["captured_at"] <= after
        assert event["end"] == 0


def test_a_model_that_answers_with_nan_ends_the_stream_with_one_error(
    clips: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine([ScriptedSource(blocks(np.concatenate([clips[5], zeros(1)])))])
    answer = np.array([0, np.nan, 0, 0], np.float32)
    monkeypatch.setattr(engine.classifier, "run", lambda windows: np.stack([answer] * len(windows)))
    events = engine.run()
    [error] = of(events, "error")
    assert (error["code"], error["fatal"]) == ("internal", True)
    assert error["message"] == "the model failed: its logits are 0, nan, 0, 0"
    assert not of(events, "utterance")


def test_a_model_that_fails_ends_the_stream_with_one_error(clips: list[np.ndarray]) -> None:
    engine = Engine([ScriptedSource(blocks(np.concatenate([clips[5], zeros(1)])))])
    engine.classifier.failure = RuntimeError("out of memory")
    events = engine.run()
    [error] = of(events, "error")
    assert (error["code"], error["message"]) == ("internal", "the model failed: out of memory")
    assert events[-1] is error


def test_a_model_that_cannot_keep_up_is_announced_and_the_hop_lengthened(
    clips: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    # All comes in one burst, of which the newest window would not be the only one worth having.
    monkeypatch.setattr(batcher, "_BURST_SECONDS", 0.0)
    # In all less than what the ring holds, for this source does not wait.
    samples = np.concatenate([piece for clip in clips[:3] for piece in (clip[:32_000], zeros(1))])
    # What waited is late, too, and on a busy machine would be announced before what was given up.
    load = LoadSettings(late_seconds=60)
    engine = Engine([ScriptedSource(blocks(samples), waits=False)], load=load)
    engine.classifier.go.clear()
    engine.start()
    while engine.worker._streams["mic"].in_flight < 6 and not engine.ended.is_set():
        engine.published.wait(0.01)
    engine.classifier.go.set()
    assert engine.ended.wait(60)
    engine.stop()
    events = engine.wire()
    degraded = of(events, "load")[0]
    assert degraded["state"] == "degraded"
    assert degraded["dropped"] >= 1
    assert degraded["hop_seconds"] == 0.5
    assert len(of(events, "utterance")) == 3, "final windows are never given up"
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_a_source_that_waits_is_not_read_while_clients_are_behind(
    clips: list[np.ndarray],
) -> None:
    behind = threading.Event()
    behind.set()
    source = ScriptedSource(blocks(np.concatenate([clips[0], zeros(1)])))
    source.live = False
    engine = Engine([source], congested=behind.is_set)
    engine.start()
    assert not engine.published.wait(0.2)
    assert source.ring.read_position == 0
    behind.clear()
    assert engine.ended.wait(60)
    engine.stop()
    assert len(of(engine.wire(), "utterance")) == 1


def test_a_live_source_waits_for_no_client(clips: list[np.ndarray]) -> None:
    source = ScriptedSource(blocks(np.concatenate([clips[0], zeros(1)])))
    events = Engine([source], congested=lambda: True).run()
    assert len(of(events, "utterance")) == 1


def test_an_engine_that_fails_says_so_and_ends(clips: list[np.ndarray]) -> None:
    source = ScriptedSource(blocks(clips[0]))
    engine = Engine([source])

    def broken(job: Job) -> None:
        raise RuntimeError("no such thing")

    engine.worker._submit = broken
    events = engine.run()
    assert (events[-1]["type"], events[-1]["code"]) == ("error", "internal")
    assert engine.worker.failures == ["the engine failed: RuntimeError: no such thing"]


def test_the_utterance_before_a_bad_sample_still_counts(clips: list[np.ndarray]) -> None:
    bad = np.full(160, np.nan, np.float32)
    script = [*blocks(clips[0]), (bad, clips[0].size / 16_000, 0)]
    events = Engine([ScriptedSource(script)]).run()
    assert [event["type"] for event in events[-2:]] == ["utterance", "error"]


def test_a_device_survives_a_bad_sample(clips: list[np.ndarray]) -> None:
    bad = np.full(160, np.nan, np.float32)
    at = clips[0].size / 16_000
    script = [*blocks(clips[0]), (bad, at, 0), *blocks(zeros(1), at + 0.01)]
    events = Engine([ScriptedSource(script, device=True)]).run()
    [gap] = of(events, "gap")
    assert (gap["reason"], gap["lost_seconds"]) == ("device", 0.01)
    assert events[-1]["state"] == "ended"


def test_audio_that_comes_between_a_look_and_the_end_is_heard(clips: list[np.ndarray]) -> None:
    class Hasty(PublisherSource):
        """Its client sends all it has, and ends, just after the worker has found nothing."""

        sent = False

        def read(self) -> Block | None:
            block = super().read()
            if not self.sent:
                self.sent = True
                self.hear((clips[0] * 32767).astype("<i2").tobytes(), 0.0)
                self.notice(Notice("ended"))
            return block

    source = Hasty("mic", 16_000, "s16le")
    engine = Engine([source])
    engine.worker._due.append(engine.worker._streams["mic"])
    events = engine.run()
    assert len(of(events, "utterance")) == 1
    assert (events[-1]["state"], events[-1]["end"]) == ("ended", round(clips[0].size / 16_000, 4))


def test_a_lost_device_ends_the_utterance_at_once(clips: list[np.ndarray]) -> None:
    script = [*blocks(clips[0]), Notice("lost", "unplugged")]
    events = Engine([ScriptedSource(script, device=True)]).run()
    kinds = [event["type"] for event in events]
    assert kinds.index("utterance") < len(kinds) - 1
    assert of(events, "speech")[-1]["seq"] < of(events, "device")[0]["seq"]


def test_stop_says_what_is_still_to_be_said(clips: list[np.ndarray]) -> None:
    class Endless(ScriptedSource):
        def _run(self) -> None:
            super()._run()
            self._stopping.wait(60)

    engine = Engine([Endless(blocks(clips[5][:32_000]))])
    engine.start()
    while not of(engine.wire(), "emotion"):
        assert engine.published.wait(30)
        engine.published.clear()
    engine.stop()
    events = engine.wire()
    assert [event["state"] for event in of(events, "speech")] == ["start", "end"]
    assert len(of(events, "utterance")) == 1


def test_blocks_that_only_ring_the_bell_are_heard(clips: list[np.ndarray]) -> None:
    class MachineCode(ScriptedSource):
        """Writes its ring and the bell, and calls no Python, as a microphone's callback does."""

        def start(self, wake: Callable[[], None], *, bell: int | None = None) -> None:
            assert bell is not None
            self.polled, self._bell = True, bell
            super().start(wake)

        def _run(self) -> None:
            wake, self._wake = self._wake, lambda: os.write(self._bell, b"\0") and None
            super()._run()
            while self.ring.read_position < self.ring.written and not self._stopping.is_set():
                self._stopping.wait(0.001)
            self._wake = wake

    source = MachineCode(blocks(np.concatenate([clips[0], zeros(1)])))
    engine = Engine([source])
    events = engine.run()
    assert len(of(events, "utterance")) == 1
    assert not engine.worker._polled
