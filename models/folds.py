"""Who is heard in training and who is not: the published folds and the shipped model's split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = [
    "HEARD_NOISE",
    "HELD_OUT",
    "Fold",
    "Split",
    "Without",
    "folds",
    "shared_folds",
    "voice_of",
]


Without = Mapping[str, tuple[str, ...]]
"""Speakers by corpus who are left out."""


_ALIKE = {"ravdess-song": "ravdess"}
"""Corpora with the speakers of another."""


def voice_of(corpus: str, speaker: str) -> tuple[str, str]:
    """Return who a corpus's speaker is: those of two corpora may be the same people."""
    return _ALIKE.get(corpus, corpus), speaker


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold of a corpus: its test speakers are never heard by the model scored on them."""

    corpus: str
    index: int
    """Counted from 1."""
    test: tuple[str, ...]

    def tests(self, corpus: str, speaker: str) -> bool:
        """Return whether the fold tests a speaker, whichever corpus they speak in."""
        return voice_of(corpus, speaker) in {voice_of(self.corpus, each) for each in self.test}


@dataclass(frozen=True, slots=True)
class Split:
    """Speakers kept from training, by corpus: for the test, and for choosing settings."""

    test: Mapping[str, tuple[str, ...]]
    development: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        """Refuse a speaker that would be tuned on and tested on."""
        for corpus, speakers in self.test.items():
            if both := set(speakers) & set(self.development.get(corpus, ())):
                raise ValueError(
                    f"{corpus} speaker {min(both)} is both a test and a development speaker"
                )

    def part(self, corpus: str, speaker: str) -> str:
        """Return ``"test"``, ``"development"`` or ``"train"``."""
        known, _ = voice_of(corpus, speaker)
        if speaker in self.test.get(known, ()):
            return "test"
        if speaker in self.development.get(known, ()):
            return "development"
        return "train"


HELD_OUT = Split(
    test=MappingProxyType(
        {
            "ravdess": ("21", "22", "23", "24"),
            "emodb": ("03", "08"),
            "nemo": ("EB0", "WR0"),
            "crema-d": tuple(str(actor) for actor in range(1073, 1092)),
        }
    ),
    development=MappingProxyType(
        {
            "ravdess": ("19", "20"),
            "emodb": ("16",),
            "nemo": ("SM0",),
            "crema-d": tuple(str(actor) for actor in range(1061, 1067)),
        }
    ),
)
"""The split of the shipped models. Both speakers of TESS are heard in training, so there is no
held-out figure for it."""


HEARD_NOISE = ("1", "2", "3")
"""The folds of ESC-10 that are learnt from; robustness and the speech gate are measured on the
others."""

_NAMED_FOLDS: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        "ravdess": (
            ("01", "11", "20", "21"),
            ("04", "10", "12", "14"),
            ("08", "09", "19", "23"),
            ("03", "05", "07", "24"),
            ("02", "15", "16", "18"),
            ("06", "13", "17", "22"),
        ),
        "crema-d": tuple(
            tuple(str(actor) for actor in range(first, first + count))
            for first, count in ((1001, 18), (1019, 18), (1037, 18), (1055, 18), (1073, 19))
        ),
    }
)
_LEAVE_ONE_SPEAKER_OUT = frozenset({"emodb", "esd", "jl-corpus", "nemo", "savee", "tess"})


def folds(corpus: str, speakers: Iterable[str]) -> tuple[Fold, ...]:
    """Return the published speaker-disjoint folds of a corpus.

    RAVDESS has EmoBox's six folds (Ma et al., Interspeech 2024), CREMA-D EMO-SUPERB's five (Wu et
    al., SLT 2024). IEMOCAP leaves one session out, and the others one speaker; TESS has two.

    Args:
        corpus: The corpus's name.
        speakers: The speakers at hand.

    Raises:
        ValueError: the corpus has no published folds, or none of a fold's speakers is at hand.
    """
    here = sorted(set(speakers))
    if (named := _ALIKE.get(corpus, corpus)) in _NAMED_FOLDS:
        tests = _NAMED_FOLDS[named]
    elif corpus == "iemocap":
        sessions = sorted({speaker[:-1] for speaker in here})
        tests = tuple((f"{session}F", f"{session}M") for session in sessions)
    elif corpus in _LEAVE_ONE_SPEAKER_OUT:
        tests = tuple((speaker,) for speaker in here)
    else:
        known = ", ".join(sorted({*_NAMED_FOLDS, *_LEAVE_ONE_SPEAKER_OUT, *_ALIKE, "iemocap"}))
        raise ValueError(f"no folds for {corpus!r}; published are those of {known}")
    for test in tests:
        if not set(test) & set(here):
            raise ValueError(
                f"{corpus}: no clip of the speakers {', '.join(test)}; found are {', '.join(here)}"
            )
    return tuple(Fold(corpus, index, test) for index, test in enumerate(tests, 1))


_MODELS = 10
"""As many as EmoDB, of the corpora that the shipped models hear, has folds; no corpus has more."""


def shared_folds(
    speakers: Mapping[str, tuple[str, ...]], *, models: int = _MODELS, published: bool = False
) -> list[dict[str, tuple[str, ...]]]:
    """Return the test speakers by corpus of each model that is trained.

    One model leaves out the first fold of every corpus, the next the second, and so on, the last
    ones several folds of a corpus that has more of them than there are models. So few models score
    all folds, each having heard a little less of the other corpora than a model for one fold alone
    would.

    Args:
        speakers: Of each corpus.
        models: How many.
        published: Whether no other folds will do than those that are published.

    Raises:
        ValueError: they must be, and a corpus has none, or lacks some of their speakers.
    """
    tests: list[dict[str, tuple[str, ...]]] = [{} for _ in range(models)]
    for name, own in speakers.items():
        groups = _tests(name, own, published=published)
        each, more = divmod(len(groups), models)
        first = 0
        for place, test in enumerate(tests):
            count = each + (place >= models - more) if each else place < len(groups)
            if count:
                group = groups[first : first + count]
                test[name] = tuple(speaker for each_test in group for speaker in each_test)
                first += count
    return [test for test in tests if test]


def _tests(corpus: str, speakers: tuple[str, ...], *, published: bool) -> list[tuple[str, ...]]:
    """Return whom each fold tests; without the published folds' speakers, each speaker alone."""
    try:
        return [fold.test for fold in folds(corpus, speakers)]
    except ValueError:
        if published:
            raise
        return [(speaker,) for speaker in speakers] if len(speakers) > 1 else []
