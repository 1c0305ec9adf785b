"""Unit tests of the counters, read back with Prometheus' own parser."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from affectd.engine.metrics import Metrics
from affectd.engine.protocol import Speech, Utterance


def values(metrics: Metrics) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.text())
        for sample in family.samples
    }


def common(captured_at: float) -> dict[str, object]:
    return {"stream": "mic", "seq": 1, "start": 0.0, "end": 1.0, "captured_at": captured_at}


def test_events_are_counted_by_stream_and_type_and_results_by_age() -> None:
    metrics = Metrics(["mic"])
    speech = Speech(**common(10.0), state="start")
    result = Utterance(
        **common(10.0),
        label="sad",
        abstained=None,
        confidence=1.0,
        scores={"sad": 1.0},
        valence=0.0,
        arousal=0.0,
        snr_db=20.0,
    )
    metrics.count(speech, 10.5)
    metrics.count(result, 10.009)
    metrics.count(result, 10.018)
    found = values(metrics)
    assert found["affectd_events_total", "stream=mic,type=speech"] == 1
    assert found["affectd_events_total", "stream=mic,type=utterance"] == 2
    assert found["affectd_age_seconds_count", "stream=mic"] == 2
    assert found["affectd_age_seconds_sum", "stream=mic"] == pytest.approx(0.027)
    assert found["affectd_age_seconds_bucket", "le=0.01,stream=mic"] == 1
    assert found["affectd_age_seconds_bucket", "le=0.02,stream=mic"] == 2


def test_clients_and_sent_and_lost_events_are_counted() -> None:
    metrics = Metrics()
    metrics.clients.inc(2)
    metrics.clients.dec()
    metrics.sent.inc(5)
    metrics.lost.inc(3)
    found = values(metrics)
    assert found["affectd_clients", ""] == 1
    assert found["affectd_events_sent_total", ""] == 5
    assert found["affectd_events_lost_total", ""] == 3


def test_two_daemons_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.sent.inc()
    assert values(second)["affectd_events_sent_total", ""] == 0
