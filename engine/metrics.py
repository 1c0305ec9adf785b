"""What the daemon counts, in the form that Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from affectd.engine.protocol import Event, Result

__all__ = ["Metrics"]

_AGE_BUCKETS_MS = (2, 4, 6, 8, 10, 15, 20, 50, 100, 500)


class Metrics:
    """Counters of one daemon; they hold no audio and name no client."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.clients = Gauge("affectd_clients", "Connected clients", registry=registry)
        self.sent = Counter("affectd_events_sent", "Events sent to clients", registry=registry)
        self.lost = Counter(
            "affectd_events_lost", "Events dropped for slow clients", registry=registry
        )
        self._events = Counter(
            "affectd_events", "Events by type", ["stream", "type"], registry=registry
        )
        self._age = Histogram(
            "affectd_age_seconds",
            "From the capture of a window's last sample to the event",
            ["stream"],
            buckets=[bucket / 1000 for bucket in _AGE_BUCKETS_MS],
            registry=registry,
        )

    def count(self, event: Event, now: float) -> None:
        """Count an event at a time of the engine's clock."""
        self._events.labels(event.stream, event.type).inc()
        if isinstance(event, Result):
            self._age.labels(event.stream).observe(max(0.0, now - event.captured_at))

    def text(self) -> str:
        """Return all counters in the text format."""
        return generate_latest(self._registry).decode()
