"""What an export measured, for a person and for a machine."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from affectd.engine.artefact import Gate
from affectd.export.accuracy import Accuracy
from affectd.export.artefact import Artefact, Export
from affectd.export.choices import REASONS
from affectd.export.gates import describe
from affectd.export.judge import Judgement
from affectd.export.latency import percentiles
from affectd.export.plots import confusion_plot, latency_plot, logit_plot
from affectd.export.search import Attempt
from affectd.models.replacing import replacing

__all__ = ["gate_lines", "summary", "write_report"]


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
    return "\n".join([*lines, gate_lines(artefact.judgement)])


def gate_lines(judgement: Judgement) -> str:
    """Return a line a gate: how it went, the figure and the limit."""
    return "\n".join(
        f"  {_mark(gate):<7} {describe(gate, all_heard=judgement.all_heard)}"
        for gate in judgement.gates
    )


def write_report(done: Export, folder: Path, *, command: str) -> Path:
    """Write ``report.md``, ``report.json`` and the pictures beside the artefacts.

    Args:
        done: What was exported.
        folder: Where the artefacts are.
        command: What gives these figures again.

    Returns:
        The path of ``report.md``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "report-logits.png": logit_plot(done.artefacts),
        "report-latency.png": latency_plot(done.artefacts),
    }
    before = done.reference_accuracy
    for artefact in done.artefacts:
        after = artefact.judgement.accuracy
        if before is not None and after is not None and artefact.metadata.precision != "fp32":
            pictures[f"report-confusion-{artefact.metadata.precision}.png"] = confusion_plot(
                before, after, precision=artefact.metadata.precision
            )
    for name, picture in pictures.items():
        with replacing(folder / name) as unfinished:
            unfinished.write_bytes(picture)
    told = _values(done, command)
    with replacing(folder / "report.json") as unfinished:
        unfinished.write_bytes((json.dumps(told, indent=2) + "\n").encode())
    path = folder / "report.md"
    with replacing(path) as unfinished:
        unfinished.write_bytes(_text(done, tuple(pictures), command).encode())
    return path


def _values(done: Export, command: str) -> dict[str, Any]:
    return {
        "command": command,
        "machine": _machine(),
        "fp32_bytes": done.reference_bytes,
        "checkpoint": None if done.reference_accuracy is None else _scored(done.reference_accuracy),
        "artefacts": [_artefact(artefact) for artefact in done.artefacts],
    }


def _artefact(artefact: Artefact) -> dict[str, Any]:
    metadata, judgement = artefact.metadata, artefact.judgement
    values: dict[str, Any] = {
        "file": artefact.file_name,
        "precision": metadata.precision,
        "target": metadata.target,
        "accepted": not artefact.failures,
        "bytes": len(artefact.graph),
        "temperature": metadata.temperature,
        "gates": [gate.model_dump() for gate in metadata.gates],
        "parity": metadata.parity,
        "compared_on": artefact.parity.windows.source,
        "latency": metadata.latency,
        "accuracy": None if judgement.accuracy is None else _scored(judgement.accuracy),
        "quantisation": metadata.quantisation and metadata.quantisation.model_dump(),
        "attempts": [
            {
                "scheme": str(attempt.scheme),
                "bytes": attempt.judgement.size,
                "accepted": attempt.judgement.accepted,
                "gates": [gate.model_dump() for gate in attempt.judgement.gates],
            }
            for attempt in artefact.attempts
        ],
        "sensitivity": {each.layer: each.mean for each in artefact.sensitivity},
    }
    if judgement.latency_ms is not None:
        frames = round(metadata.latency["frames"])
        values["fp32_latency"] = percentiles(judgement.latency_ms[0], frames=frames)
    return values


def _scored(accuracy: Accuracy) -> dict[str, Any]:
    return {
        "uar": round(accuracy.uar, 3),
        "labels": list(accuracy.labels),
        "corpora": {
            corpus: {
                "clips": confusion.clips,
                "uar": round(100 * confusion.uar, 3),
                "confusion": confusion.counts.tolist(),
            }
            for corpus, confusion in accuracy.by_corpus.items()
        },
    }


def _text(done: Export, pictures: tuple[str, ...], command: str) -> str:
    first = done.artefacts[0].metadata
    parts = [
        f"# Export of {first.name}\n",
        f"```\n{command}\n```\n",
        f"Checkpoint SHA-256 `{first.checkpoint_sha256}`. Machine: "
        + ", ".join(f"{name} {value}" for name, value in _machine().items())
        + ".\n",
    ]
    for artefact in done.artefacts:
        parts += _section(artefact, done)
    parts.append("## Pictures\n")
    parts += [f"![{name}]({name})\n" for name in pictures]
    return "\n".join(parts)


def _section(artefact: Artefact, done: Export) -> list[str]:
    metadata, judgement = artefact.metadata, artefact.judgement
    state = "rejected" if artefact.failures else "accepted"
    parts = [
        f"## {metadata.precision} for {metadata.target}: {state}\n",
        f"`{artefact.file_name}`, {len(artefact.graph):,} bytes, temperature "
        f"{metadata.temperature:.3f}. Compared with the checkpoint on "
        f"{len(artefact.parity.windows)} windows of {artefact.parity.windows.source}.\n",
        _table(
            ("gate", "figure", "limit", "result"),
            [
                (
                    gate.name,
                    "not measured" if gate.figure is None else f"{gate.figure:.4g}",
                    f"{gate.limit:g}",
                    _mark(gate),
                )
                for gate in metadata.gates
            ],
        ),
    ]
    if judgement.latency_ms is not None:
        p50, p99 = np.percentile(judgement.latency_ms, [50, 99], axis=1)
        parts.append(
            f"One window of {metadata.latency['frames']:.0f} frames on one thread, in turn with "
            f"FP32: p50 {p50[1]:.2f} ms (FP32 {p50[0]:.2f}), p99 {p99[1]:.2f} ms (FP32 "
            f"{p99[0]:.2f}): {p50[0] / p50[1]:.2f} times as fast.\n"
        )
    if metadata.quantisation is not None:
        chosen = metadata.quantisation
        parts.append(
            f"Quantised: {chosen.scheme}. Ranges from {chosen.windows} windows of "
            f"{chosen.choice}.\n"
        )
        parts.append(REASONS[metadata.target] + "\n")
    before, after = done.reference_accuracy, judgement.accuracy
    if before is not None and after is not None and metadata.precision != "fp32":
        parts.append(_uars(before, after))
    if artefact.attempts:
        parts.append("### What was tried\n\n" + _attempts(artefact.attempts))
    if artefact.sensitivity:
        parts.append(
            "### What quantising one layer alone does\n\n"
            + _table(
                ("layer", "mean difference of the logits"),
                [(f"`{each.layer}`", f"{each.mean:.4f}") for each in artefact.sensitivity],
            )
        )
    return parts


def _uars(before: Accuracy, after: Accuracy) -> str:
    rows = [
        (
            corpus,
            f"{confusion.clips:,}",
            f"{100 * confusion.uar:.2f}",
            f"{100 * after.by_corpus[corpus].uar:.2f}",
        )
        for corpus, confusion in before.by_corpus.items()
    ]
    total = ("all", f"{before.total.clips:,}", f"{before.uar:.2f}", f"{after.uar:.2f}")
    head = ("corpus, speakers not heard", "clips", "UAR before", "UAR after")
    return _table(head, [*rows, total])


def _attempts(attempts: tuple[Attempt, ...]) -> str:
    names = list(
        dict.fromkeys(gate.name for attempt in attempts for gate in attempt.judgement.gates)
    )
    rows = []
    for attempt in attempts:
        gates = {gate.name: gate for gate in attempt.judgement.gates}
        cells = [
            "–" if gates[name].figure is None else f"{gates[name].figure:.4g}" for name in names
        ]
        taken = "accepted" if attempt is attempts[-1] else "passed over"
        result = taken if attempt.judgement.accepted else "rejected"
        rows.append((str(attempt.scheme), *cells, result))
    return _table(("scheme", *names, "result"), rows)


def _mark(gate: Gate) -> str:
    return "allowed" if gate.allowed else "passed" if gate.passed else "FAILED"


def _machine() -> dict[str, str]:
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "ONNX Runtime": ort.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
