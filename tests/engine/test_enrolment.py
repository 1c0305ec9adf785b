from __future__ import annotations

import threading

import numpy as np

from affectd.engine.enrolment import blocks_of
from affectd.engine.sources import Source
from affectd.kernels.ring import Block


class LastWords(Source):
    """Writes its last block, and ends, just when its reader has found nothing more."""

    def __init__(self) -> None:
        super().__init__("last words", 16_000)
        self._found_empty = threading.Event()

    def read(self) -> Block | None:
        block = super().read()
        if block is None and not self._found_empty.is_set():
            self._found_empty.set()
            assert self._thread is not None
            self._thread.join()
        return block

    def _run(self) -> None:
        self._write(np.ones(160, np.float32), 0.0)
        self._found_empty.wait()
        self._write(np.full(160, 2, np.float32), 0.01)


def test_what_is_written_while_nothing_more_is_found_is_heard_before_the_end() -> None:
    assert [float(block[0]) for block in blocks_of(LastWords())] == [1.0, 2.0]
