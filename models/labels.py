"""The seven emotions, their valence and arousal, and the four that most corpora share."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["FOUR_LABELS", "LABELS", "VALENCE_AROUSAL", "label_index", "valence_arousal_of"]

LABELS: tuple[str, ...] = (
    "angry",
    "disgust",
    "fearful",
    "happy",
    "neutral",
    "sad",
    "surprised",
)
"""What the shipped models tell apart, in the order of their outputs. Calm speech counts as neutral;
bored speech is left out."""

FOUR_LABELS: tuple[str, ...] = ("angry", "happy", "neutral", "sad")
"""The four that nearly every corpus has: what a comparison across corpora is made on."""

VALENCE_AROUSAL: dict[str, tuple[float, float]] = {
    "angry": (-0.51, 0.59),
    "disgust": (-0.60, 0.35),
    "fearful": (-0.64, 0.60),
    "happy": (0.81, 0.51),
    "neutral": (0.0, 0.0),
    "sad": (-0.63, -0.27),
    "surprised": (0.40, 0.67),
}
"""Valence and arousal of each label, each within ±1.

Source: mean ratings of pleasure and arousal of the corresponding terms in J. A. Russell and
A. Mehrabian, "Evidence for a three-factor theory of emotions", Journal of Research in Personality
11 (1977) 273-294. Neutral is the origin by definition. A point on this plane is a reading aid for
a class probability, not a measurement of valence or arousal.
"""


def valence_arousal_of(label: str) -> tuple[float, float]:
    """Return where a label lies, with or without a sex before it (``male happy``).

    Calm, where it is told from neutral, lies by the same source as the others.

    Raises:
        ValueError: no such label is known.
    """
    emotion = label.removeprefix("female ").removeprefix("male ")
    if emotion == "calm":
        return (0.32, -0.29)
    if emotion not in VALENCE_AROUSAL:
        known = ", ".join((*VALENCE_AROUSAL, "calm"))
        raise ValueError(f"label is {label!r}; allowed are {known}, also after 'male' or 'female'")
    return VALENCE_AROUSAL[emotion]


def label_index(label: str, labels: Iterable[str] = LABELS) -> int:
    """Return where a label stands among the outputs.

    Raises:
        ValueError: the label is not one of them.
    """
    known = tuple(labels)
    if label not in known:
        raise ValueError(f"label is {label!r}; allowed are {', '.join(known)}")
    return known.index(label)
