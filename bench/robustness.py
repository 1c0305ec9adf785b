"""What becomes of a model's answers when speech reaches it altered, and for whom it is better."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.bench.listeners import Listener
from affectd.bench.live_clip import cuts_of, in_a_room
from affectd.bench.nonspeech import recorded
from affectd.bench.spoken import speech_for
from affectd.engine.classifier import Classifier
from affectd.engine.judge import Judge
from affectd.engine.session import SessionSettings
from affectd.models.ages import AGE_GROUPS, age_group, ages
from affectd.models.alterations import SAMPLE_RATE, Alteration, alterations
from affectd.models.clips import Clip, read_audio
from affectd.models.corpora import CorpusError
from affectd.models.folds import HEARD_NOISE
from affectd.models.metrics import Confusion

__all__ = ["Answer", "answer", "changes", "groups", "measure_robustness"]

Samples = npt.NDArray[np.float32]
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a clip sounds like as a whole."""

    label: str | None
    """The most probable emotion, withheld or not; `None` where no speech was heard."""
    named: bool
    """Whether the engine would name it."""


def answer(samples: Samples, classifier: Classifier) -> Answer:
    """Hear a clip as it would be heard live, and judge it by its utterances.

    Args:
        samples: At 16 kHz, float32 ``(n,)``.
        classifier: The model.
    """
    judge = Judge(classifier.metadata, SessionSettings().smoothing)
    scores = np.zeros(len(classifier.metadata.labels))
    longest, named = 0, False
    for window, end in cuts_of(samples, classifier.metadata):
        cut = window.cut
        # The first windows of an utterance are provisional, and count for nothing in the end.
        if not cut.final and cut.start <= cut.utterance_start:
            continue
        verdict = judge.judge(cut, classifier.run([window.logmel])[0], end)
        if cut.final:
            spoken = cut.end - cut.utterance_start
            scores += spoken * np.array(list(verdict["scores"].values()))
            if spoken > longest:
                longest, named = spoken, verdict["label"] is not None
    label = classifier.metadata.labels[int(scores.argmax())] if longest else None
    return Answer(label, named)


def measure_robustness(
    listeners: Sequence[Listener],
    *,
    corpora: Path | None,
    most: int = 120,
    seed: int = 1,
    clean: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Figures:
    """Alter speech in every known way, and compare what is said of it.

    Args:
        listeners: One model, or several of which each hears the speakers that it has not heard.
        corpora: The folder of the corpora; the package's demo where there is none.
        most: Clips of each corpus and model; 0 for all.
        seed: Decides clips, noises and places.
        clean: Alter nothing: the clips are scored as they would be heard live, and that is all.
        progress: Told how many clips are done, and of how many.

    Raises:
        CorpusError: the folder holds no corpus, or the models have heard everybody.
    """
    chosen, heard = speech_for(listeners, corpora, most=most, seed=seed)
    ways = () if clean else alterations(_noises(corpora))
    clips = [clip for _, clip in chosen]
    plain: list[Answer] = []
    altered: dict[str, list[Answer]] = {way.name: [] for way in ways}
    progress(0, len(chosen))
    for done, (listener, clip) in enumerate(chosen, 1):
        # The same chance for a clip whatever others are played.
        own = zlib.crc32(f"{clip.corpus}/{clip.name}".encode())
        samples = in_a_room(read_audio(clip.path, sample_rate=SAMPLE_RATE), seed=own)
        plain.append(answer(samples, listener.classifier))
        for place, way in enumerate(ways):
            rng = np.random.default_rng((seed, own, place))
            altered[way.name].append(answer(way.change(samples, rng), listener.classifier))
        progress(done, len(chosen))
    labels = listeners[0].classifier.metadata.labels
    return {
        "models": [listener.name for listener in listeners],
        "seed": seed,
        "corpora": {
            name: {
                "speakers": len({clip.speaker for clip in clips if clip.corpus == name}),
                "speakers_are": "heard in training" if heard[name] else "not heard in training",
                **_scored(clips, plain, labels, name),
            }
            for name in heard
        },
        "clean": {
            "clips": len(clips),
            "uar": round(_uar(clips, plain, labels), 2),
            "named": _percent(each.named for each in plain),
            "no_speech_found": _percent(each.label is None for each in plain),
        },
        "alterations": [
            {"alteration": way.name, **changes(way, clips, plain, altered[way.name], labels)}
            for way in ways
        ],
        "by_sex": groups(clips, plain, labels, ("female", "male"), _sex),
        "by_age": groups(clips, plain, labels, AGE_GROUPS, _age_of(corpora, clips)),
    }


def changes(
    way: Alteration,
    clips: Sequence[Clip],
    plain: Sequence[Answer],
    altered: Sequence[Answer],
    labels: tuple[str, ...],
) -> Figures:
    """Return how one alteration changes the answers; all shares are in percent.

    A clip in which no speech is found any more counts as changed, and as wrong.
    """
    same = _percent(
        one.label is not None and one.label == other.label
        for one, other in zip(plain, altered, strict=True)
    )
    uar = _uar(clips, altered, labels)
    lost = round(_uar(clips, plain, labels) - uar, 2)
    found: Figures = {
        "unchanged": same,
        "uar": round(uar, 2),
        "uar_lost": lost,
        "named": _percent(each.named for each in altered),
        "no_speech_found": _percent(each.label is None for each in altered),
    }
    if way.unchanged_at_least is not None:
        found["goal"] = f"at least {way.unchanged_at_least:g} % unchanged"
        found["met"] = same >= way.unchanged_at_least
    if way.lost_at_most is not None:
        found["goal"] = f"at most {way.lost_at_most:g} points of UAR lost"
        found["met"] = lost <= way.lost_at_most
    return found


def groups(
    clips: Sequence[Clip],
    answers: Sequence[Answer],
    labels: tuple[str, ...],
    names: Iterable[str],
    group_of: Callable[[Clip], str | None],
) -> Figures:
    """Return the UAR of groups of speakers by corpus, and the gap between the best and the worst.

    Only emotions that every group of a corpus speaks are counted: else one group might be spared a
    hard one. A corpus with one group says nothing, and is left out.
    """
    found: Figures = {}
    for corpus in dict.fromkeys(clip.corpus for clip in clips):
        own: dict[str, list[tuple[Clip, Answer]]] = {}
        for clip, each in zip(clips, answers, strict=True):
            if clip.corpus == corpus and (group := group_of(clip)) is not None:
                own.setdefault(group, []).append((clip, each))
        if len(own) < 2:
            continue
        common = set.intersection(*({clip.label for clip, _ in part} for part in own.values()))
        uars: dict[str, float] = {}
        told: Figures = {}
        for name in names:
            part = [pair for pair in own.get(name, []) if pair[0].label in common]
            if part:
                uars[name] = _uar([clip for clip, _ in part], [each for _, each in part], labels)
                told[name] = {
                    "speakers": len({clip.speaker for clip, _ in part}),
                    "clips": len(part),
                    "uar": round(uars[name], 2),
                }
        if len(uars) > 1:
            gap = round(max(uars.values()) - min(uars.values()), 2)
            found[corpus] = {**told, "gap": gap}
    return found


def _noises(corpora: Path | None) -> list[Samples]:
    if corpora is None:
        return []
    try:
        return [sound.samples for sound in recorded(corpora) if sound.fold not in HEARD_NOISE]
    except CorpusError:
        return []


def _scored(
    clips: Sequence[Clip], answers: Sequence[Answer], labels: tuple[str, ...], corpus: str
) -> Figures:
    places = [place for place, clip in enumerate(clips) if clip.corpus == corpus]
    uar = _uar([clips[place] for place in places], [answers[place] for place in places], labels)
    return {"clips": len(places), "uar": round(uar, 2)}


def _uar(clips: Sequence[Clip], answers: Sequence[Answer], labels: tuple[str, ...]) -> float:
    """Return the mean UAR over corpora, percent: a large corpus counts no more than a small one."""
    uars: list[float] = []
    nothing = "no speech"
    for corpus in dict.fromkeys(clip.corpus for clip in clips):
        places = [place for place, clip in enumerate(clips) if clip.corpus == corpus]
        guessed = Confusion.of(
            [str(clips[place].label) for place in places],
            [answers[place].label or nothing for place in places],
            (*labels, nothing),
        )
        uars.append(100 * guessed.uar)
    return float(np.mean(uars)) if uars else float("nan")


def _percent(each: Iterable[bool]) -> float:
    return round(100 * float(np.mean([*each])), 2)


def _sex(clip: Clip) -> str | None:
    return clip.sex


def _age_of(corpora: Path | None, clips: Sequence[Clip]) -> Callable[[Clip], str | None]:
    known: Mapping[str, Mapping[str, int]] = {
        name: ages(name, corpora / name if corpora else Path())
        for name in {clip.corpus for clip in clips}
    }

    def group(clip: Clip) -> str | None:
        years = known[clip.corpus].get(clip.speaker)
        return None if years is None else age_group(years)

    return group
