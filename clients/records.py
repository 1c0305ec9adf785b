"""Utterances as records, for programs: JSON lines, CSV, Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from affectd.clients.timeline import Timeline

__all__ = ["csv_of", "flat_records", "json_lines_of", "records"]

_FIELDS = ("start", "end", "label", "abstained", "confidence", "scores", "valence", "arousal")


def records(timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Yield a record an utterance: its path and what the wire says of it, times left out."""
    for each in timeline.utterances:
        kept = {name: each[name] for name in (*_FIELDS, "snr_db")}
        yield {"path": timeline.name, **kept}


def flat_records(timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Yield the same with a column ``score_…`` a label, as tables want it."""
    for record in records(timeline):
        scores: Mapping[str, float] = record.pop("scores")
        yield record | {f"score_{label}": scores[label] for label in timeline.labels}


def json_lines_of(timelines: Iterable[Timeline]) -> str:
    """Return one JSON object a line."""
    lines = (record for timeline in timelines for record in records(timeline))
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def csv_of(timelines: Iterable[Timeline]) -> str:
    """Return comma-separated values (RFC 4180) with a header."""
    timelines = list(timelines)
    names = ["path", *(name for name in _FIELDS if name != "scores"), "snr_db"]
    names += [f"score_{label}" for label in timelines[0].labels] if timelines else []
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    for timeline in timelines:
        writer.writerows(flat_records(timeline))
    return out.getvalue()
