"""A voice's own baseline: what one stream's speaker gives to every vector, learnt as they speak."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from affectd.engine.artefact import Metadata
from affectd.engine.protocol import Abstention
from affectd.engine.segmenter import Cut
from affectd.engine.smoothing import posterior

__all__ = ["UNHEARD", "VoiceBaseline", "VoiceError"]

UNHEARD = (Abstention.TOO_SHORT, Abstention.NOISY, Abstention.NOT_SPEECH)
"""What says nothing of the voice. To be unsure of the emotion is no reason not to learn."""


class VoiceError(ValueError):
    """A voice's baseline cannot be had; the message says why and what would help."""


class VoiceBaseline:
    """The running baseline of the voice of one stream; no audio is in it.

    It learns from whole utterances, after their verdict, from what the model alone believed of
    them: its own changes never feed it.

    Args:
        artefact: The model's contract.
        kept: What `kept` was after an earlier stream of the voice.
        told: A label that every utterance is known to have, as in an enrolment.

    Raises:
        VoiceError: the model cannot do it, the label is none of its own, or `kept` is damaged.
    """

    def __init__(
        self, artefact: Metadata, *, kept: dict[str, Any] | None = None, told: str | None = None
    ) -> None:
        experts = artefact.voice_experts
        if experts is None:
            raise VoiceError(
                f"the model {artefact.title} knows nothing of voices; of the shipped ones fast, "
                "accurate and open do"
            )
        if told is not None and told not in artefact.labels:
            raise VoiceError(f"the model {artefact.title} has no label {told!r}")
        self._experts = experts
        self._temperature = artefact.temperature
        self._told = [float(label == told) for label in artefact.labels] if told else None
        self._middle = experts.middle()
        if kept is not None:
            try:
                self._middle.take(kept)
            except ValueError as error:
                raise VoiceError(str(error)) from None
        self.kept = self._middle.to_dict()
        """What has to be kept of the voice; a new one after each utterance, so that it may be
        read from any thread."""
        self._utterance = 0
        self._restart()

    @property
    def utterances(self) -> int:
        """How many utterances it knows; of a voice that has spoken for long, the latest 200."""
        return round(self._middle.utterances)

    def beside(
        self, logits: npt.NDArray[np.float32], vector: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Return the logits of a window, now that the voice is known, float32 ``(labels,)``.

        Args:
            logits: As the model gave them, float32 ``(labels,)``.
            vector: The model's ``embedding`` of it, float32 ``(d,)``.
        """
        calibrated = logits[None] / self._temperature
        both = self._experts.beside(calibrated, vector[None], self._middle)[0]
        known: npt.NDArray[np.float32] = (self._temperature * both).astype(np.float32)
        return known

    def follow(
        self, cut: Cut, logits: npt.NDArray[np.float32], vector: npt.NDArray[np.float32]
    ) -> None:
        """Take what the model says of the next window.

        Args:
            cut: The window.
            logits: As for `beside`.
            vector: As for `beside`.
        """
        if cut.utterance != self._utterance:
            self._utterance = cut.utterance
            self._restart()
        if cut.counts:
            self._posteriors += posterior(logits, self._temperature)
            self._vectors += vector
            self._windows += 1

    def settle(self, abstained: Abstention | None) -> None:
        """Learn from the utterance that has just ended, if it was speech.

        Args:
            abstained: Why nothing was named in it, if so.
        """
        if abstained not in UNHEARD and self._windows:
            vector = self._vectors / self._windows
            believed = self._told or (self._posteriors / self._windows).tolist()
            self._experts.hear(self._middle, vector, believed)
            self.kept = self._middle.to_dict()
        # The next may bear the same number: of another recording, or after a new beginning.
        self._restart()

    def _restart(self) -> None:
        self._posteriors = np.zeros(len(self._experts.columns))
        self._vectors = np.zeros(self._experts.size)
        self._windows = 0
