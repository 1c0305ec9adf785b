"""The result of scoring a model on a corpus under a protocol, as a value and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from affectd.models.calibration import expected_calibration_error, softmax
from affectd.models.features import FeatureSet
from affectd.models.labels import FOUR_LABELS, label_index
from affectd.models.metrics import Confusion
from affectd.models.replacing import replacing
from affectd.models.scoring import confusion

__all__ = ["Evaluation", "EvaluationError", "FoldFigures", "Protocol", "Scored"]

Protocol = Literal["folds", "held-out", "paper"]


class EvaluationError(ValueError):
    """A model cannot be scored so, or a file holds no evaluation."""


class Scored:
    """Logits of the clips that one model was scored on.

    Args:
        logits: Mean over each clip's windows, float64 ``(clips, classes)``.
        features: The clips.
        labels: The model's outputs.
        temperature: The model's.
    """

    def __init__(
        self,
        logits: npt.NDArray[np.float64],
        features: FeatureSet,
        labels: Sequence[str],
        temperature: float,
    ) -> None:
        self.labels = tuple(labels)
        self.confusion = confusion(logits, features, labels)
        self.probabilities = softmax(logits, temperature)
        self.truth = np.array([label_index(str(clip.label), labels) for clip in features.clips])
        self.speakers = tuple(sorted({clip.speaker for clip in features.clips}))

    @property
    def four(self) -> Confusion | None:
        """The guesses among angry, happy, neutral and sad alone, on their clips alone."""
        if not set(FOUR_LABELS) <= set(self.labels):
            return None
        places = np.array([self.labels.index(label) for label in FOUR_LABELS])
        inside = np.isin(self.truth, places)
        if not inside.any():
            return None
        guesses = places[self.probabilities[inside][:, places].argmax(axis=1)]
        return Confusion.of(
            [self.labels[place] for place in self.truth[inside]],
            [self.labels[place] for place in guesses],
            FOUR_LABELS,
        )


class FoldFigures(BaseModel):
    """What was measured on one fold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int
    speakers: tuple[str, ...]
    clips: int
    uar: float
    accuracy: float


class Evaluation(BaseModel):
    """Figures of one model, corpus and protocol; all shares are in percent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    checkpoint_sha256: str | None
    """Of the one model that was scored; with folds there are several."""
    corpus: str
    protocol: Protocol
    heard_corpus: bool
    """Whether the model was trained on other speakers of the same corpus."""
    command: str
    """What gives these figures again."""
    trained_on: tuple[str, ...]
    epochs: int | None = None
    """Epochs that each fold's model was trained for."""
    clips: int
    speakers: tuple[str, ...]
    uar: float
    accuracy: float
    recalls: dict[str, float]
    calibration_error: float
    uar_four: float | None
    """Over angry, happy, neutral and sad alone."""
    uar_fold_mean: float | None = None
    uar_fold_deviation: float | None = None
    folds: tuple[FoldFigures, ...] = ()
    labels: tuple[str, ...]
    confusion: Annotated[tuple[tuple[int, ...], ...], Field(min_length=1)]
    """Rows are the true labels."""

    @classmethod
    def of(
        cls,
        scored: Sequence[Scored],
        *,
        model: str,
        checkpoint_sha256: str | None,
        corpus: str,
        protocol: Protocol,
        heard_corpus: bool,
        command: str,
        trained_on: Sequence[str],
        epochs: int | None = None,
    ) -> Evaluation:
        """Put the figures of one or several scored parts together.

        The UAR is that of the summed confusion matrix; with folds, their mean and deviation stand
        beside it.
        """
        total = sum((part.confusion for part in scored[1:]), scored[0].confusion)
        fours = [four for part in scored if (four := part.four) is not None]
        folds = tuple(
            FoldFigures(
                index=index,
                speakers=part.speakers,
                clips=part.confusion.clips,
                uar=_percent(part.confusion.uar),
                accuracy=_percent(part.confusion.accuracy),
            )
            for index, part in enumerate(scored, 1)
        )
        uars = [fold.uar for fold in folds]
        several = protocol == "folds"
        return cls(
            model=model,
            checkpoint_sha256=checkpoint_sha256,
            corpus=corpus,
            protocol=protocol,
            heard_corpus=heard_corpus,
            command=command,
            trained_on=tuple(trained_on),
            epochs=epochs,
            clips=total.clips,
            speakers=tuple(sorted({name for part in scored for name in part.speakers})),
            uar=_percent(total.uar),
            accuracy=_percent(total.accuracy),
            recalls={label: _percent(recall) for label, recall in total.recalls.items()},
            calibration_error=_percent(
                expected_calibration_error(
                    np.concatenate([part.probabilities for part in scored]),
                    np.concatenate([part.truth for part in scored]),
                )
            ),
            uar_four=_percent(sum(fours[1:], fours[0]).uar) if fours else None,
            uar_fold_mean=round(float(np.mean(uars)), 2) if several else None,
            uar_fold_deviation=round(float(np.std(uars, ddof=len(uars) > 1)), 2)
            if several
            else None,
            folds=folds if several else (),
            labels=total.labels,
            confusion=tuple(tuple(int(count) for count in row) for row in total.counts),
        )

    @property
    def matrix(self) -> Confusion:
        """The confusion matrix."""
        return Confusion(self.labels, np.array(self.confusion, np.int64))

    def save(self, path: Path) -> None:
        """Write the evaluation as JSON; the file is the old one or the new one, whole."""
        with replacing(path) as unfinished:
            unfinished.write_text(self.model_dump_json(indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> Evaluation:
        """Read an evaluation.

        Raises:
            EvaluationError: the file is missing or holds none.
        """
        try:
            return cls.model_validate(json.loads(path.read_text("utf-8")))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise EvaluationError(f"evaluation {path}: {field}: {first['msg']}") from None
        except (OSError, ValueError) as error:
            raise EvaluationError(f"evaluation {path} cannot be read: {error}") from None

    def __str__(self) -> str:
        unseen = "" if self.heard_corpus else ", no speech of this corpus heard in training"
        lines = [
            f"{self.model} on {self.corpus}, {self.protocol}{unseen}: {self.clips} clips of "
            f"{len(self.speakers)} speakers",
            str(self.matrix),
            f"UAR {self.uar:.1f} %, accuracy {self.accuracy:.1f} %, "
            f"calibration error {self.calibration_error:.1f} %",
        ]
        if self.uar_four is not None:
            lines.append(f"UAR among {', '.join(FOUR_LABELS)} alone: {self.uar_four:.1f} %")
        if self.folds:
            each = ", ".join(f"{fold.uar:.1f}" for fold in self.folds)
            lines.append(
                f"UAR over {len(self.folds)} folds: {self.uar_fold_mean:.1f} ± "
                f"{self.uar_fold_deviation:.1f} ({each})"
            )
        return "\n".join(lines)


def _percent(share: float) -> float:
    return round(100 * share, 2)
