"""The official layouts of the corpora whose audio has to be asked for or is large.

As in `affectd.models.layouts`, from which the terms are the same: every walker takes the corpus's
folder and yields its clips with an empty licence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from affectd.models.clips import Clip
from affectd.models.layouts import RAVDESS_EMOTIONS, LayoutError, audio_files

__all__ = ["esd", "iemocap", "jl_corpus", "ravdess_song", "savee"]

_SONG = re.compile(
    r"03-02-(?P<emotion>0[1-6])-(?P<intensity>0[12])-(?P<text>0[12])-0[12]-(?P<actor>[0-2]\d)"
)


def ravdess_song(folder: Path) -> Iterator[Clip]:
    """Yield the songs of RAVDESS, audio only; its speech and videos are passed over."""
    for path in audio_files(folder):
        if match := _SONG.fullmatch(path.stem):
            native, label = RAVDESS_EMOTIONS[match["emotion"]]
            yield Clip(
                corpus="ravdess-song",
                name=path.stem,
                path=path,
                speaker=match["actor"],
                sex="male" if int(match["actor"]) % 2 else "female",
                label=label,
                native=native,
                licence="",
                intensity="normal" if match["intensity"] == "01" else "strong",
            )


# The official folders are the speakers; a common mirror writes the speaker before the name.
_SAVEE = re.compile(r"(?:(?P<speaker>DC|JE|JK|KL)_)?(?P<emotion>sa|su|[adfhn])(?P<number>\d\d)")
_SAVEE_SPEAKERS = frozenset({"DC", "JE", "JK", "KL"})
_SAVEE_EMOTIONS = {
    "a": ("anger", "angry"),
    "d": ("disgust", "disgust"),
    "f": ("fear", "fearful"),
    "h": ("happiness", "happy"),
    "n": ("neutral", "neutral"),
    "sa": ("sadness", "sad"),
    "su": ("surprise", "surprised"),
}


def savee(folder: Path) -> Iterator[Clip]:
    """Yield SAVEE: four men; the name of a clip is that of its speaker and its own."""
    for path in audio_files(folder):
        match = _SAVEE.fullmatch(path.stem)
        if match is None:
            continue
        speaker = match["speaker"] or path.parent.name
        if speaker not in _SAVEE_SPEAKERS:
            continue
        native, label = _SAVEE_EMOTIONS[match["emotion"]]
        yield Clip(
            corpus="savee",
            name=f"{speaker}_{match['emotion']}{match['number']}",
            path=path,
            speaker=speaker,
            sex="male",
            label=label,
            native=native,
            licence="",
        )


_IEMOCAP_CLIP = re.compile(r"(?P<session>Ses0[1-5])[FM]_\w+_(?P<sex>[FM])\d{3}")
_IEMOCAP_LINE = re.compile(
    r"\[\d+\.\d+ - \d+\.\d+\]\t(?P<clip>Ses0[1-5][FM]_\w+_[FM]\d{3})\t(?P<emotion>[a-z]{3})\t.*"
)
_IEMOCAP_LABELS = {
    "ang": "angry",
    "dis": "disgust",
    "exc": "happy",
    "fea": "fearful",
    "hap": "happy",
    "neu": "neutral",
    "sad": "sad",
    "sur": "surprised",
}
"""Excited counts as happy, as most who report on this corpus have it; frustrated, other, and what
its listeners did not agree on have none of the seven labels."""


def iemocap(folder: Path) -> Iterator[Clip]:
    """Yield IEMOCAP's utterances with the emotion that its listeners agreed on.

    Raises:
        LayoutError: there are utterances but no evaluation of them, or one cannot be read.
    """
    emotions: dict[str, str] = {}
    for table in sorted(folder.glob("Session[1-5]/dialog/EmoEvaluation/Ses*.txt")):
        try:
            text = table.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LayoutError(f"{table} cannot be read: {error}") from None
        emotions |= {
            match["clip"]: match["emotion"]
            for line in text.splitlines()
            if (match := _IEMOCAP_LINE.fullmatch(line.strip()))
        }
    for path in audio_files(folder):
        match = _IEMOCAP_CLIP.fullmatch(path.stem)
        if match is None:
            continue
        if not emotions:
            raise LayoutError(
                f"{folder} has utterances but no evaluations: expected are Session1/dialog/"
                "EmoEvaluation/Ses01F_impro01.txt and the like"
            )
        native = emotions.get(path.stem)
        if native is not None:
            yield Clip(
                corpus="iemocap",
                name=path.stem,
                path=path,
                speaker=f"{match['session']}{match['sex']}",
                sex="female" if match["sex"] == "F" else "male",
                label=_IEMOCAP_LABELS.get(native),
                native=native,
                licence="",
            )


_ESD = re.compile(r"(?P<speaker>00(?:0[1-9]|1\d|20))_\d{6}")
_ESD_LABELS = {
    "Angry": "angry",
    "Happy": "happy",
    "Neutral": "neutral",
    "Sad": "sad",
    "Surprise": "surprised",
}


def esd(folder: Path) -> Iterator[Clip]:
    """Yield ESD, Mandarin (speakers 0001 to 0010) and English (0011 to 0020).

    The emotion is a folder's name, with or without the official parts of it below.
    """
    for path in audio_files(folder):
        match = _ESD.fullmatch(path.stem)
        native = next((part for part in reversed(path.parts) if part in _ESD_LABELS), None)
        if match is not None and native is not None:
            yield Clip(
                corpus="esd",
                name=path.stem,
                path=path,
                speaker=match["speaker"],
                sex=None,
                label=_ESD_LABELS[native],
                native=native,
                licence="",
            )


_JL = re.compile(
    r"(?P<sex>female|male)(?P<number>[12])_(?P<emotion>[a-z]+)_(?P<text>\d+[ab])_(?P<take>\d)"
)
_JL_LABELS = {
    "angry": "angry",
    "excited": "happy",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
}
"""Excited counts as happy; the five secondary emotions (anxious, apologetic, assertive, concerned,
encouraging) have none of the seven labels."""


def jl_corpus(folder: Path) -> Iterator[Clip]:
    """Yield the JL-Corpus."""
    for path in audio_files(folder):
        if match := _JL.fullmatch(path.stem):
            yield Clip(
                corpus="jl-corpus",
                name=path.stem,
                path=path,
                speaker=f"{match['sex']}{match['number']}",
                sex="female" if match["sex"] == "female" else "male",
                label=_JL_LABELS.get(match["emotion"]),
                native=match["emotion"],
                licence="",
                text=match["text"],
            )
