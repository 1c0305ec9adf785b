"""Whether probabilities mean what they say: the temperature, and the expected calibration error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["expected_calibration_error", "fit_temperature", "softmax"]

_LOWEST, _HIGHEST = 0.05, 20.0


def softmax(logits: npt.NDArray[np.float64], temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Return probabilities over the last axis of ``logits / temperature``."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    probabilities: npt.NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def fit_temperature(logits: npt.NDArray[np.float64], truth: npt.NDArray[np.int64]) -> float:
    """Return the temperature with the least negative log-likelihood, between 0.05 and 20.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. The likelihood is
    convex in the inverse temperature, so a golden-section search over its logarithm finds the one
    minimum.

    Args:
        logits: float64 ``(clips, classes)``.
        truth: Place of each clip's label, int64 ``(clips,)``.
    """
    golden = (5**0.5 - 1) / 2
    low, high = np.log(_LOWEST), np.log(_HIGHEST)
    while high - low > 1e-4:
        left, right = high - golden * (high - low), low + golden * (high - low)
        if _loss(logits, truth, np.exp(left)) < _loss(logits, truth, np.exp(right)):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _loss(
    logits: npt.NDArray[np.float64], truth: npt.NDArray[np.int64], temperature: float
) -> float:
    scaled = logits / temperature
    top = scaled.max(axis=1)
    normaliser = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return float((normaliser - scaled[np.arange(truth.size), truth]).mean())


def expected_calibration_error(
    probabilities: npt.NDArray[np.float64], truth: npt.NDArray[np.int64], *, bins: int = 15
) -> float:
    """Return the mean distance between confidence and accuracy over equally wide bins.

    Source: M. P. Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    AAAI 2015.

    Args:
        probabilities: float64 ``(clips, classes)``.
        truth: Place of each clip's label, int64 ``(clips,)``.
        bins: Number of bins of the highest probability.

    Returns:
        Between 0 and 1.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    places = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    distance = 0.0
    for place in range(bins):
        inside = places == place
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            distance += gap * inside.mean()
    return float(distance)
