"""The one thread that runs the model: windows of all streams, newest first things first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affectd.engine.classifier import Classifier
from affectd.engine.scheduling import Costs, choose
from affectd.engine.session import Window

__all__ = ["Batcher", "Job"]

_STOP_SECONDS = 0.3
# From the last sample of the block that closed a window to its result, network left out.
_PROVISIONAL_SECONDS = 0.015
_FINAL_SECONDS = 0.05
_BURST_SECONDS = 0.05
_FEW_WINDOWS = 16


@dataclass(slots=True, eq=False)
class Job:
    """A window on its way through the model, and when it passed each stage.

    Times are seconds of the engine's clock.
    """

    window: Window
    read_at: float
    """Its last samples were taken from the ring."""
    keep: bool = False
    """Whether it is run even when a newer window of its stream has come."""
    submitted_at: float = 0.0
    """Its features were ready."""
    started_at: float = 0.0
    """The model began."""
    finished_at: float = 0.0
    """The model was done."""
    deadline: float = 0.0
    """When its result is late."""
    superseded: int = 0
    """Older windows of the stream that were given up for this one."""
    logits: npt.NDArray[np.float32] | None = None
    vector: npt.NDArray[np.float32] | None = None
    """What the model's encoder says, where the window wants it."""
    error: str = ""
    """Why there are no logits."""

    @property
    def frames(self) -> int:
        """Valid frames of the window."""
        return len(self.window.logmel)


class Batcher:
    """Runs the model on what waits, the most urgent first, in batches that leave nobody late.

    A provisional window that still waits when the next one of its stream comes is replaced by it:
    the newest is the one worth having, and the queue holds one provisional window a stream at
    most, or those that were closed together. Final windows, and those of a source that waits, are
    never replaced, and a stream's windows are run in their order. Where nothing waits, a window
    runs at once and alone: no deadline is spent on company that may not come.

    Args:
        classifier: The model.
        deliver: Called in the batcher's thread with every finished job.
        costs: What the model takes, by which batches are chosen.
    """

    def __init__(
        self,
        classifier: Classifier,
        deliver: Callable[[Job], None],
        *,
        costs: Costs,
    ) -> None:
        self._classifier = classifier
        self._deliver = deliver
        self._costs = costs
        self._waiting: list[Job] = []
        self._provisional: dict[str, list[Job]] = {}
        """Of those that wait, the ones of each stream that may be replaced."""
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="affectd-inference", daemon=True)

    def start(self) -> None:
        """Begin to run windows."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what runs and return; what waits is dropped."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=_STOP_SECONDS)

    def submit(self, job: Job) -> None:
        """Add a window; never waits."""
        job.submitted_at = time.monotonic()
        budget = _FINAL_SECONDS if job.window.cut.final else _PROVISIONAL_SECONDS
        job.deadline = job.window.completed_at + budget
        with self._changed:
            if not job.keep:
                older = self._provisional.setdefault(job.window.stream, [])
                # Of windows that one block closed none is late, and nobody fails to keep up; nor of
                # a burst that a network held up, while the model has little else to do.
                later = job.read_at - older[0].read_at if older else 0.0
                if later > _BURST_SECONDS or len(self._waiting) >= _FEW_WINDOWS:
                    for each in [each for each in older if each.read_at != job.read_at]:
                        job.superseded += each.superseded + 1
                        self._waiting.remove(each)
                        older.remove(each)
                older.append(job)
            self._waiting.append(job)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                batch = self._next()
            self._infer(batch)

    def _next(self) -> list[Job]:
        """Take the jobs to run next from those that wait."""
        # A stream's windows are told in their order, so only its first may be run.
        first: dict[str, int] = {}
        for place, job in enumerate(self._waiting):
            first.setdefault(job.window.stream, place)
        places = list(first.values())
        chosen = choose([self._waiting[each] for each in places], self._costs, time.monotonic())
        batch = [self._waiting[places[each]] for each in chosen]
        for each in sorted(chosen, reverse=True):
            del self._waiting[places[each]]
        for job in batch:
            if not job.keep:
                waiting = self._provisional[job.window.stream]
                waiting.remove(job)
                if not waiting:
                    del self._provisional[job.window.stream]
        return batch

    def _infer(self, batch: list[Job]) -> None:
        started_at = time.monotonic()
        windows = [job.window.logmel for job in batch]
        vectors: npt.NDArray[np.float32] | None = None
        try:
            if any(job.window.wants_vector for job in batch):
                logits, vectors = self._classifier.hear(windows)
            else:
                logits = self._classifier.run(windows)
        except Exception as error:  # ONNX Runtime's own errors have no common base
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            for job in batch:
                job.error = reason
        else:
            for place, job in enumerate(batch):
                job.logits = logits[place]
                if vectors is not None and job.window.wants_vector:
                    job.vector = vectors[place]
        finished_at = time.monotonic()
        for job in batch:
            job.started_at, job.finished_at = started_at, finished_at
            self._deliver(job)
