"""Integration tests of the batcher: its real thread, with a model that can be held up."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from tests.engine.fake_classifier import FakeClassifier, fake_logits
from tests.engine.windows import job

from affectd.engine.batcher import Batcher, Job


class Bench:
    """A batcher with its model and what it delivered."""

    def __init__(self) -> None:
        self.classifier = FakeClassifier()
        self.delivered: list[Job] = []
        self._more = threading.Condition()
        self.batcher = Batcher(self.classifier, self._deliver, costs=self.classifier.costs)
        self.batcher.start()

    def _deliver(self, job: Job) -> None:
        with self._more:
            self.delivered.append(job)
            self._more.notify()

    def hold(self) -> None:
        """Keep the model busy with a first window, numbered 0."""
        self.classifier.go.clear()
        self.batcher.submit(job(0, stream="first"))
        assert self.classifier.running.wait(30)

    def wait(self, count: int) -> list[tuple[str, int]]:
        self.classifier.go.set()
        with self._more:
            assert self._more.wait_for(lambda: len(self.delivered) >= count, 30)
        return [(each.window.stream, each.window.cut.end) for each in self.delivered]


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.classifier.go.set()
    bench.batcher.stop()


def test_a_window_that_comes_alone_runs_at_once_and_alone(bench: Bench) -> None:
    bench.batcher.submit(job(1))
    bench.wait(1)
    assert bench.classifier.batches == [1]
    [done] = bench.delivered
    assert np.array_equal(done.logits, fake_logits(done.window.logmel))
    assert done.submitted_at <= done.started_at <= done.finished_at
    assert (done.superseded, done.error) == (0, "")


def test_what_waits_runs_in_batches_with_every_result_at_its_window(bench: Bench) -> None:
    bench.hold()
    for number in range(1, 14):
        bench.batcher.submit(job(number, stream=f"s{number}"))
    assert bench.wait(14) == [("first", 0), *((f"s{n}", n) for n in range(1, 14))]
    assert bench.classifier.batches == [1, 8, 4, 1]
    for done in bench.delivered:
        assert np.array_equal(done.logits, fake_logits(done.window.logmel))


def test_the_newest_provisional_window_of_a_stream_replaces_its_older_ones(bench: Bench) -> None:
    bench.hold()
    for number in range(1, 5):
        bench.batcher.submit(job(number, stream="mic"))
    bench.batcher.submit(job(9, stream="other"))
    assert bench.wait(3) == [("first", 0), ("mic", 4), ("other", 9)]
    assert [done.superseded for done in bench.delivered] == [0, 3, 0]


def test_windows_that_one_block_closed_replace_those_before_and_not_each_other(
    bench: Bench,
) -> None:
    bench.hold()
    for number, read_at in [(1, 1.0), (2, 2.0), (3, 2.0), (4, 3.0), (5, 3.0), (6, 3.0)]:
        bench.batcher.submit(job(number, read_at=read_at))
    numbers = [number for _, number in bench.wait(4)]
    assert numbers == [0, 4, 5, 6]
    assert [done.superseded for done in bench.delivered] == [0, 3, 0, 0]


def test_windows_of_one_burst_are_all_run_while_few_wait(bench: Bench) -> None:
    bench.hold()
    for number in range(1, 13):
        bench.batcher.submit(job(number, read_at=1.0 + number * 0.001))
    bench.wait(13)
    assert [done.superseded for done in bench.delivered] == [0] * 13


def test_where_many_wait_the_newest_of_a_burst_replace_the_older_ones(bench: Bench) -> None:
    bench.hold()
    for number in range(2):
        for stream in range(20):
            at = 1.0 + number * 0.001
            bench.batcher.submit(job(number, stream=f"s{stream}", read_at=at))
    bench.wait(21)
    assert [done.superseded for done in bench.delivered] == [0, *[1] * 20]


def test_a_final_window_is_never_replaced_and_replaces_none(bench: Bench) -> None:
    bench.hold()
    bench.batcher.submit(job(1))
    bench.batcher.submit(job(2, final=True))
    bench.batcher.submit(job(3))
    bench.batcher.submit(job(4, final=True))
    bench.batcher.submit(job(5))
    numbers = [number for _, number in bench.wait(4)]
    assert numbers == [0, 2, 4, 5], "a stream's windows stay in their order"
    assert bench.delivered[-1].superseded == 2


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (RuntimeError("out of memory\nat node 7"), "out of memory"),
        (StopIteration(), "StopIteration"),
    ],
)
def test_a_failing_model_is_reported_with_every_window_and_the_next_ones_still_run(
    bench: Bench, failure: Exception, error: str
) -> None:
    bench.classifier.failure = failure
    bench.batcher.submit(job(1))
    bench.wait(1)
    bench.classifier.failure = None
    bench.batcher.submit(job(2))
    bench.wait(2)
    assert [done.error for done in bench.delivered] == [error, ""]
    assert bench.delivered[0].logits is None
    assert bench.delivered[1].logits is not None


def test_stop_drops_what_waits(bench: Bench) -> None:
    bench.hold()
    bench.batcher.submit(job(1))
    stopper = threading.Thread(target=bench.batcher.stop)
    stopper.start()
    while not bench.batcher._stopping:
        pass
    bench.classifier.go.set()
    stopper.join(30)
    assert [done.window.cut.end for done in bench.delivered] == [0]


def test_a_batcher_that_never_started_can_be_stopped() -> None:
    classifier = FakeClassifier()
    Batcher(classifier, lambda _: None, costs=classifier.costs).stop()
