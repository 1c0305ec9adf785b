"""Where the corpora lie and how each one lays out its files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from affectd.models import further_layouts, layouts, own_data
from affectd.models.clips import Clip
from affectd.models.labels import LABELS
from affectd.models.spelling import nearest

__all__ = ["CORPORA", "NOISE", "Corpus", "CorpusError", "Listing", "corpora_folder", "corpus_named"]

VARIABLE = "AFFECTD_CORPORA"


class CorpusError(ValueError):
    """A corpus cannot be used; the message says what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What was found of a corpus."""

    corpus: Corpus
    clips: tuple[Clip, ...]
    """In the order of their names, those without one of the seven labels included."""

    @property
    def complete(self) -> bool:
        """Whether no clip of the published corpus is missing."""
        return len(self.clips) >= self.corpus.published_clips

    @property
    def labelled(self) -> tuple[Clip, ...]:
        """The clips whose emotion is one of the seven labels."""
        return tuple(clip for clip in self.clips if clip.label in LABELS)

    @property
    def unlabelled_own(self) -> dict[str, int]:
        """How many clips of one's own data have each label that is none of the seven.

        What published corpora have beside the seven is known, and nobody's mistake.
        """
        if self.corpus.published_clips:
            return {}
        return dict(Counter(clip.native for clip in self.clips if clip.label not in LABELS))

    def __str__(self) -> str:
        speakers = len({clip.speaker for clip in self.clips})
        of = "" if self.complete else f" of the {self.corpus.published_clips} published"
        return f"{self.corpus.name}: {len(self.clips)} clips{of}, {speakers} speakers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A corpus: its terms, its size and its official layout."""

    name: str
    """Also the name of its folder below the corpora's folder."""
    language: str
    licence: str
    published_clips: int
    layout: str
    """How the official layout looks below the corpus's folder, in words."""
    walk: Callable[[Path], Iterator[Clip]]
    """Yields the clips of a folder; the licence is filled in by `list`."""

    def list(self, corpora: Path) -> Listing:
        """Return the clips of this corpus.

        Args:
            corpora: The folder that holds one folder per corpus.

        Raises:
            CorpusError: the corpus's folder is missing, holds no clip, or is laid out otherwise.
        """
        folder = corpora / self.name
        if not folder.is_dir():
            raise CorpusError(
                f"corpus {self.name}: no folder {folder}; expected there is {self.layout}"
            )
        try:
            found = {clip.name: replace(clip, licence=self.licence) for clip in self.walk(folder)}
        except layouts.LayoutError as error:
            raise CorpusError(f"corpus {self.name}: {error}") from None
        if not found:
            entries = sorted(entry.name for entry in folder.iterdir())
            shown = ", ".join(entries[:3]) + (", …" if len(entries) > 3 else "")
            raise CorpusError(
                f"corpus {self.name}: expected in {folder} is {self.layout}; found "
                f"{f'{len(entries)} entries, none of them so ({shown})' if entries else 'nothing'}"
            )
        return Listing(self, tuple(found[name] for name in sorted(found)))


CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="ravdess",
            language="English",
            licence="CC BY-NC-SA 4.0",
            published_clips=1_440,
            layout="Actor_01/03-01-01-01-01-01-01.wav to Actor_24/…",
            walk=layouts.ravdess,
        ),
        Corpus(
            name="tess",
            language="English",
            licence="CC BY-NC-ND 4.0",
            published_clips=2_800,
            layout="OAF_angry/OAF_back_angry.wav and the like",
            walk=layouts.tess,
        ),
        Corpus(
            name="emodb",
            language="German",
            licence="CC0 1.0",
            published_clips=535,
            layout="wav/03a01Fa.wav and the like",
            walk=layouts.emodb,
        ),
        Corpus(
            name="nemo",
            language="Polish",
            licence="CC BY-NC-SA 4.0",
            published_clips=4_481,
            layout="data.tsv and samples/EB0_anger_1.wav and the like",
            walk=layouts.nemo,
        ),
        Corpus(
            name="crema-d",
            language="English",
            licence="ODbL 1.0",
            published_clips=7_442,
            layout="AudioWAV/1001_DFA_ANG_XX.wav and the like, or logmel64.npz",
            walk=layouts.crema_d,
        ),
        Corpus(
            name="ravdess-song",
            language="English",
            licence="CC BY-NC-SA 4.0",
            published_clips=1_012,
            layout="Actor_01/03-02-01-01-01-01-01.wav to Actor_24/…",
            walk=further_layouts.ravdess_song,
        ),
        Corpus(
            name="savee",
            language="English",
            licence="SAVEE's own: research only",
            published_clips=480,
            layout="AudioData/DC/a01.wav and the like, or DC_a01.wav",
            walk=further_layouts.savee,
        ),
        Corpus(
            name="iemocap",
            language="English",
            licence="IEMOCAP's own: research only",
            published_clips=10_039,
            layout="Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav and "
            "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt and the like",
            walk=further_layouts.iemocap,
        ),
        Corpus(
            name="esd",
            language="English and Mandarin",
            licence="ESD's own: research only",
            published_clips=35_000,
            layout="0011/Angry/0011_000351.wav and the like",
            walk=further_layouts.esd,
        ),
        Corpus(
            name="jl-corpus",
            language="English",
            licence="its own: see its page",
            published_clips=2_400,
            layout="female1_angry_10a_1.wav and the like",
            walk=further_layouts.jl_corpus,
        ),
    )
}
"""The corpora of emotional speech, by name; one's own come beside them: see `corpus_named`."""

NOISE = Corpus(
    name="noise/esc10",
    language="",
    licence="CC BY 3.0",
    published_clips=400,
    layout="one folder per kind of noise with sound files in it",
    walk=layouts.esc10,
)
"""Everyday noise, for augmentation."""


def corpus_named(name: str) -> Corpus:
    """Return the corpus of that name.

    ``own``, and any name that begins with ``own-``, is anyone's own data: see
    `affectd.models.own_data`.

    Raises:
        CorpusError: there is none; the message names the near ones.
    """
    if name == own_data.OWN or name.startswith(f"{own_data.OWN}-"):
        return Corpus(
            name=name,
            language="",
            licence="its owner's",
            published_clips=0,
            layout=own_data.LAYOUT,
            walk=own_data.walker(name),
        )
    if name not in CORPORA:
        raise CorpusError(f"no corpus {name!r}; {nearest(name, (*CORPORA, own_data.OWN))}")
    return CORPORA[name]


def corpora_folder(option: Path | None = None) -> Path:
    """Return the folder of the corpora: the option, or what ``AFFECTD_CORPORA`` names.

    Raises:
        CorpusError: neither is given, or it is no folder.
    """
    named = option or (Path(value) if (value := os.environ.get(VARIABLE)) else None)
    if named is None:
        raise CorpusError(f"no corpora: give --corpora DIR or set {VARIABLE} to their folder")
    if not named.is_dir():
        raise CorpusError(f"no corpora: {named} is not a folder")
    return named
