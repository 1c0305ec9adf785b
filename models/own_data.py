"""Anyone's own data: a folder per label, or a manifest."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from affectd.models.clips import Clip, Sex
from affectd.models.labels import LABELS
from affectd.models.layouts import LayoutError, audio_files

__all__ = ["MANIFEST", "OWN", "own_label", "walk_own"]

OWN = "own"
"""A corpus of this name, or of one that begins with it and a hyphen, is one's own."""
MANIFEST = "manifest.csv"
LAYOUT = (
    f"{MANIFEST} with the columns path and label (and speaker, sex, text where known), "
    "or one folder per label with sound files in it"
)

_SYNONYMS = {
    "anger": "angry",
    "calm": "neutral",
    "disgusted": "disgust",
    "fear": "fearful",
    "happiness": "happy",
    "joy": "happy",
    "neutrality": "neutral",
    "sadness": "sad",
    "surprise": "surprised",
}


def own_label(native: str) -> str | None:
    """Return which of the seven labels a word means, `None` where it is none of them."""
    word = native.strip().lower()
    return word if word in LABELS else _SYNONYMS.get(word)


def walk_own(folder: Path, *, corpus: str) -> Iterator[Clip]:
    """Yield one's own clips.

    With a manifest, its rows count and nothing else; a path in it is relative to its folder. The
    speaker is unknown where there is no such column: every clip then counts as one of its own
    speaker, so that no split can promise that a speaker is unseen who is not.

    Args:
        folder: Holds ``manifest.csv``, or a folder per label.
        corpus: The name of the corpus.

    Raises:
        LayoutError: the manifest cannot be read, is not separated by commas, lacks a column, has
            no rows, or names a file that is missing.
    """
    if (folder / MANIFEST).exists():
        yield from _of_manifest(folder / MANIFEST, corpus)
        return
    for path in audio_files(folder):
        parts = path.relative_to(folder).parts
        if len(parts) < 2:
            continue
        name = "/".join((*parts[:-1], path.stem))
        yield _clip(corpus, name, path, native=parts[0], speaker=name, sex=None, text=None)


def _of_manifest(manifest: Path, corpus: str) -> Iterator[Clip]:
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            columns = [name.strip() for name in reader.fieldnames or ()]
            rows = [
                {str(key).strip(): (value or "").strip() for key, value in row.items() if key}
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LayoutError(f"{manifest} cannot be read: {error}") from None
    for mark, called in ((";", "';'"), ("\t", "tabs")):
        if len(columns) == 1 and mark in columns[0]:
            raise LayoutError(f"{manifest} seems to be separated by {called}: commas are wanted")
    for needed in ("path", "label"):
        if needed not in columns:
            raise LayoutError(
                f"{manifest} has no column {needed!r}; found are {', '.join(columns) or 'none'}"
            )
    if not rows:
        raise LayoutError(f"{manifest} has no rows, but a header alone")
    for number, row in enumerate(rows, 2):
        path = manifest.parent / row["path"]
        if not row["path"] or not path.is_file():
            raise LayoutError(f"{manifest}, line {number}: no file {path}")
        sex = row.get("sex", "").lower()
        known: Sex | None = "female" if sex == "female" else "male" if sex == "male" else None
        yield _clip(
            corpus,
            row["path"],
            path,
            native=row["label"],
            speaker=row.get("speaker") or row["path"],
            sex=known,
            text=row.get("text") or None,
        )


def _clip(
    corpus: str,
    name: str,
    path: Path,
    *,
    native: str,
    speaker: str,
    sex: Sex | None,
    text: str | None,
) -> Clip:
    return Clip(
        corpus=corpus,
        name=name,
        path=path,
        speaker=speaker,
        sex=sex,
        label=own_label(native),
        native=native,
        licence="",
        text=text,
    )


def walker(corpus: str) -> partial[Iterator[Clip]]:
    """Return the walker of one's own corpus of that name."""
    return partial(walk_own, corpus=corpus)
