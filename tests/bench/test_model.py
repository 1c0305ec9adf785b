"""A short run of what a window costs in the model; no time is asserted."""

from __future__ import annotations

from affectd.bench.model import measure_model
from affectd.engine.artefact import DEFAULT_MODEL


def test_every_batch_is_timed_in_every_way_it_has() -> None:
    figures = measure_model(model=DEFAULT_MODEL, batches=(1, 2))
    one, two = figures["windows"]
    assert (one["batch"], two["batch"]) == (1, 2)
    assert "mixed lengths: ms" not in one
    for way in ("one length", "mixed lengths", "two threads"):
        assert 0 < two[f"{way}: best ms"] <= two[f"{way}: ms"]
    alone = figures["one_after_the_other_ms"]
    assert alone["samples"] > 10
    assert 0 < alone["p50"] <= alone["p95"] <= alone["p99"] <= alone["max"]
    assert all(rate > 0 for rate in figures["windows_a_second"].values())
