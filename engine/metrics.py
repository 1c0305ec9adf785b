"""What the daemon counts, in the form that Prometheus reads."""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from affectd.engine.protocol import Event, Result

__all__ = ["PUBLISHED", "Metrics"]

PUBLISHED = "published"
"""The label of all streams that clients send."""

_AGE_BUCKETS_MS = (2, 4, 6, 8, 10, 15, 20, 50, 100, 500)


class Metrics:
    """Counters of one daemon; they hold no audio and name no client.

    Args:
        streams: Names of the daemon's own streams. All others are counted as one: clients choose
            their names, and every label costs memory for ever.
    """

    def __init__(self, streams: Collection[str] = ()) -> None:
        self._streams = frozenset(streams)
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
        # To find a child by its labels takes longer than to count.
        self._counted: dict[tuple[str, str], Counter] = {}
        self._aged: dict[str, Histogram] = {}

    def count(self, event: Event, now: float) -> None:
        """Count an event at a time of the engine's clock."""
        stream = event.stream if event.stream in self._streams else PUBLISHED
        kind = event.type
        if (counted := self._counted.get((stream, kind))) is None:
            counted = self._counted[stream, kind] = self._events.labels(stream, kind)
        counted.inc()
        if isinstance(event, Result):
            if (aged := self._aged.get(stream)) is None:
                aged = self._aged[stream] = self._age.labels(stream)
            aged.observe(max(0.0, now - event.captured_at))

    def text(self) -> str:
        """Return all counters in the text format."""
        return generate_latest(self._registry).decode()
