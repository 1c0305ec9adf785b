"""How a recording sounds over time, drawn as SVG, alone or in a page that needs nothing else."""

from __future__ import annotations

import html
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from affectd.clients.palette import colour_of
from affectd.clients.wording import reason

__all__ = ["Timeline", "page_of"]

# Three pieces fill the page, and one a phone; each is drawn at the size at which it is shown, so
# that its words can be read on both.
_PIECE = 320
_PIECES = 3
_PIECE_SECONDS = (2, 5, 10, 15)
_STRIP = 26
_AREA = 100
_AXIS = 22
_GAP_SECONDS = 1.0
_TICKS = (1, 2, 5)
_TICKS_A_PIECE = 5
_LETTER = 7

_BODY = "body{font:14px system-ui,sans-serif;margin:2rem auto;padding:0 1rem;max-width:1000px}"
_STYLE = """
.affectd{font:14px/1.45 system-ui,sans-serif;color:#1c1f23;background:#fff;max-width:1000px}
.affectd h2{overflow-wrap:anywhere}
.affectd .line{display:flex;flex-wrap:wrap;row-gap:.8rem}
.affectd svg{max-width:100%;height:auto;display:block}
.affectd text{font:12px system-ui,sans-serif;fill:#4a4f57}
.affectd .key{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.4rem 0;padding:0;list-style:none}
.affectd .key i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}
.affectd table{border-collapse:collapse;margin:.5rem 0 1.5rem;font-variant-numeric:tabular-nums}
.affectd th,.affectd td{text-align:left;padding:.15rem 1.2rem .15rem 0}
.affectd th{font-weight:600}
"""
_DARK = """
@media(prefers-color-scheme:dark){body,.affectd{color:#e7e9ec;background:#14171a}
.affectd text{fill:#aab0b8}}
"""


@dataclass(frozen=True, slots=True)
class Timeline:
    """One recording, as the engine heard it.

    `_repr_html_` lets a notebook show it.
    """

    name: str
    seconds: float
    labels: tuple[str, ...]
    utterances: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    """As on the wire, in order."""
    moments: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    """Provisional results, as on the wire, in order."""
    complaint: str = ""
    """What is wrong with the file, if it could be heard all the same."""

    def runs(self) -> Iterator[list[Mapping[str, Any]]]:
        """Yield the provisional results without those pauses in which nobody spoke."""
        run: list[Mapping[str, Any]] = []
        for each in self.moments:
            if run and each["end"] - run[-1]["end"] > _GAP_SECONDS:
                yield run
                run = []
            run.append(each)
        if run:
            yield run

    def svgs(self) -> Iterator[str]:
        """Yield the picture in pieces: a strip of utterances over stacked areas of probabilities.

        They belong beside each other, in as many lines as they need.
        """
        length = next(
            (each for each in _PIECE_SECONDS if self.seconds <= _PIECES * each), _PIECE_SECONDS[-1]
        )
        scale = _PIECE / length
        height = _STRIP + _AREA + _AXIS
        named: set[int] = set()
        for number in range(max(1, math.ceil(round(self.seconds / length, 6)))):
            start = number * length
            piece = _Piece(start, min(start + length, max(self.seconds, start + 0.1)), scale)
            body = [*self._strip(piece, named), *self._areas(piece), *self._axis(piece, length)]
            yield (
                f'<svg viewBox="0 0 {piece.width:.1f} {height}" width="{piece.width:.1f}" '
                f'xmlns="http://www.w3.org/2000/svg">{"".join(body)}</svg>'
            )

    def html(self) -> str:
        """Return the picture, its key and a table with the same content."""
        key = "".join(
            f'<li><i style="background:{colour_of(label)}"></i>{html.escape(label)}</li>'
            for label in self.labels
        )
        rows = "".join(
            f"<tr><td>{each['start']:.2f}–{each['end']:.2f} s</td><td>{html.escape(_said(each))}"
            f"</td><td>{each['confidence']:.0%}</td></tr>"
            for each in self.utterances
        )
        head = "<tr><th>time</th><th>emotion</th><th>probability</th></tr>"
        table = f"<table>{head}{rows}</table>" if rows else "<p>No speech was found.</p>"
        title = html.escape(f"How {self.name} sounds over {self.seconds:.1f} s")
        complaint = f"<p>{html.escape(self.complaint)}.</p>" if self.complaint else ""
        return (
            f'<section class="affectd"><h2>{html.escape(self.name)}</h2>{complaint}'
            f'<div class="line" role="img" aria-label="{title}">{"".join(self.svgs())}</div>'
            f'<ul class="key">{key}</ul>{table}</section>'
        )

    def _repr_html_(self) -> str:
        return f"<style>{_STYLE}</style>{self.html()}"

    def _strip(self, piece: _Piece, named: set[int]) -> Iterator[str]:
        starts = [*(each["start"] for each in self.utterances[1:]), self.seconds]
        for number, each in enumerate(self.utterances):
            if each["end"] <= piece.start or each["start"] >= piece.end:
                continue
            left, right = piece.x(each["start"]), piece.x(each["end"])
            label = each["label"]
            fill = colour_of(label) if label else "none"
            tip = f"{each['start']:.2f}–{each['end']:.2f} s: {_said(each)}"
            yield (
                f'<g><title>{html.escape(tip)}</title><rect x="{left:.1f}" y="1" '
                f'width="{max(right - left, 1):.1f}" height="8" rx="2" fill="{fill}" '
                f'stroke="#8c8c8c" stroke-width="{0 if label else 1}"/>'
            )
            # Colour alone tells nobody anything: the word stands there, once, wherever it fits.
            word = label or "?"
            room = min(piece.x(starts[number]), piece.width) - max(left, 0.0)
            if number not in named and room > _LETTER * len(word):
                named.add(number)
                yield f'<text x="{max(left, 0):.1f}" y="{_STRIP - 4}">{html.escape(word)}</text>'
            yield "</g>"

    def _areas(self, piece: _Piece) -> Iterator[str]:
        for run in self.runs():
            times = [each["end"] for each in run]
            # A single result is a moment; it is drawn as long as the stretch that it speaks of.
            if len(run) == 1:
                run, times = run * 2, [run[0]["start"], run[0]["end"]]
            if times[-1] <= piece.start or times[0] >= piece.end:
                continue
            # One more on each side: the areas go on in the pieces beside.
            first = max(bisect_right(times, piece.start) - 1, 0)
            last = bisect_left(times, piece.end) + 1
            run, times = run[first:last], times[first:last]
            base = [0.0] * len(run)
            for label in self.labels:
                top = [
                    b + each["scores"].get(label, 0.0) for b, each in zip(base, run, strict=True)
                ]
                there = [f"{piece.x(t):.1f},{_y(v):.1f}" for t, v in zip(times, top, strict=True)]
                back = [f"{piece.x(t):.1f},{_y(v):.1f}" for t, v in zip(times, base, strict=True)]
                yield f'<path fill="{colour_of(label)}" d="M{"L".join(there + back[::-1])}Z"/>'
                base = top

    def _axis(self, piece: _Piece, length: int) -> Iterator[str]:
        step = next(each for each in _TICKS if length / each <= _TICKS_A_PIECE)
        for tick in range(int(piece.start), math.ceil(piece.end), step):
            x = piece.x(tick)
            if tick == piece.start or x < piece.width - _LETTER * 5:
                yield f'<text x="{x:.1f}" y="{_STRIP + _AREA + _AXIS - 6}">{_clock(tick)}</text>'


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of a recording, and where it is drawn."""

    start: float
    end: float
    scale: float
    """Pixels a second."""

    @property
    def width(self) -> float:
        return (self.end - self.start) * self.scale

    def x(self, seconds: float) -> float:
        return (seconds - self.start) * self.scale


def page_of(timelines: Sequence[Timeline]) -> str:
    """Return a page of its own with these timelines, which asks no other host for anything."""
    sections = "".join(timeline.html() for timeline in timelines)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>How it sounds – affectd</title><style>{_BODY}{_STYLE}"
        f"{_DARK}</style></head><body><main><h1>How it sounds</h1>"
        f"{sections}</main></body></html>\n"
    )


def _said(result: Mapping[str, Any]) -> str:
    return str(result["label"]) if result["label"] else f"({reason(result['abstained'])})"


def _y(share: float) -> float:
    return _STRIP + _AREA * (1 - min(share, 1.0))


def _clock(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
