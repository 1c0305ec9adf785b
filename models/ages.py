"""How old the speakers of a corpus were, where that was published."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

__all__ = ["AGE_GROUPS", "age_group", "ages"]

_PUBLISHED: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        # F. Burkhardt et al., "A Database of German Emotional Speech", Interspeech 2005, and the
        # corpus's page.
        "emodb": {
            "03": 31,
            "08": 34,
            "09": 21,
            "10": 32,
            "11": 26,
            "12": 30,
            "13": 32,
            "14": 35,
            "15": 25,
            "16": 31,
        },
        # K. Dupuis and M. K. Pichora-Fuller, "Toronto emotional speech set", 2010.
        "tess": {"OAF": 64, "YAF": 26},
    }
)
_TABLES = MappingProxyType(
    {
        "nemo": ("data.tsv", "\t", "speaker_id", "age"),
        "crema-d": ("VideoDemographics.csv", ",", "ActorID", "Age"),
    }
)
AGE_GROUPS: tuple[str, ...] = ("under 30", "30 to 44", "45 and over")


def ages(corpus: str, folder: Path) -> dict[str, int]:
    """Return the speakers' ages in years; empty where nobody told.

    Args:
        corpus: The corpus's name.
        folder: Where it lies; a table that is missing tells nothing.
    """
    if corpus in _PUBLISHED:
        return dict(_PUBLISHED[corpus])
    name, delimiter, speaker, age = _TABLES.get(corpus, ("", "", "", ""))
    table = folder / name
    if not name or not table.is_file():
        return {}
    found: dict[str, int] = {}
    with table.open(encoding="utf-8-sig", newline="") as lines:
        for row in csv.DictReader(lines, delimiter=delimiter):
            told = (row.get(age) or "").strip()
            if told.isdecimal():
                found[(row.get(speaker) or "").strip()] = int(told)
    return found


def age_group(years: int) -> str:
    """Return which of `AGE_GROUPS` somebody belongs to."""
    return AGE_GROUPS[(years >= 30) + (years >= 45)]
