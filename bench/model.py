"""What a window costs in the model: by the size of the batch, by its ways, and by threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from affectd.bench.percentiles import Percentiles
from affectd.engine.artefact import INPUTS, OUTPUTS, Metadata
from affectd.engine.runtime import load_runtime
from affectd.engine.shipped import find_model

__all__ = ["interleaved_ms", "measure_model", "open_model", "percentiles"]

_BATCHES = (1, 2, 4, 8, 16, 32)
_RUNS = 60
_SECONDS = 2.0

Run = Callable[[], object]


def measure_model(
    *, model: str, batches: Sequence[int] = _BATCHES, seconds: float = _SECONDS
) -> dict[str, Any]:
    """Time full windows of noise, every way in turn, so that all meet the same machine.

    Args:
        model: A shipped model's name, or an artefact's file.
        batches: Sizes of batches.
        seconds: How long windows are run one after the other.

    Returns:
        For each size of batch, milliseconds a window, median and best: in batches of one length,
        as the engine runs them; in batches with one shorter window, which need masks; and with two
        threads in one session. Percentiles of one window after the other on one thread, with
        nothing else between them. And how many windows a second two sessions do in a thread each,
        against one session alone.
    """
    path = find_model(model)
    alone, pair = open_model(path, threads=1), open_model(path, threads=2)
    metadata = Metadata.from_props(alone.get_modelmeta().custom_metadata_map)
    frames, bands = metadata.frame_sizes[-1], metadata.front_end.bands
    rows = []
    for batch in batches:
        feed = _feed(batch, frames, bands)
        lengths = feed[INPUTS[1]].copy()
        lengths[-1] -= 1
        ways: dict[str, Run] = {
            "one length": partial(alone.run, OUTPUTS[:1], feed),
            "two threads": partial(pair.run, OUTPUTS[:1], feed),
        }
        if batch > 1:
            mixed = {**feed, INPUTS[1]: lengths}
            ways["mixed lengths"] = partial(alone.run, OUTPUTS[:1], mixed)
        taken = interleaved_ms(ways, runs=max(8, _RUNS // batch))
        rows.append(
            {
                "batch": batch,
                **{
                    f"{name}: {what}": round(figure / batch, 3)
                    for name, (median, best) in taken.items()
                    for what, figure in (("ms", median), ("best ms", best))
                },
            }
        )
    feed = _feed(1, frames, bands)
    second = open_model(path, threads=1)
    return {
        "model": model,
        "frames": frames,
        "windows": rows,
        "single_stream_ms": percentiles(partial(alone.run, OUTPUTS[:1], feed), seconds).to_dict(),
        "windows_a_second": {
            "one session": round(_rate([alone], feed, seconds), 1),
            "two sessions, a thread each": round(_rate([alone, second], feed, seconds), 1),
        },
    }


def open_model(path: Path, *, threads: int) -> Any:
    """Return a session as the engine opens it, but for its threads."""
    runtime = load_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def interleaved_ms(ways: Mapping[str, Run], *, runs: int) -> dict[str, tuple[float, float]]:
    """Return the median and the best time of each way in ms, each way run in turn."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(runs):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append(1000 * (time.perf_counter() - began))
    return {name: (float(np.median(each)), min(each)) for name, each in taken.items()}


def _feed(batch: int, frames: int, bands: int) -> dict[str, Any]:
    logmel = np.random.default_rng(0).standard_normal((batch, frames, bands), np.float32)
    return dict(zip(INPUTS, (logmel, np.full(batch, frames, np.int64)), strict=True))


def percentiles(run: Run, seconds: float) -> Percentiles:
    """Return how many ms each of as many runs took as fit into so many seconds, at least one."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while not taken or time.perf_counter() < end:
        began = time.perf_counter()
        run()
        taken.append(1000 * (time.perf_counter() - began))
    return Percentiles.of(taken)


def _rate(sessions: Sequence[Any], feed: Mapping[str, Any], seconds: float) -> float:
    done = [0] * len(sessions)
    end = time.perf_counter() + seconds

    def run(place: int) -> None:
        while time.perf_counter() < end:
            sessions[place].run(OUTPUTS[:1], feed)
            done[place] += 1

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(sessions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds
