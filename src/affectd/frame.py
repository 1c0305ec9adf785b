"""Utterances as a pandas data frame; imported only where one is asked for."""

from __future__ import annotations

from typing import Any

import pandas

from affectd.clients.records import flat_records, records
from affectd.clients.timeline import Timeline

__all__ = ["TimelineFrame", "parquet_bytes"]


class TimelineFrame(pandas.DataFrame):
    """A row an utterance; a notebook shows it as a timeline.

    A selection of it is an ordinary data frame.
    """

    _metadata = ("_timeline",)
    _timeline: Timeline | None

    @classmethod
    def of(cls, timeline: Timeline) -> TimelineFrame:
        """Make one of what was heard in a file."""
        names = ["path", "start", "end", "label", "abstained", "confidence", "scores"]
        frame = cls(list(records(timeline)), columns=[*names, "valence", "arousal", "snr_db"])
        frame._timeline = timeline
        return frame

    @property
    def _constructor(self) -> type[pandas.DataFrame]:
        return pandas.DataFrame

    def _repr_html_(self) -> str | None:
        timeline: Any = getattr(self, "_timeline", None)
        table: Any = super()
        return timeline._repr_html_() if timeline else table._repr_html_()  # type: ignore[no-any-return]


def parquet_bytes(timelines: list[Timeline]) -> bytes:
    """Return an Apache Parquet file with a row an utterance."""
    rows = [row for timeline in timelines for row in flat_records(timeline)]
    data: bytes = pandas.DataFrame(rows).to_parquet(index=False, engine="pyarrow")
    return data
