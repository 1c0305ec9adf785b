"""How a model wants its audio cut: part of the contract between training, scoring and serving."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affectd.engine.artefact import Metadata
from affectd.kernels.front_end import FrontEnd
from affectd.kernels.normalisation import Normalisation, normalise

__all__ = ["MARGIN_SECONDS", "Windowing"]

MARGIN_SECONDS = 0.128
"""Silence kept around an utterance that is scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowing:
    """Front end, lengths and normalisation of a model's windows."""

    front_end: FrontEnd
    normalisation: Normalisation
    window_seconds: float
    """Length of a full window."""
    hop_seconds: float
    """Distance between two windows of one utterance."""
    minimum_seconds: float
    """Length of the shortest window."""
    margin_seconds: float | None = None
    """How much silence windows keep on either side of their speech, where their ends are trimmed in
    training, and so have to be live."""

    @classmethod
    def of(cls, metadata: Metadata) -> Windowing:
        """Return how an artefact's windows are cut."""
        return cls(
            front_end=metadata.front_end,
            normalisation=metadata.normalisation,
            window_seconds=metadata.window_seconds,
            hop_seconds=metadata.hop_seconds,
            minimum_seconds=metadata.minimum_seconds,
            margin_seconds=metadata.margin_seconds,
        )

    def normalise(self, logmel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return a window as the model takes it; see `affectd.kernels.normalisation.normalise`."""
        return normalise(logmel, self.normalisation, self.front_end)

    @property
    def window_frames(self) -> int:
        """Frames of a full window."""
        return self.front_end.frames(round(self.window_seconds * self.front_end.sample_rate))

    @property
    def minimum_frames(self) -> int:
        """Frames of the shortest window."""
        return self.front_end.frames(round(self.minimum_seconds * self.front_end.sample_rate))

    @property
    def frame_sizes(self) -> tuple[int, ...]:
        """The sizes that windows are padded to when served: about a third, two thirds, and all."""
        full = self.window_frames
        thirds = (-(-full * third // 3 // 8) * 8 for third in (1, 2))
        return (*sorted({size for size in thirds if 0 < size < full}), full)
