"""A short run of what a window costs in the model; no time is asserted."""

from __future__ import annotations

import time
from functools import partial

from affectd.bench.model import measure_model, percentiles
from affectd.engine.shipped import DEFAULT_MODEL


def test_every_batch_is_timed_in_every_way_it_has() -> None:
    figures = measure_model(model=DEFAULT_MODEL, batches=(1, 2), seconds=0.2)
    one, two = figures["windows"]
    assert (one["batch"], two["batch"]) == (1, 2)
    assert "mixed lengths: ms" not in one
    for way in ("one length", "mixed lengths", "two threads"):
        assert 0 < two[f"{way}: best ms"] <= two[f"{way}: ms"]
    assert figures["single_stream_ms"]["samples"] > 1
    assert all(rate > 0 for rate in figures["windows_a_second"].values())


def test_each_run_is_timed_by_itself() -> None:
    run = partial(time.sleep, 0.03)
    found = percentiles(run, 0.1)
    assert 1 <= found.samples <= 4
    assert found.p50 >= 30, "milliseconds"
    assert percentiles(run, 0).samples == 1
