"""Windows for the tests of what lies between a session and its model."""

from __future__ import annotations

import numpy as np

from affectd.engine.batcher import Job
from affectd.engine.segmenter import Cut
from affectd.engine.session import Window


def job(
    number: int,
    *,
    stream: str = "mic",
    final: bool = False,
    frames: int = 40,
    read_at: float | None = None,
) -> Job:
    """Return a job whose window tells its number by its end; each is of a block of its own."""
    logmel = np.random.default_rng(number).normal(size=(frames, 64)).astype(np.float32)
    cut = Cut(
        utterance=1,
        start=0,
        end=number,
        utterance_start=0,
        final=final,
        too_short=False,
        voiced_fraction=1.0,
        snr_db=20.0,
        logmel=logmel,
    )
    window = Window(stream, cut, logmel, captured_at=0.0, completed_at=0.0)
    return Job(window, float(number) if read_at is None else read_at, keep=final)
