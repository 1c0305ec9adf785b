"""How far a window lies from the voices that the expert of each corpus has learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affectd.models.discriminant import Matrix, Moments

__all__ = ["AXES", "Voice", "VoiceSpace", "voice_space"]

AXES = 3
"""Directions that voices are told apart in: with five or eight, strangers are known no better."""
_SHRINKAGE = 0.3
_DISTURBED = 0.15
"""Without any, models lose a point of UAR in noise; with more, they know strangers less."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What is known of a voice."""

    values: npt.NDArray[np.float32]
    """Statistics of its undisturbed windows, ``(windows, d)``."""
    shares: Matrix
    """What each of them counts, ``(windows,)``: a clip counts one."""
    all_windows: Moments
    """Of all its windows, disturbed ones too."""


@dataclass(frozen=True, slots=True)
class VoiceSpace:
    """The middles of voices in the few directions that tell voices apart best.

    A window of a corpus lies next to one of its voices, even where its own voice was not heard:
    they share a language, a studio and a microphone. A stranger to all corpora lies off them all,
    also off the one that is most like it, which a discriminant of the corpora cannot know.
    """

    corpora: tuple[str, ...]
    centre: Matrix
    """Of the statistics, ``(d,)``: the mean of the corpora."""
    scale: Matrix
    """One over the deviation of each dimension, ``(d,)``."""
    directions: Matrix
    """Of the standardised statistics, ``(AXES, d)``; within a voice, the deviation along each is
    one."""
    places: Matrix
    """Of the voices, ``(voices, AXES)``."""
    owners: npt.NDArray[np.int64]
    """Whose each voice is: a place among the corpora, ``(voices,)``."""
    allowance: Matrix
    """What is taken off the distance from each corpus, ``(corpora,)``: how far apart voices of a
    corpus are is not to be known from one voice, whose corpus reaches half of the way to the next
    voice."""

    @property
    def counts(self) -> npt.NDArray[np.float64]:
        """How many voices of each corpus there are, ``(corpora,)``."""
        return np.bincount(self.owners, minlength=len(self.corpora)).astype(np.float64)

    def distances(self, values: npt.NDArray[np.float32]) -> Matrix:
        """Return how far windows lie from the nearest voice of each corpus, ``(windows, corpora)``.

        In deviations within a voice.
        """
        axes = (self.directions * self.scale).astype(np.float32)
        placed = (values @ axes.T).astype(np.float64) - axes.astype(np.float64) @ self.centre
        apart = np.sqrt(np.square(placed[:, None] - self.places).sum(axis=2))
        nearest = np.stack(
            [apart[:, self.owners == place].min(axis=1) for place in range(len(self.corpora))],
            axis=1,
        )
        found: Matrix = np.maximum(nearest - self.allowance, 0)
        return found


def voice_space(voices: Mapping[str, list[Voice]]) -> VoiceSpace:
    """Return where voices lie.

    The directions are those of a linear discriminant analysis of the voices (R. A. Fisher, 1936;
    C. R. Rao, 1948), each corpus counting the same. The covariance within the voices is that of
    their undisturbed windows, with a little of that of all: noise makes strangers of voices, but
    not at once. It is shrunk towards its diagonal. With one voice alone every distance is zero:
    there is nothing that it could be told apart from.

    Args:
        voices: By corpus, at least one of each.

    Raises:
        ValueError: there are none.
    """
    if not voices or not all(voices.values()):
        raise ValueError("no voices to know")
    heard = [(place, each) for place, own in enumerate(voices.values()) for each in own]
    owners = np.array([place for place, _ in heard])
    middles = np.stack([_middle(each) for _, each in heard])
    counts = np.bincount(owners)[owners]
    within = sum(
        (
            _scatter(each, middle) / (count * len(voices))
            for (_, each), middle, count in zip(heard, middles, counts, strict=True)
        ),
        np.zeros((), np.float32),
    )
    centre = np.mean(
        [middles[owners == place].mean(axis=0) for place in range(len(voices))], axis=0
    )
    # Of all there is, so that statistics vary alike, for the sake of quantisation.
    spread = np.diag(within) + np.square((middles - centre) / np.sqrt(counts)[:, None]).sum(
        axis=0
    ) / len(voices)
    scale = 1 / np.sqrt(np.maximum(spread, 1e-8))
    within = within.astype(np.float64) * scale[:, None] * scale
    diagonal = np.diag(within).copy()
    within *= 1 - _SHRINKAGE
    within[np.diag_indices_from(within)] = np.maximum(diagonal, 1e-8)
    whitening = np.linalg.cholesky(within)
    whitened = np.linalg.solve(whitening, ((middles - centre) * scale).T).T
    _, strengths, found = np.linalg.svd(whitened / np.sqrt(counts)[:, None], full_matrices=False)
    # Few voices lie in fewer directions; the others would be chance.
    axes: Matrix = np.zeros((AXES, found.shape[1]))
    told = int((strengths[:AXES] > 1e-6 * max(strengths[0], 1e-12)).sum())
    axes[:told] = found[:told]
    places = whitened @ axes.T
    directions = np.linalg.solve(whitening.T, axes.T).T.astype(np.float64)
    return VoiceSpace(
        corpora=tuple(voices),
        centre=centre,
        scale=scale,
        directions=directions,
        places=places,
        owners=owners,
        allowance=_allowance(places, owners),
    )


def _middle(voice: Voice) -> Matrix:
    summed = voice.values.T.astype(np.float64) @ voice.shares
    middle: Matrix = summed / voice.shares.sum()
    return middle


def _scatter(voice: Voice, middle: Matrix) -> npt.NDArray[np.float32]:
    """Return a voice's covariance; float32, where thousands of dimensions take half a second."""
    apart = voice.values - middle.astype(np.float32)
    apart *= np.sqrt((1 - _DISTURBED) * voice.shares / voice.shares.sum())[:, None].astype(
        np.float32
    )
    found: npt.NDArray[np.float32] = apart.T @ apart
    return found + (_DISTURBED * _covariance(voice.all_windows)).astype(np.float32)


def _covariance(moments: Moments) -> Matrix:
    count = moments.counts.sum()
    mean = moments.sums.sum(axis=0) / count
    found: Matrix = moments.squares / count - np.outer(mean, mean)
    return found


def _allowance(places: Matrix, owners: npt.NDArray[np.int64]) -> Matrix:
    found = np.zeros(owners.max() + 1)
    for place in range(len(found)):
        own = owners == place
        if own.sum() == 1 and not own.all():
            found[place] = np.sqrt(np.square(places[~own] - places[own]).sum(axis=1).min()) / 2
    return found
