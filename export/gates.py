"""What an artefact is held to, and the sentence that says which demand it fails and by how much."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from affectd.engine.artefact import Gate, Precision, Target
from affectd.models.spelling import nearest

__all__ = [
    "GATES",
    "GateError",
    "Limits",
    "check_names",
    "describe",
    "failed",
    "hold",
    "limits_for",
]


class GateError(ValueError):
    """An artefact failed a gate; the message says which and by how much."""


@dataclass(frozen=True, slots=True)
class _Rule:
    what: str
    unit: str
    scale: float
    """From the figure to the unit."""
    digits: int
    least: bool
    """Whether the limit is the least allowed, and not the most."""


GATES: Mapping[str, _Rule] = MappingProxyType(
    {
        "speech": _Rule("windows of real speech compared", "", 1, 0, True),
        "parity": _Rule("largest difference of a logit", "", 1, 6, False),
        "parity-mean": _Rule("mean difference of the logits", "", 1, 6, False),
        "agreement": _Rule("winning labels that agree with FP32", " %", 100, 2, True),
        "uar": _Rule("UAR lost on unheard speakers", " points", 1, 2, False),
        "latency": _Rule("p50 of one window against FP32", " times", 1, 2, False),
        "size": _Rule("bytes against FP32", " %", 100, 1, False),
    }
)
"""Every gate by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is demanded of one precision; `None` where nothing is."""

    speech: float | None = 500
    """Least number of windows of real speech to compare on."""
    parity: float | None
    """Largest difference of a logit."""
    parity_mean: float | None
    """Mean difference of the logits."""
    agreement: float | None
    """Least share of windows with the same winning label, between 0 and 1."""
    uar: float | None
    """Most points of UAR lost."""
    latency: float | None
    """Most that the p50 of one window may be, as a multiple of FP32's."""
    size: float | None
    """Most bytes, as a share of FP32's."""

    def of(self, gate: str) -> float | None:
        """Return the limit of the gate of that name."""
        limit: float | None = getattr(self, gate.replace("-", "_"))
        return limit


def limits_for(precision: Precision, target: Target) -> Limits:
    """Return what is demanded of a precision on a target.

    Latency is demanded only on the CPU, which every exporting machine has; and on a graphics
    processor the recurrent part stays in floating point, so that little is saved.
    """
    if precision == "fp32":
        return Limits(
            parity=1e-4, parity_mean=1e-5, agreement=None, uar=None, latency=None, size=None
        )
    if precision == "fp16":
        return Limits(
            parity=0.05, parity_mean=0.005, agreement=0.995, uar=0.5, latency=None, size=0.6
        )
    on_cpu = target == "cpu"
    return Limits(
        parity=0.5,
        parity_mean=0.05,
        agreement=0.98,
        uar=0.5,
        latency=1.0 if on_cpu else None,
        size=0.3 if on_cpu else 1.0,
    )


def hold(
    figures: Mapping[str, float | None], limits: Limits, *, allow: Collection[str] = ()
) -> tuple[Gate, ...]:
    """Hold figures against limits; what cannot be measured fails.

    Args:
        figures: By the names of `GATES`.
        limits: What is demanded; figures without a limit give no gate.
        allow: Gates whose failure is let pass.
    """
    gates: list[Gate] = []
    for name, rule in GATES.items():
        limit = limits.of(name)
        if limit is None:
            continue
        figure = figures.get(name)
        passed = figure is not None and (figure >= limit if rule.least else figure <= limit)
        gates.append(
            Gate(
                name=name,
                figure=figure,
                limit=limit,
                passed=passed,
                allowed=not passed and name in allow,
            )
        )
    return tuple(gates)


def failed(gates: Iterable[Gate]) -> list[Gate]:
    """Return the gates that keep an artefact from being used."""
    return [gate for gate in gates if gate.rejects]


def describe(gate: Gate, *, all_heard: bool = False) -> str:
    """Return one clause on a gate: the figure, the limit, and by how much it is missed.

    Args:
        gate: Of an artefact.
        all_heard: Whether a figure is missing because every speaker at hand was heard in training.
    """
    rule = GATES[gate.name]
    bound = "at least" if rule.least else "at most"
    limit = f"{bound} {_shown(gate.limit, rule)}"
    if gate.figure is None and all_heard:
        way_out = "" if gate.allowed else f"; --allow {gate.name} lets it pass"
        return (
            f"{gate.name}: {rule.what} was not measured, for every speaker at hand was heard in "
            f"training; needed is {limit}{way_out}"
        )
    if gate.figure is None:
        return (
            f"{gate.name}: {rule.what} was not measured for want of labelled speech "
            f"(--corpora); needed is {limit}"
        )
    clause = f"{gate.name}: {rule.what} is {_shown(gate.figure, rule)}"
    if gate.passed:
        return f"{clause}, needed is {limit}"
    return f"{clause}, needed is {limit}: missed by {_shown(abs(gate.figure - gate.limit), rule)}"


def check_names(names: Iterable[str]) -> frozenset[str]:
    """Return gate names as a set.

    Raises:
        ValueError: there is no such gate; the message names the near ones.
    """
    wanted = frozenset(names)
    for name in sorted(wanted):
        if name not in GATES:
            raise ValueError(f"no gate {name!r}; {nearest(name, GATES)}")
    return wanted


def _shown(value: float, rule: _Rule) -> str:
    scaled = value * rule.scale
    if rule.digits > 2:
        return f"{scaled:.2g}"
    # Rounded, a miss by little would read as no miss.
    digits = rule.digits
    while digits < 6 and scaled and round(scaled, digits) == 0:
        digits += 1
    return f"{scaled:.{digits}f}{rule.unit}"
