"""Unit tests of what is made of a benchmark's figures."""

from __future__ import annotations

from io import StringIO
from xml.etree import ElementTree

import pytest
from rich.console import Console

from affectd.bench.report import (
    bars,
    comparison,
    figures_of,
    missing_of,
    page,
    picture,
    plot,
)

DOCUMENT = {
    "benchmark": "streams",
    "machine": {"cores": 2},
    "levels": [
        {"streams": 1, "latency_ms": {"p50": 4.0, "p95": 5.0, "p99": 6.0}, "cores": 0.01},
        {"streams": 10, "latency_ms": {"p50": 5.0, "p95": 8.0, "p99": 12.0}, "cores": 0.1},
        {"streams": 20, "latency_ms": None, "cores": 0.2},
    ],
    "streams_borne": 10,
    "pauses": False,
}


def test_every_number_has_its_path_and_a_level_its_own() -> None:
    assert dict(figures_of(DOCUMENT)) == {
        "levels[1].latency_ms.p50": 4.0,
        "levels[1].latency_ms.p95": 5.0,
        "levels[1].latency_ms.p99": 6.0,
        "levels[1].cores": 0.01,
        "levels[10].latency_ms.p50": 5.0,
        "levels[10].latency_ms.p95": 8.0,
        "levels[10].latency_ms.p99": 12.0,
        "levels[10].cores": 0.1,
        "levels[20].cores": 0.2,
        "streams_borne": 10.0,
    }


def test_a_comparison_shows_both_and_their_ratio() -> None:
    console = Console(file=StringIO(), width=200)
    console.print(comparison({**DOCUMENT, "streams_borne": 5}, DOCUMENT))
    assert isinstance(console.file, StringIO)
    [row] = [line for line in console.file.getvalue().splitlines() if "streams_borne" in line]
    assert [part.strip() for part in row.split("│")[1:-1]] == [
        "streams_borne",
        "5.000",
        "10.000",
        "×2.00",
    ]


def test_the_page_plots_every_level_and_needs_nothing_else() -> None:
    text = page(DOCUMENT)
    assert text.count("<svg") == 2
    assert "http" not in text
    assert "streams_borne" in text


def test_levels_of_every_part_are_plotted_over_their_own_axis() -> None:
    levels = [
        {"hop_seconds": hop, "streams": 20, "latency_ms": {"p50": 4, "p95": 5, "p99": 6}}
        for hop in (0.25, 0.5)
    ]
    text = page({"benchmark": "all", "growth": {"hop": {"levels": levels}}})
    assert text.count("<svg") == 1
    assert "all, growth, hop: latency, ms" in text
    assert ">hop_seconds</text>" in text


def test_a_picture_holds_every_plot_below_the_one_before() -> None:
    drawn = ElementTree.fromstring(picture(DOCUMENT))
    plots = drawn.findall("{*}svg")
    heights = [int(plot.attrib["height"]) for plot in plots]
    assert len(plots) == 2
    assert [int(plot.attrib["y"]) for plot in plots] == [0, heights[0]]
    assert int(drawn.attrib["height"]) == sum(heights)


def test_a_plot_puts_its_points_where_they_belong() -> None:
    svg = ElementTree.fromstring(plot("a < b", "x", {"p99": [(0, 0), (5, 10), (10, 5)]}))
    [line] = svg.findall("polyline")
    points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x1 - x0 == x2 - x1 > 0
    assert y1 < y2 < y0, "up is less in SVG"
    assert y0 - y1 == 2 * (y0 - y2)


def test_what_was_not_measured_is_said_wherever_it_stands() -> None:
    document = {"missing": {"capture": "no PulseAudio"}, "peers": {"missing": ["no <librosa>"]}}
    assert missing_of(document) == ["capture: no PulseAudio", "no <librosa>"]
    assert "not measured: no &lt;librosa&gt;" in page(document)


def test_ways_are_drawn_as_bars_with_their_values() -> None:
    document = {
        "benchmark": "peers",
        "latency_ms": {"ours": {"p50": 1.5, "p99": 2.0}, "a & b": {"p50": 30.0, "p99": 60.0}},
        "ratio": {"ours": 1.0, "a & b": 20.0},
    }
    drawn = page(document)
    assert "a &amp; b, p99" in drawn
    tree = ElementTree.fromstring(bars("ratio", {"ours": 1.0, "others": 20.0}))
    widths = [float(bar.get("width", "")) for bar in tree.iter("rect")]
    assert widths[1] == pytest.approx(20 * widths[0], rel=0.01)


def test_nothing_to_draw_draws_nothing() -> None:
    assert bars("ratio", {}) == ""
