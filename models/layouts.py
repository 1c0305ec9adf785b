"""The official layout of each corpus: from file names to clips.

Every walker takes the corpus's folder and yields its clips in any order, with an empty licence;
`affectd.models.corpora` gives them their terms. Any extension that libsndfile reads will do. Files
that the layout does not know are passed over.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from affectd.models.clips import AUDIO_SUFFIXES, Clip, Sex

__all__ = [
    "RAVDESS_EMOTIONS",
    "LayoutError",
    "audio_files",
    "crema_d",
    "emodb",
    "esc10",
    "nemo",
    "ravdess",
    "tess",
]


class LayoutError(ValueError):
    """A file that a layout rests on is missing or reads otherwise than it should."""


def audio_files(folder: Path) -> Iterator[Path]:
    """Yield every sound file of a folder and those below, in the order of their names."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith("."):
            yield path


_RAVDESS = re.compile(
    r"03-01-(?P<emotion>0[1-8])-(?P<intensity>0[12])-(?P<text>0[12])-0[12]-"
    r"(?P<actor>[0-2]\d)"
)
RAVDESS_EMOTIONS = {
    "01": ("neutral", "neutral"),
    "02": ("calm", "neutral"),
    "03": ("happy", "happy"),
    "04": ("sad", "sad"),
    "05": ("angry", "angry"),
    "06": ("fearful", "fearful"),
    "07": ("disgust", "disgust"),
    "08": ("surprised", "surprised"),
}
_RAVDESS_TEXTS = {
    "01": "Kids are talking by the door.",
    "02": "Dogs are sitting by the door.",
}


def ravdess(folder: Path) -> Iterator[Clip]:
    """Yield the speech of RAVDESS, audio only; its songs and videos are passed over."""
    for path in audio_files(folder):
        if match := _RAVDESS.fullmatch(path.stem):
            native, label = RAVDESS_EMOTIONS[match["emotion"]]
            yield Clip(
                corpus="ravdess",
                name=path.stem,
                path=path,
                speaker=match["actor"],
                sex="male" if int(match["actor"]) % 2 else "female",
                label=label,
                native=native,
                licence="",
                text=_RAVDESS_TEXTS[match["text"]],
                intensity="normal" if match["intensity"] == "01" else "strong",
            )


# One file of the official release is called OA_bite_neutral.
_TESS = re.compile(
    r"(?P<speaker>OAF|OA|YAF)_(?P<word>.+)_(?P<emotion>angry|disgust|fear|happy|neutral|ps|sad)"
)
_TESS_LABELS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprised",
    "sad": "sad",
}


def tess(folder: Path) -> Iterator[Clip]:
    """Yield TESS; ``ps`` is pleasant surprise."""
    for path in audio_files(folder):
        if match := _TESS.fullmatch(path.stem):
            yield Clip(
                corpus="tess",
                name=path.stem,
                path=path,
                speaker="YAF" if match["speaker"] == "YAF" else "OAF",
                sex="female",
                label=_TESS_LABELS[match["emotion"]],
                native=match["emotion"],
                licence="",
                text=f"Say the word {match['word']}.",
            )


_EMODB = re.compile(r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[WLEAFTN])[a-z]?")
_EMODB_MEN = frozenset({"03", "10", "11", "12", "15"})
_EMODB_EMOTIONS = {
    "W": ("anger", "angry"),
    "L": ("boredom", None),
    "E": ("disgust", "disgust"),
    "A": ("fear", "fearful"),
    "F": ("happiness", "happy"),
    "T": ("sadness", "sad"),
    "N": ("neutral", "neutral"),
}


def emodb(folder: Path) -> Iterator[Clip]:
    """Yield EmoDB; boredom has none of the seven labels."""
    for path in audio_files(folder):
        if match := _EMODB.fullmatch(path.stem):
            native, label = _EMODB_EMOTIONS[match["emotion"]]
            yield Clip(
                corpus="emodb",
                name=path.stem,
                path=path,
                speaker=match["speaker"],
                sex="male" if match["speaker"] in _EMODB_MEN else "female",
                label=label,
                native=native,
                licence="",
                text=match["text"],
            )


_NEMO_LABELS = {
    "anger": "angry",
    "fear": "fearful",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprised": "surprised",
}
_NEMO_COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id", "gender")


def nemo(folder: Path) -> Iterator[Clip]:
    """Yield nEMO, as its table says; a file that the table does not name is passed over.

    Raises:
        LayoutError: ``data.tsv`` is missing or lacks a column.
    """
    rows = {Path(row.get("file_id", "")).stem: row for row in _table(folder / "data.tsv", "\t")}
    if rows and (
        missing := [name for name in _NEMO_COLUMNS if name not in next(iter(rows.values()))]
    ):
        raise LayoutError(f"{folder / 'data.tsv'} has no column {missing[0]!r}")
    for path in audio_files(folder):
        row = rows.get(path.stem)
        if row is not None and row["emotion"] in _NEMO_LABELS:
            yield Clip(
                corpus="nemo",
                name=path.stem,
                path=path,
                speaker=row["speaker_id"],
                sex=_sex(row["gender"]),
                label=_NEMO_LABELS[row["emotion"]],
                native=row["emotion"],
                licence="",
                text=row["raw_text"],
            )


_CREMA_D = re.compile(
    r"(?P<actor>1\d{3})_(?P<text>[A-Z]{3})_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?P<level>[A-Z]{1,2})"
)
_CREMA_D_LABELS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
CREMA_D_LOGMEL = "logmel64.npz"
"""CREMA-D's log-mel features; `affectd.models.features` knows how to read them."""


def crema_d(folder: Path) -> Iterator[Clip]:
    """Yield CREMA-D from its audio where that is present, else from its log-mel features.

    The actors' sexes stand in ``VideoDemographics.csv``; without it they are unknown.

    Raises:
        LayoutError: the log-mel file cannot be read.
    """
    table = folder / "VideoDemographics.csv"
    sexes = (
        {row.get("ActorID", ""): _sex(row.get("Sex", "")) for row in _table(table, ",")}
        if table.exists()
        else {}
    )
    found: dict[str, tuple[Path, int | None]] = {}
    features = folder / CREMA_D_LOGMEL
    if features.exists():
        try:
            with np.load(features, allow_pickle=False) as arrays:
                names = [str(name) for name in arrays["clip"]]
        except (ValueError, KeyError, OSError) as error:
            raise LayoutError(f"{features} is no file of log-mel features: {error}") from None
        found = {name: (features, row) for row, name in enumerate(names)}
    found |= {path.stem: (path, None) for path in audio_files(folder)}
    for name, (path, row) in found.items():
        if match := _CREMA_D.fullmatch(name):
            yield Clip(
                corpus="crema-d",
                name=name,
                path=path,
                row=row,
                speaker=match["actor"],
                sex=sexes.get(match["actor"]),
                label=_CREMA_D_LABELS[match["emotion"]],
                native=match["emotion"],
                licence="",
                text=match["text"],
                intensity=match["level"],
            )


def esc10(folder: Path) -> Iterator[Clip]:
    """Yield ESC-10's noises: the kind, which is the folder's name, stands as the native emotion.

    The fold, which ESC-50 writes before the recording's number, stands as the speaker: what one
    person recorded is in one fold.
    """
    for path in audio_files(folder):
        yield Clip(
            corpus="noise/esc10",
            name=f"{path.parent.name}/{path.stem}",
            path=path,
            speaker=path.stem.partition("-")[0],
            sex=None,
            label=None,
            native=path.parent.name,
            licence="",
        )


def _table(path: Path, delimiter: str) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return [
                {str(key).strip(): str(value).strip() for key, value in row.items()}
                for row in csv.DictReader(lines, delimiter=delimiter)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LayoutError(f"{path} cannot be read: {error}") from None


def _sex(text: str) -> Sex | None:
    folded = text.lower()
    return "female" if folded == "female" else "male" if folded == "male" else None
