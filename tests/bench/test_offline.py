"""Whole files: what one core hears of them in a second."""

from __future__ import annotations

import pytest

from affectd.bench.offline import measure_offline


def test_the_demo_is_heard_so_many_times_and_the_median_counts() -> None:
    figures = measure_offline(model="light", repeats=3)
    assert figures["windows"] > 50
    assert figures["repeats"] == 3
    assert 0 < figures["session_seconds"] < figures["processor_seconds"]
    ratio = figures["audio_seconds"] / figures["processor_seconds"]
    assert figures["audio_seconds_a_second"] == pytest.approx(ratio, rel=0.01)
    assert (
        figures["worst_audio_seconds_a_second"]
        <= figures["audio_seconds_a_second"]
        <= figures["best_audio_seconds_a_second"]
    )
