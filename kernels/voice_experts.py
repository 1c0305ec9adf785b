"""What vectors say of an emotion once it is known whose voice they are of."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.kernels.voice_middle import VoiceMiddle

__all__ = ["VoiceExperts"]

Scores = npt.NDArray[np.float64]
Columns = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class VoiceExperts:
    """Turns a model's vectors into logits, given the middle of their voice.

    A vector holds what several linear experts say, who were taught with speech less its voice's
    middle, and how far each of them is to be believed. What they say of the voice's middle is taken
    off; then they are summed up as those of a voice that nobody knows are. How much that counts
    beside the logits of the model, which knows no voice, grows with what was heard.
    """

    offsets: Scores
    """What each label adds to what the experts say, of all voices; ``(labels, experts *
    outputs)``."""
    constants: Scores
    """What is added to an expert's scores of its voice's middle, ``(experts, outputs)``."""
    columns: tuple[tuple[int, ...], ...]
    """Which outputs count for each label: one, or several that are taken together."""
    prior_utterances: float
    """After as many utterances, of different emotions, they count as much as the model that knows
    no voice; see `VoiceMiddle.weight`."""

    def __post_init__(self) -> None:
        """Refuse what does not fit together.

        Raises:
            ValueError: it does not.
        """
        labels, width = self.offsets.shape
        used = {place for column in self.columns for place in column}
        if (
            len(self.columns) != labels
            or width != self.constants.size
            or not all(self.columns)
            or not used <= set(range(self.constants.shape[1]))
        ):
            raise ValueError("the parts of the voice's experts do not fit together")
        if not (np.isfinite(self.offsets).all() and np.isfinite(self.constants).all()):
            raise ValueError("the voice's experts hold NaN or infinity")
        if not 0 < self.prior_utterances < np.inf:
            raise ValueError(f"prior_utterances is {self.prior_utterances}; allowed is above 0")

    @property
    def size(self) -> int:
        """Length of the vectors."""
        return self.constants.size + len(self.constants)

    @property
    def digest(self) -> str:
        """SHA-256 over all numbers: the same in every precision of one model's artefact."""
        digest = hashlib.sha256()
        for array in (self.offsets, self.constants):
            digest.update(f"{array.shape}".encode() + array.astype("<f2").tobytes())
        return digest.hexdigest()

    def middle(self) -> VoiceMiddle:
        """Return the middle of a voice that nobody has heard."""
        return VoiceMiddle.unknown(self.offsets)

    def hear(self, voice: VoiceMiddle, vector: npt.ArrayLike, posterior: npt.ArrayLike) -> None:
        """Let a voice take an utterance.

        Args:
            voice: Of `middle`.
            vector: The mean over the utterance's windows, ``(d,)``.
            posterior: Probabilities of the labels, ``(labels,)``; one of them alone where it is
                known, as in an enrolment.
        """
        voice.hear(np.asarray(vector)[: self.constants.size], posterior)

    def share(self, voice: VoiceMiddle) -> float:
        """Return how much knowing a voice counts, 0 to 1."""
        return voice.weight / (voice.weight + self.prior_utterances)

    def known(
        self, vectors: npt.ArrayLike, voice: VoiceMiddle, *, columns: Columns | None = None
    ) -> Scores:
        """Return the logits of vectors whose voice is known, float64 ``(n, labels)``.

        Args:
            vectors: As the model gives them, ``(n, d)``.
            voice: Whose they are.
            columns: Which outputs count for each label, instead of the model's own labels.
        """
        heard = np.asarray(vectors, np.float64)
        said, beliefs = heard[:, : self.constants.size], heard[:, self.constants.size :]
        apart = (said - voice.middle).reshape(len(heard), *self.constants.shape) + self.constants
        outputs = (beliefs[:, :, None] * apart).sum(axis=1)
        return np.stack(
            [
                np.logaddexp.reduce(outputs[:, own], axis=1) if own[1:] else outputs[:, own[0]]
                for own in map(list, columns or self.columns)
            ],
            axis=1,
        )

    def beside(
        self,
        logits: npt.NDArray[Any],
        vectors: npt.ArrayLike,
        voice: VoiceMiddle,
        *,
        columns: Columns | None = None,
    ) -> Scores:
        """Return the model's logits and those of the known voice, each for its share.

        Args:
            logits: Of the model, calibrated, ``(n, labels)``.
            vectors: Of the same windows, ``(n, d)``.
            voice: Whose they are.
            columns: As for `known`.
        """
        plain = np.asarray(logits, np.float64)
        if not (share := self.share(voice)):
            return plain
        mixed: Scores = (1 - share) * plain + share * self.known(vectors, voice, columns=columns)
        return mixed

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; the numbers as Base64 of little-endian float16."""
        return {
            "offsets": _text(self.offsets),
            "constants": _text(self.constants),
            "columns": [list(own) for own in self.columns],
            "experts": len(self.constants),
            "prior_utterances": self.prior_utterances,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VoiceExperts:
        """Return what `to_dict` returned of them.

        Raises:
            ValueError: a value is missing, damaged, or does not fit the others.
        """
        try:
            columns = tuple(tuple(int(each) for each in own) for own in values["columns"])
            offsets = _array(values["offsets"]).reshape(len(columns), -1)
            constants = _array(values["constants"]).reshape(int(values["experts"]), -1)
            prior = float(values["prior_utterances"])
        except KeyError as error:
            raise ValueError(f"the voice's experts have no {error.args[0]!r}") from None
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise ValueError(f"the voice's experts are damaged: {error}") from None
        return cls(offsets=offsets, constants=constants, columns=columns, prior_utterances=prior)


def _text(array: Scores) -> str:
    return b64encode(array.astype("<f2").tobytes()).decode()


def _array(text: str) -> Scores:
    return np.frombuffer(b64decode(text, validate=True), "<f2").astype(np.float64)
