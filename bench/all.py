"""Every benchmark after the other, with what could not be measured named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from affectd.bench.capture import measure_capture
from affectd.bench.kernels import measure_logmel
from affectd.bench.latency import measure_latency
from affectd.bench.many import measure_fanout, measure_growth, measure_memory, measure_streams
from affectd.bench.offline import measure_offline
from affectd.bench.peers import measure_peers
from affectd.engine.shipped import DEFAULT_MODEL

__all__ = ["measure_all"]

Say = Callable[[str], None]

_STREAMS = (1, 10, 25, 50, 75, 100, 150, 200, 300, 400, 500)
_SUBSCRIBERS = (1, 100, 500, 1_000, 2_000)
_HOPS = (0.1, 0.25, 0.5, 1.0)
_WINDOWS = (1.0, 2.0, 3.0)
_GROWING = 20


def measure_all(
    *,
    seconds: float,
    windows: int,
    encoders: Sequence[Path] = (),
    model: str = "",
    streams: Sequence[int] = _STREAMS,
    subscribers: Sequence[int] = _SUBSCRIBERS,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Run every benchmark but that of the page.

    Args:
        seconds: How long each level of `streams` and `subscribers`, and each capture, is measured.
        windows: Provisional windows of the latency.
        encoders: As for `measure_peers`.
        model: As for ``affectd run``.
        streams: Streams at once, rising.
        subscribers: Subscribers at once.
        say: Told how it goes.

    Returns:
        The figures by benchmark; why one could not be run stands under ``missing``.
    """
    named = model or DEFAULT_MODEL

    def latency(*, microphone: bool) -> dict[str, Any]:
        say(f"latency, {windows} windows" + (" through a microphone" if microphone else ""))
        return measure_latency(windows, model=named, microphone=microphone).summary()

    benchmarks: dict[str, Callable[[], dict[str, Any]]] = {
        "kernels": measure_logmel,
        "offline": lambda: measure_offline(model=named),
        "peers": lambda: measure_peers(encoders=encoders, say=say),
        "latency": lambda: latency(microphone=False),
        "latency_microphone": lambda: latency(microphone=True),
        "capture": lambda: measure_capture(seconds, say=say),
        "memory": lambda: measure_memory(max(subscribers), 20, model=model, say=say),
        "streams": lambda: measure_streams(streams, seconds=seconds, model=model, say=say),
        "streams_pauses": lambda: measure_streams(
            streams, seconds=seconds, model=model, pauses=True, say=say
        ),
        "streams_growth": lambda: measure_growth(
            _HOPS, _WINDOWS, streams=_GROWING, seconds=seconds, model=model, say=say
        ),
        "fanout": lambda: measure_fanout(subscribers, seconds=seconds, model=model, say=say),
    }
    figures: dict[str, Any] = {}
    missing = {}
    for name, measure in benchmarks.items():
        say(name)
        try:
            figures[name] = measure()
        except (ImportError, OSError) as error:
            # What one benchmark needs and this machine has not must not cost the others.
            missing[name] = str(error)
    return {**figures, "missing": missing}
