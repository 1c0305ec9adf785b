"""What is seen of the daemon's memory while clients come and go: a real daemon and real swarms."""

from __future__ import annotations

import pytest

from affectd.bench.endurance import growth_kib_an_hour, measure_endurance


def test_growth_is_the_slope_of_what_was_seen() -> None:
    levels = [{"minutes": minutes, "mib": 200 + minutes / 60} for minutes in (30.0, 31.0, 40.0)]
    assert growth_kib_an_hour(levels) == pytest.approx(1_024)
    assert growth_kib_an_hour(levels[:2]) is None


def test_a_round_has_talkers_and_listeners_who_all_go() -> None:
    told: list[str] = []
    figures = measure_endurance(0.01, streams=2, model="", seconds=3, say=told.append)
    assert figures["events"]["emotion"] > 0
    assert "error" not in figures["events"]
    assert [figures[key] for key in ("streams_served", "listeners_served", "refused", "lost")] == [
        2,
        4,
        0,
        0,
    ]
    assert [each["mib"] > 50 for each in figures["levels"]] == [True]
    assert len(told) == len(figures["missing"]) == 1
