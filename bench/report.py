"""Figures for people: a table, a comparison with an earlier run, and a page with plots."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

__all__ = ["bars", "comparison", "figures_of", "missing_of", "page", "picture", "plot", "table"]

_WIDTH, _HEIGHT, _MARGIN = 640, 300, 56
_LABEL = 250
_BARS = ("latency_ms", "cpu_ms_a_second_of_audio", "ratio", "stages_ms")
_COLOURS = ("#1b6ca8", "#c0392b", "#27ae60", "#8e44ad")


def figures_of(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number of a benchmark's document with its path, the machine's left out."""
    for name, value in document.items():
        path = f"{prefix}{name}"
        if path == "machine":
            continue
        if isinstance(value, Mapping):
            yield from figures_of(value, path + ".")
        elif isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
            for each in value:
                key = next(iter(each.values()), "")
                rest = dict(list(each.items())[1:])
                yield from figures_of(rest, f"{path}[{key}].")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield path, float(value)


def table(document: Mapping[str, Any]) -> Table:
    """Return every figure, one a row."""
    rows = Table("figure", "value", title=str(document.get("benchmark", "")))
    for name, value in figures_of(document):
        rows.add_row(name, _number(value))
    return rows


def comparison(old: Mapping[str, Any], new: Mapping[str, Any]) -> Table:
    """Return the figures of two runs side by side, with the ratio of the new to the old."""
    before = dict(figures_of(old))
    rows = Table("figure", "before", "now", "ratio", title=str(new.get("benchmark", "")))
    for name, value in figures_of(new):
        was = before.get(name)
        ratio = f"×{value / was:.2f}" if was else ""
        rows.add_row(name, "" if was is None else f"{was:,.3f}", f"{value:,.3f}", ratio)
    return rows


def missing_of(document: Mapping[str, Any]) -> list[str]:
    """Return why each thing that was not measured could not be, of the whole document."""
    missing = []
    for name, value in document.items():
        if name == "missing":
            found = value.items() if isinstance(value, Mapping) else (("", each) for each in value)
            missing += [f"{key}: {reason}" if key else str(reason) for key, reason in found]
        elif isinstance(value, Mapping):
            missing += missing_of(value)
    return missing


def page(document: Mapping[str, Any]) -> str:
    """Return a page that needs nothing else: plots of all levels, and every figure."""
    parts = _drawn(str(document.get("benchmark", "")), document)
    parts += _sureness(document)
    parts += [f"<p>not measured: {html.escape(each)}</p>" for each in missing_of(document)]
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{_number(value)}</td></tr>"
        for name, value in figures_of(document)
    )
    machine = html.escape(_told(document.get("machine", "")))
    title = html.escape(f"affectd bench {document.get('benchmark', '')}")
    return (
        f"<!doctype html><meta charset=utf-8><title>{title}</title>"
        "<style>body{font:15px sans-serif;margin:2em;max-width:60em}td{padding:0 1em 0 0}"
        f"</style><h1>{title}</h1><p>{machine}</p>{''.join(parts)}<table>{rows}</table>\n"
    )


def _number(value: float) -> str:
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def _told(value: object) -> str:
    """Return what is known of the machine as one line for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_told(each)}" for name, each in value.items())
    return str(value)


def _drawn(title: str, part: Mapping[str, Any]) -> list[str]:
    """Return the plots of a part of a document, and of all parts of it."""
    drawn = []
    if levels := part.get("levels"):
        drawn.append(_plots(title, levels))
    if altered := part.get("alterations"):
        drawn += [
            bars(f"{said}, %", {each["alteration"]: each[key] for each in altered})
            for said, key in (("emotion unchanged", "unchanged"), ("UAR", "uar"))
        ]
    for key, values in part.items():
        if not isinstance(values, Mapping) or key == "machine":
            continue
        if key in _BARS:
            drawn.append(bars(f"{title}: {key}", _heights(values)))
        else:
            drawn += _drawn(f"{title}, {key}" if title else key, values)
    return drawn


def picture(document: Mapping[str, Any]) -> str:
    """Return all plots of a document, one below the other, as one SVG that needs nothing else."""
    drawn = "".join(_drawn(str(document.get("benchmark", "")), document))
    plots = re.findall(r'<svg (.*?height="(\d+)".*?</svg>)', drawn)
    placed, top = "", 0
    for plot_text, height in plots:
        placed += f'<svg y="{top}" {plot_text}'
        top += int(height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{top}" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>{placed}</svg>\n'
    )


def _sureness(document: Mapping[str, Any]) -> list[str]:
    """Return reliability diagrams, and accuracy against coverage."""
    parts = []
    for name, told in document.get("calibration", {}).items():
        points = [(each["confidence"], each["accuracy"]) for each in told.get("reliability", ())]
        if points:
            curves = {"measured": points, "ideal": [(0.0, 0.0), (100.0, 100.0)]}
            title = f"reliability of {name}: accuracy, % (ECE {told['error']} %)"
            parts.append(plot(title, "confidence, %", curves))
    if coverage := document.get("coverage"):
        curves = {
            name: [(each["coverage"], each["accuracy"]) for each in told]
            for name, told in coverage.items()
            if told
        }
        parts.append(plot("accuracy, %, of the surest windows", "coverage, %", curves))
    return parts


def _heights(values: Mapping[str, Any]) -> dict[str, float]:
    """Return one number a name, and of percentiles the 50th and the 99th."""
    heights: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            heights |= {f"{name}, {key}": float(value[key]) for key in ("p50", "p99")}
        elif value is not None:
            heights[name] = float(value)
    return heights


def bars(title: str, heights: Mapping[str, float]) -> str:
    """Return a bar plot as SVG, one bar a row.

    Args:
        title: What is shown, with its unit.
        heights: Not negative, by the bar's name.
    """
    if not heights:
        return ""
    longest = max(heights.values()) or 1.0
    rows = [f'<text x="0" y="16" font-weight="bold">{html.escape(title)}</text>']
    for number, (name, value) in enumerate(heights.items()):
        y = 28 + 20 * number
        length = value / longest * (_WIDTH - _LABEL - 2 * _MARGIN)
        rows.append(f'<text x="0" y="{y + 12}">{html.escape(name)}</text>')
        rows.append(
            f'<rect x="{_LABEL}" y="{y}" width="{max(length, 1):.1f}" height="15" '
            f'fill="{_COLOURS[0]}"/>'
        )
        rows.append(f'<text x="{_LABEL + length + 6:.1f}" y="{y + 12}">{value:,.3g}</text>')
    height = 36 + 20 * len(heights)
    return f'<svg width="{_WIDTH}" height="{height}" font-size="12">{"".join(rows)}</svg>'


def _plots(name: str, levels: Sequence[Mapping[str, Any]]) -> str:
    axis = next(iter(levels[0]))
    at = [float(level[axis]) for level in levels]
    timed = [level for level in levels if level.get("latency_ms")]
    curves = {
        key: [(float(level[axis]), float(level["latency_ms"][key])) for level in timed]
        for key in ("p50", "p95", "p99")
    }
    plots = plot(f"{name}: latency, ms", axis, curves)
    for key in ("cores", "core_percent_a_stream", "kib_a_stream", "mib"):
        if key in levels[0]:
            values = [float(level[key]) for level in levels]
            plots += plot(f"{name}: {key}", axis, {key: list(zip(at, values, strict=True))})
    return plots


def plot(title: str, axis: str, curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return a line plot as SVG.

    Args:
        title: What is shown, with its unit.
        axis: What runs to the right.
        curves: Points by the curve's name, ``x`` rising.
    """
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return ""
    right = max(x for x, _ in points) or 1.0
    top = max(y for _, y in points) or 1.0

    def place(x: float, y: float) -> str:
        across = _MARGIN + x / right * (_WIDTH - 2 * _MARGIN)
        return f"{across:.1f},{_HEIGHT - _MARGIN - y / top * (_HEIGHT - 2 * _MARGIN):.1f}"

    lines = [f'<text x="{_MARGIN}" y="24" font-weight="bold">{html.escape(title)}</text>']
    for share in (0.0, 0.5, 1.0):
        x, y = place(share * right, 0).split(",")
        lines.append(f'<text x="{x}" y="{_HEIGHT - 34}">{share * right:g}</text>')
        x, y = place(0, share * top).split(",")
        lines.append(f'<text x="4" y="{y}">{share * top:.3g}</text>')
        lines.append(f'<line x1="{x}" x2="{_WIDTH - _MARGIN}" y1="{y}" y2="{y}" stroke="#ddd"/>')
    lines.append(f'<text x="{_WIDTH // 2}" y="{_HEIGHT - 12}">{html.escape(axis)}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(place(x, y) for x, y in curve)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines.append(
            f'<text x="{_WIDTH - _MARGIN + 6}" y="{40 + 18 * number}" fill="{colour}">'
            f"{html.escape(name)}</text>"
        )
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" font-size="12">{"".join(lines)}</svg>'
