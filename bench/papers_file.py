"""The figures of the papers' systems as they are kept: read and written without PyTorch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from affectd.models.replacing import replacing

__all__ = ["FOLDS_CORPUS", "Papers", "kept", "save"]

FOLDS_CORPUS = "ravdess"
"""Whose published folds the systems are scored on."""
Papers = dict[str, Any]
"""A system's row."""


def kept(path: Path) -> dict[str, Papers]:
    """Return the rows that `save` wrote, by system; none where there is no such file.

    Raises:
        ValueError: it holds something else.
    """
    if not path.exists():
        return {}
    try:
        return {each["system"]: each for each in json.loads(path.read_text("utf-8"))["systems"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no table of the papers' systems: {error!r}") from None


def save(rows: Iterable[Papers], machine: dict[str, Any], path: Path) -> None:
    """Write the table as JSON; the file is the old one or the new one, whole."""
    told = {
        "benchmark": "papers",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "systems": list(rows),
    }
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
