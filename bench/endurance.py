"""Whether the daemon's memory grows while clients come and go."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from affectd.bench.latency import resident_mib
from affectd.bench.many import swarm_result
from affectd.bench.own_daemon import MANY_CLIENTS, daemon
from affectd.bench.swarm import run_swarm

__all__ = ["growth_kib_an_hour", "measure_endurance"]

_LISTENERS_A_STREAM = 2
# All have hung up by then; the streams of the round still wait for theirs, as many in each.
_AFTER_SECONDS = 1.0


def measure_endurance(
    minutes: float,
    *,
    streams: int,
    model: str,
    seconds: float = 20.0,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Let strangers come, talk, listen and go, and look at the memory after each round.

    Every round all streams have new names, and all connections are new. What a stream that has
    ended is remembered by is bounded (its last events for ten minutes, its name among 4,096), and
    fills meanwhile: the slope is that of the second half.

    Args:
        minutes: How long; at least one round is watched.
        streams: How many talk at once; twice as many listen to all of them.
        model: As for ``affectd run``.
        seconds: How long they talk in a round.
        say: Told how it goes.

    Returns:
        One level a round, how many streams and listeners were served in all and how many of these
        were cut off, and by how much the memory grew in an hour of the second half.

    Raises:
        OSError: the daemon does not start, or the clients fail.
    """
    levels: list[dict[str, float]] = []
    served = Counter({"streams_served": 0, "listeners_served": 0, "refused": 0, "lost": 0})
    events: Counter[str] = Counter()
    environment = {**MANY_CLIENTS, "AFFECTD_PUBLISHERS__ADMISSION": "all"}
    with daemon("--source", "none", model=model, environment=environment) as own:
        began = time.monotonic()
        while not levels or levels[-1]["minutes"] < minutes:
            order = {"address": own.address, "seconds": seconds}
            with (
                run_swarm(does="listen", clients=_LISTENERS_A_STREAM * streams, **order) as hears,
                run_swarm(does="talk", clients=streams, pauses=True, **order) as talks,
            ):
                try:
                    talked, heard = swarm_result(talks), swarm_result(hears)
                finally:
                    for each in (hears, talks):
                        each.kill()
            events.update(talked["events"])
            served["streams_served"] += talked["clients"]
            served["refused"] += talked["refused"]
            served["listeners_served"] += heard["clients"]
            served["lost"] += heard["lost"]
            time.sleep(_AFTER_SECONDS)
            passed = (time.monotonic() - began) / 60
            levels.append({"minutes": round(passed, 2), "mib": resident_mib(own.pid)})
            say(f"after {passed:.1f} of {minutes:g} minutes {levels[-1]['mib']:.1f} MiB")
    growth = growth_kib_an_hour(levels[len(levels) // 2 :])
    return {
        "levels": levels,
        **served,
        "events": dict(events),
        "kib_an_hour": growth,
        "missing": [] if growth is not None else ["growth: it takes at least five rounds"],
    }


def growth_kib_an_hour(levels: Sequence[dict[str, float]]) -> float | None:
    """Return the slope of a line through what was seen, KiB an hour; `None` for fewer than three.

    Args:
        levels: ``minutes`` and ``mib`` each.
    """
    if len(levels) < 3:
        return None
    hours = np.array([level["minutes"] for level in levels]) / 60
    kib = np.array([level["mib"] for level in levels]) * 1_024
    return round(float(np.polyfit(hours, kib, 1)[0]), 1)
