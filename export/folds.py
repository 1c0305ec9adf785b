"""What INT8 costs on a corpus's folds: every speaker is scored by a model that never heard them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affectd.engine.artefact import Gate
from affectd.export.artefact import export_model
from affectd.export.gates import GateError, describe, failed, hold, limits_for
from affectd.export.original import Original
from affectd.export.speech import gather_speech
from affectd.models.metrics import Confusion

__all__ = ["FoldCost", "FoldsCost", "quantise_folds"]

_POOLED = ("uar", "speech")
"""Gates that a single fold has too few clips for: the UAR is held to its limit over all folds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldCost:
    """One fold's model before and after."""

    checkpoint: Path
    speakers: tuple[str, ...]
    """Scored, and not heard."""
    before: Confusion
    after: Confusion
    p50_ms: tuple[float, float]
    """Of one window, FP32 and INT8 in turn."""
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True)
class FoldsCost:
    """All folds together."""

    corpus: str
    folds: tuple[FoldCost, ...]

    @property
    def before(self) -> Confusion:
        """The checkpoints' guesses on all folds."""
        return sum((fold.before for fold in self.folds[1:]), self.folds[0].before)

    @property
    def after(self) -> Confusion:
        """The INT8 graphs' guesses on all folds."""
        return sum((fold.after for fold in self.folds[1:]), self.folds[0].after)

    @property
    def lost(self) -> float:
        """Points of UAR lost over all folds."""
        return 100 * (self.before.uar - self.after.uar)

    def check(self) -> None:
        """Go on only where no gate failed.

        Raises:
            GateError: one did; the message says which, and by how much.
        """
        pooled = hold({"uar": self.lost}, limits_for("int8", "cpu"))
        clauses = [f"{self.corpus} fails {describe(gate)}" for gate in pooled if _missed(gate)]
        clauses += [
            f"{fold.checkpoint} fails {describe(gate)}"
            for fold in self.folds
            for gate in failed(fold.gates)
        ]
        if clauses:
            raise GateError("; ".join(clauses))

    def __str__(self) -> str:
        lines = [
            f"{fold.checkpoint}: {fold.before.clips} clips of {', '.join(fold.speakers)}: UAR "
            f"{100 * fold.before.uar:.2f} % as FP32, {100 * fold.after.uar:.2f} % as INT8; p50 "
            f"{fold.p50_ms[0]:.2f} ms and {fold.p50_ms[1]:.2f} ms"
            for fold in self.folds
        ]
        ratio = np.median([fold.p50_ms[0] / fold.p50_ms[1] for fold in self.folds])
        lines.append(
            f"{self.corpus}, {len(self.folds)} folds, {self.before.clips} clips: UAR "
            f"{100 * self.before.uar:.2f} % as FP32, {100 * self.after.uar:.2f} % as INT8: "
            f"{self.lost:.2f} points lost; {ratio:.2f} times as fast"
        )
        return "\n".join(lines)


def quantise_folds(
    checkpoints: Sequence[Path],
    *,
    corpus: str,
    corpora: Path,
    cache: Path,
    allow: Iterable[str] = (),
) -> FoldsCost:
    """Export each fold's model to INT8 and score it on the speakers that it has not heard.

    Args:
        checkpoints: One a fold.
        corpus: The corpus's name.
        corpora: The folder of the corpora.
        cache: The folder of the feature cache.
        allow: Further gates whose failure in a fold is let pass.

    Raises:
        CheckpointError: a checkpoint cannot be used.
        CorpusError: the corpus cannot be used.
        ValueError: a model has heard all speakers, or two of them score the same one.
    """
    folds: list[FoldCost] = []
    scored: dict[str, Path] = {}
    for path in checkpoints:
        original = Original.of_checkpoint(path)
        speech = gather_speech(
            original.windowing,
            heard=original.speakers,
            corpora=corpora,
            corpus=(corpus,),
            cache=cache,
        )
        if speech.labelled is None:
            raise ValueError(f"checkpoint {path} has heard every speaker of {corpus}")
        speakers = tuple(sorted({clip.speaker for clip in speech.labelled.clips}))
        for speaker in speakers:
            if speaker in scored:
                raise ValueError(
                    f"{corpus} speaker {speaker} is scored by {scored[speaker]} and by {path}: "
                    "they are not of different folds"
                )
            scored[speaker] = path
        done = export_model(original, speech, precisions=("int8",), allow=(*_POOLED, *allow))
        judgement, before = done.artefacts[0].judgement, done.reference_accuracy
        assert before is not None
        assert judgement.accuracy is not None
        assert judgement.latency_ms is not None
        p50 = np.median(judgement.latency_ms, axis=1)
        folds.append(
            FoldCost(
                checkpoint=path,
                speakers=speakers,
                before=before.total,
                after=judgement.accuracy.total,
                p50_ms=(float(p50[0]), float(p50[1])),
                gates=done.artefacts[0].metadata.gates,
            )
        )
    return FoldsCost(corpus, tuple(folds))


def _missed(gate: Gate) -> bool:
    return gate.name == "uar" and not gate.passed
