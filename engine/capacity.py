"""How many streams this machine carries, from what the model and a session cost on it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np

from affectd.engine.artefact import Metadata, golden_signal
from affectd.engine.scheduling import Costs
from affectd.engine.session import Session, SessionSettings

__all__ = ["Capacity", "session_cost"]

# A queue grows without bound as its server nears full use, so some of it is left free.
_USABLE_SHARE = 0.8
_BLOCK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a stream that talks without pause costs, by who bears it.

    Args:
        window_seconds: One window in the model.
        session_seconds: One second of audio in the session.
        hop_seconds: Distance between windows.
        talking_share: How much of the time a stream is expected to talk, 0 to 1.
        cores: Processors that may be used.
    """

    window_seconds: float
    session_seconds: float
    hop_seconds: float
    talking_share: float = 1.0
    cores: int = 1

    @classmethod
    def measured(cls, costs: Costs, session_seconds: float, **settings: float) -> Capacity:
        """Return the capacity of this machine."""
        return cls(
            window_seconds=costs.window_seconds(),
            session_seconds=session_seconds,
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
            **settings,
        )

    @property
    def streams(self) -> int:
        """How many streams are carried, at least one.

        One thread runs the model and one the sessions; and both share the processors with the
        network.
        """
        model = self.talking_share * self.window_seconds / self.hop_seconds
        together = (model + self.session_seconds) / self.cores
        return max(1, int(_USABLE_SHARE / max(model, self.session_seconds, together)))


def session_cost(artefact: Metadata, settings: SessionSettings) -> float:
    """Return what a second of audio costs in a session, in seconds, the model left out."""
    rate = artefact.front_end.sample_rate
    samples = golden_signal(rate)
    size = round(rate * _BLOCK_SECONDS)
    blocks = [samples[start : start + size] for start in range(0, samples.size, size)]
    best = np.inf
    for _ in range(2):
        session = Session("measured", artefact, rate=rate, settings=settings)
        began = time.perf_counter()
        for block in blocks:
            session.feed(block, 0.0)
        best = min(best, time.perf_counter() - began)
    return float(best) / (samples.size / rate)
