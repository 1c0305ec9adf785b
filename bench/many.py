"""How the daemon bears many streams and many subscribers: latency, memory, processor."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from affectd.bench.latency import resident_mib, write_speech
from affectd.bench.machine import Stolen
from affectd.bench.own_daemon import MANY_CLIENTS, daemon
from affectd.bench.percentiles import Percentiles
from affectd.bench.swarm import run_swarm

__all__ = [
    "measure_fanout",
    "measure_growth",
    "measure_memory",
    "measure_streams",
    "swarm_result",
]

_LATE_MS = 20.0
Say = Callable[[str], None]


def measure_streams(
    counts: Sequence[int],
    *,
    seconds: float,
    model: str,
    pauses: bool = False,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Let more and more streams talk at once, until p99 leaves 20 ms or results fail to come.

    Every level has a daemon of its own that lets all of them in, so that what is measured is what
    it bears and not what it dares.

    Args:
        counts: Streams at once, rising.
        seconds: How long each level is measured.
        model: As for ``affectd run``.
        pauses: Whether there are pauses between the sentences.
        say: Told how it goes.

    Returns:
        One entry a level, and how many streams were borne.
    """
    levels = []
    borne = 0
    for count in counts:
        say(f"{count} streams")
        talk = _talk(count, seconds=seconds, model=model, pauses=pauses)
        levels.append(talk)
        failed = any(talk["events"].get(kind) for kind in ("gap", "load", "error"))
        p99 = talk["latency_ms"]["p99"] if talk["latency_ms"] else float("inf")
        if failed or p99 > _LATE_MS:
            break
        borne = talk["streams"]
    return {"levels": levels, "streams_borne": borne, "pauses": pauses, "late_ms": _LATE_MS}


def measure_growth(
    hops: Sequence[float],
    windows: Sequence[float],
    *,
    streams: int,
    seconds: float,
    model: str,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Let as many streams talk with other distances between windows, and with other windows.

    Args:
        hops: Seconds between windows.
        windows: Longest window, seconds.
        streams: How many talk.
        seconds: How long each level is measured.
        model: As for ``affectd run``.
        say: Told how it goes.

    Returns:
        Levels by hop and by window, each as those of `measure_streams`.
    """

    def levels(axis: str, values: Sequence[float]) -> dict[str, Any]:
        found = []
        for value in values:
            say(f"{streams} streams, {axis} {value:g}")
            settings = {f"AFFECTD_SEGMENTER__{axis.upper()}": str(value)}
            talk = _talk(streams, seconds=seconds, model=model, settings=settings)
            found.append({axis: value, **talk})
        return {"levels": found}

    grown = {"hop": ("hop_seconds", hops), "window": ("window_seconds", windows)}
    return {name: levels(axis, values) for name, (axis, values) in grown.items() if values}


def _talk(
    count: int,
    *,
    seconds: float,
    model: str,
    pauses: bool = False,
    settings: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Measure streams that talk to a daemon of their own.

    Args:
        count: How many.
        seconds: How long.
        model: As for ``affectd run``.
        pauses: Whether there are pauses between the sentences.
        settings: Environment variables of the daemon.
    """
    environment = {**MANY_CLIENTS, "AFFECTD_PUBLISHERS__ADMISSION": "all", **(settings or {})}
    with daemon("--source", "none", model=model, environment=environment) as own:
        base_mib = resident_mib(own.pid)
        swarm = run_swarm(
            does="talk", address=own.address, clients=count, seconds=seconds, pauses=pauses
        )
        cores, stolen = _cores(own.pid, swarm, seconds)
        # Before it ends its streams are still there.
        mib = resident_mib(own.pid)
        result = swarm_result(swarm)
    talkers = max(1, result["clients"])
    return {
        "streams": result["clients"],
        "latency_ms": _percentiles(result["latencies_ms"]),
        "results_a_second": round(len(result["latencies_ms"]) / seconds, 1),
        "events": result["events"],
        "cores": round(cores, 3),
        "core_percent_a_stream": round(100 * cores / talkers, 3),
        "stolen_percent": stolen,
        "kib_a_stream": round(1024 * (mib - base_mib) / talkers, 1),
    }


def measure_fanout(
    counts: Sequence[int], *, seconds: float, model: str, say: Say = lambda _: None
) -> dict[str, Any]:
    """Let more and more subscribers hear one stream that talks without pause.

    Args:
        counts: Subscribers at once.
        seconds: How long each level is measured.
        model: As for ``affectd run``.
        say: Told how it goes.
    """
    levels = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        write_speech(path, seconds=seconds + 90)
        for count in counts:
            say(f"{count} subscribers")
            source = ("--source", str(path))
            with daemon(*source, model=model, environment=MANY_CLIENTS) as own:
                order = {"address": own.address, "clients": count, "seconds": seconds}
                swarm = run_swarm(does="listen", **order)
                cores, stolen = _cores(own.pid, swarm, seconds)
                result = swarm_result(swarm)
            levels.append(
                {
                    "subscribers": result["clients"],
                    "lost": result["lost"],
                    "latency_ms": _percentiles(result["latencies_ms"]),
                    "events_a_second": round(sum(result["events"].values()) / seconds, 1),
                    "cores": round(cores, 3),
                    "stolen_percent": stolen,
                }
            )
    return {"levels": levels}


def measure_memory(
    subscribers: int, streams: int, *, model: str, say: Say = lambda _: None
) -> dict[str, Any]:
    """Return what an idle subscriber and a talking stream take of the daemon's memory."""
    say(f"{subscribers} idle subscribers")
    with daemon("--source", "none", model=model, environment=MANY_CLIENTS) as own:
        base_mib = resident_mib(own.pid)
        swarm = run_swarm(
            does="listen", address=own.address, clients=subscribers, seconds=3, hears=False
        )
        assert swarm.stderr
        swarm.stderr.readline()  # all are connected, and it measures
        time.sleep(1)
        mib = resident_mib(own.pid)
        swarm_result(swarm)
    say(f"{streams} streams")
    talking = measure_streams([streams], seconds=10, model=model)["levels"][0]
    return {
        "ready_seconds": round(own.ready_seconds, 3),
        "daemon_mib": base_mib,
        "subscribers": subscribers,
        "kib_a_subscriber": round(1024 * (mib - base_mib) / subscribers, 1),
        "streams": talking["streams"],
        "kib_a_stream": talking["kib_a_stream"],
    }


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cores(pid: int, swarm: subprocess.Popen[str], seconds: float) -> tuple[float, float | None]:
    """Return how many processors the daemon keeps busy while a swarm measures, and no sooner.

    Returns:
        Processors, and what the host gave to others meanwhile, percent of all processor time.
    """
    assert swarm.stderr
    swarm.stderr.readline()
    began, used, stolen = time.monotonic(), processor_seconds(pid), Stolen()
    with contextlib.suppress(subprocess.TimeoutExpired):
        swarm.wait(timeout=0.95 * seconds)
    return (processor_seconds(pid) - used) / (time.monotonic() - began), stolen.percent()


def _percentiles(values: Sequence[float]) -> dict[str, float] | None:
    return Percentiles.of(values).to_dict() if len(values) else None


def swarm_result(swarm: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a swarm and return what it measured.

    Raises:
        OSError: it failed.
    """
    out, errors = swarm.communicate()
    if swarm.returncode:
        raise OSError(f"the clients failed: {errors.strip().splitlines()[-1:]}")
    result: dict[str, Any] = json.loads(out)
    return result
