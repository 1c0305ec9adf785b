"""What knowing a voice changes in what is heard: a small network, run on arrays alone."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.kernels.voice_middle import VoiceMiddle

__all__ = ["Member", "VoiceNetwork"]

Array = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]
Columns = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Member:
    """One of an ensemble: a layer of rectified units, and one that scores emotions."""

    widen: Array
    """``(hidden, d)``."""
    widen_bias: Array
    classify: Array
    """``(outputs, hidden)``."""
    classify_bias: Array

    def __call__(self, vectors: Array) -> Array:
        """Return the scores of vectors, float32 ``(n, outputs)``."""
        hidden = np.maximum(vectors @ self.widen.T + self.widen_bias, 0)
        scores: Array = hidden @ self.classify.T + self.classify_bias
        return scores


@dataclass(frozen=True, slots=True)
class VoiceNetwork:
    """Scores of a model's vectors less what their voice gives to them.

    It stands beside the model, and only what the voice changes counts: its scores with the voice's
    shift taken off, less those without. Where nothing is known of a voice, nothing is changed.
    """

    members: tuple[Member, ...]
    offsets: npt.NDArray[np.float64]
    """What each label adds to a voice's middle, see `VoiceMiddle`, ``(labels, d)``."""
    columns: tuple[tuple[int, ...], ...]
    """Which outputs count for each label: one, or several that are taken together."""
    prior_utterances: float
    """How many utterances the middle of all voices counts."""
    weight: float
    """How much of the change is added to the logits."""
    told_weight: float
    """The same where the emotion of all that was heard was told, as in an enrolment: neutral
    speech alone says little of a voice's other moods."""

    def __post_init__(self) -> None:
        """Refuse what does not fit together.

        Raises:
            ValueError: it does not.
        """
        outputs = {len(each.classify) for each in self.members}
        sizes = {each.widen.shape[1:] for each in self.members} | {self.offsets.shape[1:]}
        fits = len(outputs) == 1 and len(sizes) == 1 and len(self.columns) == len(self.offsets)
        for each in self.members:
            hidden = len(each.widen)
            fits = fits and each.widen_bias.shape == (hidden,)
            fits = fits and each.classify.shape == (len(each.classify_bias), hidden)
        used = [place for column in self.columns for place in column]
        if not fits or not all(self.columns) or not set(used) <= set(range(outputs.pop())):
            raise ValueError("the parts of the voice network do not fit together")
        if not all(np.isfinite(array).all() for array in self._arrays()):
            raise ValueError("the voice network holds NaN or infinity")
        if not (self.prior_utterances > 0 and self.weight >= 0 and self.told_weight >= 0):
            raise ValueError("the voice network's prior must be above 0, its weights at least 0")

    @property
    def size(self) -> int:
        """Length of the vectors."""
        return int(self.offsets.shape[1])

    @property
    def digest(self) -> str:
        """SHA-256 over all weights: the same in every precision of one model's artefact."""
        digest = hashlib.sha256()
        for array in self._arrays():
            digest.update(f"{array.shape}".encode() + array.astype("<f2").tobytes())
        return digest.hexdigest()

    def middle(self) -> VoiceMiddle:
        """Return the middle of a voice that nobody has heard."""
        return VoiceMiddle.unknown(self.offsets, prior_utterances=self.prior_utterances)

    def change(
        self,
        vectors: npt.ArrayLike,
        voice: VoiceMiddle,
        *,
        columns: Columns | None = None,
        weight: float | None = None,
    ) -> Scores:
        """Return what knowing the voice adds to the logits, float64 ``(n, labels)``.

        Args:
            vectors: As the model gives them, ``(n, d)``.
            voice: Whose they are.
            columns: Which outputs count for each label, instead of the model's own labels.
            weight: How much of the change is returned, instead of what suits how the voice came
                to be known.
        """
        heard = np.asarray(vectors, np.float32)
        if not voice.utterances:
            return np.zeros((len(heard), len(columns or self.columns)))
        if weight is None:
            told = voice.told / voice.utterances
            weight = told * self.told_weight + (1 - told) * self.weight
        both = np.concatenate((heard - voice.shift.astype(np.float32), heard))
        scores = self.scores(both, columns=columns)
        return weight * (scores[: len(heard)] - scores[len(heard) :])

    def scores(self, vectors: Array, *, columns: Columns | None = None) -> Scores:
        """Return the ensemble's logits of the labels, float64 ``(n, labels)``."""
        each = np.stack([member(vectors) for member in self.members])
        outputs = each.mean(axis=0, dtype=np.float64)
        return np.stack(
            [np.logaddexp.reduce(outputs[:, list(own)], axis=1) for own in columns or self.columns],
            axis=1,
        )

    def _arrays(self) -> list[npt.NDArray[Any]]:
        return [self.offsets, *(array for each in self.members for array in _arrays(each))]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; the weights as Base64 of little-endian float16."""
        return {
            "members": [[_text(array) for array in _arrays(each)] for each in self.members],
            "hidden": len(self.members[0].widen),
            "offsets": _text(self.offsets),
            "columns": [list(own) for own in self.columns],
            "prior_utterances": self.prior_utterances,
            "weight": self.weight,
            "told_weight": self.told_weight,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VoiceNetwork:
        """Return what `to_dict` returned of it.

        Raises:
            ValueError: a value is missing, damaged, or does not fit the others.
        """
        try:
            columns = tuple(tuple(int(each) for each in own) for own in values["columns"])
            hidden = int(values["hidden"])
            members: list[Member] = []
            for widen, widen_bias, classify, classify_bias in values["members"]:
                members.append(
                    Member(
                        _array(widen).reshape(hidden, -1),
                        _array(widen_bias),
                        _array(classify).reshape(-1, hidden),
                        _array(classify_bias),
                    )
                )
            return cls(
                members=tuple(members),
                offsets=_array(values["offsets"]).astype(np.float64).reshape(len(columns), -1),
                columns=columns,
                prior_utterances=float(values["prior_utterances"]),
                weight=float(values["weight"]),
                told_weight=float(values["told_weight"]),
            )
        except KeyError as error:
            raise ValueError(f"the voice network has no {error.args[0]!r}") from None
        except (TypeError, ZeroDivisionError) as error:
            raise ValueError(f"the voice network is damaged: {error}") from None


def _arrays(member: Member) -> tuple[Array, ...]:
    return member.widen, member.widen_bias, member.classify, member.classify_bias


def _text(array: npt.NDArray[Any]) -> str:
    return b64encode(array.astype("<f2").tobytes()).decode()


def _array(text: str) -> Array:
    return np.frombuffer(b64decode(text, validate=True), "<f2").astype(np.float32)
