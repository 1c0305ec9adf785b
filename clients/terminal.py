"""The live view of a terminal: what is heard now, with which emotion, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from affectd.clients.overview import Overview, StreamState
from affectd.clients.palette import bar, colour_of, profile
from affectd.clients.wording import clock, printable, reason

__all__ = ["TerminalView"]

_WIDE_COLUMNS = 104
_NARROWEST_BAR = 8
_WIDEST_BAR = 48
_SPARKS = 24
_LINES_ROUND_STREAMS = 5  # header, two rules, footer, notice


class TerminalView:
    """Draws an overview for whatever room a console has.

    Args:
        overview: What to draw; it is read anew with every drawing.
    """

    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        overview = self._overview
        width = options.max_width
        room = max((options.height or 40) - _LINES_ROUND_STREAMS, 1)
        yield _header(overview)
        yield Rule(style="dim")
        over = [stream for stream in overview.streams.values() if stream.over]
        streams = [stream for stream in overview.streams.values() if not stream.over]
        if not streams:  # then what was heard last may have all the room
            streams, over = over, []
        if not streams:
            yield Text(_empty(overview), "italic")
        each = (room - len(over)) // max(len(streams), 1)
        whole = all(each >= _needed(stream) for stream in streams)
        for stream in streams if whole else ():
            yield _stream(stream, width, each)
        if not whole:
            yield _compact(streams[:room], width)
            room -= len(streams)
        for stream in over[: max(room, 0)]:
            yield Text.assemble(
                printable(stream.name), "  ", _over(stream), no_wrap=True, overflow="ellipsis"
            )
        yield Rule(style="dim")
        yield from _footer(overview)


def _header(overview: Overview) -> RenderableType:
    mark = "●" if overview.status == "connected" else "○"
    table = Table.grid(expand=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_row(
        Text.assemble(("affectd", "bold"), "  ", printable(overview.address)),
        f"{mark} {overview.status}",
    )
    return table


def _empty(overview: Overview) -> str:
    if overview.status != "connected":
        return "Connecting …"
    return "Waiting for the next sound." if overview.utterances else "Waiting for the first sound."


def _footer(overview: Overview) -> Iterator[RenderableType]:
    known = [printable(overview.server), f"model {printable(overview.model)}"]
    parts = known if overview.server else []
    if overview.age_ms:
        last, p95 = overview.age_ms
        parts.append(f"age {last:.1f} ms, p95 {p95:.1f} ms")
    parts += _health(overview)
    yield Text(" · ".join(parts), no_wrap=True, overflow="ellipsis")
    if overview.notice:
        yield Text(f"! {overview.notice}", "bold")


def _health(overview: Overview) -> Iterator[str]:
    """Yield how the devices and the engine are, once there is a stream."""
    streams = overview.streams.values()
    if not streams:
        return
    ill = [f"{printable(each.name)} {printable(each.device)}" for each in streams if each.device]
    yield f"device {', '.join(ill)}" if ill else "device well"
    behind = [printable(each.name) for each in streams if each.load]
    yield f"load degraded ({', '.join(behind)})" if behind else "load well"


def _needed(stream: StreamState) -> int:
    return len(stream.labels) + 4 + len(stream.notices) + bool(stream.over)


def _over(stream: StreamState) -> Text:
    """How a stream ended: that it failed must be seen, that it is over need not."""
    return Text(f"! {stream.over}", "bold") if stream.failed else Text(stream.over, "dim")


def _stream(stream: StreamState, width: int, height: int) -> RenderableType:
    notices = [Text(f"! {notice}", "bold") for notice in stream.notices.values()]
    notices += [_over(stream)] if stream.over else []
    if width >= _WIDE_COLUMNS:
        grid = Table.grid(expand=True, padding=(0, 3))
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        rows = height - len(notices)
        half = (width - 3) // 2
        grid.add_row(_now(stream, half), _past(stream, half, rows))
        return Group(grid, *notices)
    rows = height - _needed(stream) - 1
    past = ("", _past(stream, width, rows)) if rows > 1 else ()
    return Group(_now(stream, width), *past, *notices)


def _now(stream: StreamState, width: int) -> RenderableType:
    mark = "● speech" if stream.speaking else "○ no speech"
    head = Table.grid(expand=True)
    head.add_column(no_wrap=True, overflow="ellipsis")
    head.add_column(justify="right", no_wrap=True)
    head.add_row(Text(printable(stream.name), "bold"), mark)
    return Group(head, "", _headline(stream), "", _bars(stream, width))


def _headline(stream: StreamState) -> Text:
    result = stream.result
    if result is None:
        return Text("listening", "italic")
    text = Text(no_wrap=True, overflow="ellipsis")
    label = result.get("label")
    leading = _leading(result)
    if label:
        text.append("■ ", colour_of(label))
        text.append(" ".join(printable(label).upper()), "bold" if stream.speaking else "")
        text.append(f"   {_percent(result)} sure")
    else:
        text.append("□ ")
        text.append(reason(result.get("abstained")), "bold" if stream.speaking else "")
        text.append(f"   perhaps {printable(leading)}, {result['scores'].get(leading, 0.0):.0%}")
    if not stream.speaking:
        text.append("   (last heard)", "dim")
    return text


def _bars(stream: StreamState, width: int) -> RenderableType:
    result = stream.result
    scores: Mapping[str, float] = result["scores"] if result else {}
    leading = _leading(result)
    longest = max((len(label) for label in stream.labels), default=0)
    room = width - longest - 9
    # How it came to be, where there is room for more than the bars.
    sparks = min(_SPARKS, room - 2 * _NARROWEST_BAR) if room >= 3 * _NARROWEST_BAR else 0
    columns = min(max(room - sparks - bool(sparks), _NARROWEST_BAR), _WIDEST_BAR)
    course = list(stream.course)[-sparks:] if sparks else []
    grid = Table.grid()
    grid.add_column(width=longest + 3, no_wrap=True)
    grid.add_column(width=columns, no_wrap=True)
    grid.add_column(width=5, justify="right", no_wrap=True)
    if sparks:
        grid.add_column(width=sparks + 1, justify="right", no_wrap=True)
    for label in stream.labels:
        share = scores.get(label, 0.0)
        leads = label == leading
        style = "bold" if leads and stream.speaking else ""
        grid.add_row(
            Text(("▸ " if leads else "  ") + printable(label), style),
            Text(bar(share, columns), colour_of(label)),
            Text(f"{share:.0%}" if result else "", style),
            *([Text(profile([each.get(label, 0.0) for each in course]), "dim")] if sparks else []),
        )
    return grid


def _past(stream: StreamState, width: int, rows: int) -> RenderableType:
    """The last utterances, the newest first."""
    latest = list(stream.utterances)[-(rows - 1) :][::-1]
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_column(no_wrap=True)
    heading = ("time", "long", "emotion", "sure", "profile" if width >= 48 else "")
    grid.add_row(*(Text(each, "dim") for each in heading))
    for event in latest:
        label = event.get("label")
        said = Text.assemble(("■ ", colour_of(label)), printable(label)) if label else Text()
        if not label:
            said.append(f"□ {reason(event.get('abstained'))}")
        scores = [event["scores"].get(each, 0.0) for each in stream.labels]
        grid.add_row(
            clock(event),
            f"{event['end'] - event['start']:.1f} s",
            said,
            _percent(event),
            profile(scores) if width >= 48 else "",
        )
    return grid


def _compact(streams: list[StreamState], width: int) -> RenderableType:
    """One line a stream, where there are too many for more."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, max_width=width // 3, overflow="ellipsis")
    for _ in range(4):
        grid.add_column(no_wrap=True, overflow="ellipsis")
    for stream in streams:
        result = stream.result
        tail = Text("".join(f"  ! {each}" for each in stream.notices.values()))
        if stream.over:
            tail.append("  ").append_text(_over(stream))
        label = result.get("label") if result else None
        said = printable(label) if label else reason(result.get("abstained")) if result else ""
        scores = [result["scores"].get(each, 0.0) for each in stream.labels] if result else []
        grid.add_row(
            Text(printable(stream.name)),
            "●" if stream.speaking else "○",
            Text.assemble(("■ " if label else "□ ", colour_of(label)), said),
            _percent(result) if result else "",
            Text(profile(scores)).append_text(tail),
        )
    return grid


def _leading(result: Mapping[str, Any] | None) -> str:
    """Return the label that is shown, or would be."""
    if result is None:
        return ""
    scores: Mapping[str, float] = result["scores"]
    return str(result.get("label") or max(scores, key=scores.__getitem__, default=""))


def _percent(result: Mapping[str, Any]) -> str:
    return f"{result['confidence']:.0%}"
