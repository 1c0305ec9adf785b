"""What an export measured, for a person and for a machine."""

from __future__ import annotations

from collections.abc import Iterable

from affectd.engine.artefact import Gate
from affectd.export.artefact import Artefact
from affectd.export.gates import describe

__all__ = ["gate_lines", "summary"]


def summary(artefact: Artefact) -> str:
    """Return the lines a person sees of an artefact."""
    metadata, windows = artefact.metadata, artefact.parity.windows
    latency = metadata.latency
    lines = [
        f"  compared on {len(windows)} windows of {windows.source}",
        f"  one window of {metadata.window_seconds:g} s on one thread: "
        f"p50 {latency['p50_ms']:.2f} ms, p99 {latency['p99_ms']:.2f} ms",
    ]
    if metadata.quantisation is not None:
        lines.append(
            f"  {metadata.quantisation.scheme}; calibrated on {metadata.quantisation.windows} "
            f"windows of {metadata.quantisation.choice}"
        )
    return "\n".join([*lines, gate_lines(metadata.gates)])


def gate_lines(gates: Iterable[Gate]) -> str:
    """Return a line a gate: how it went, the figure and the limit."""
    marks = {True: "passed", False: "FAILED"}
    return "\n".join(
        f"  {'allowed' if gate.allowed else marks[gate.passed]:<7} {describe(gate)}"
        for gate in gates
    )
