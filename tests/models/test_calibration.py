from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from affectd.models.calibration import expected_calibration_error, fit_temperature, softmax


@settings(deadline=None, max_examples=10)
@given(temperature=st.floats(0.3, 5), seed=st.integers(0, 100))
def test_the_temperature_that_made_the_labels_is_found(temperature: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (4000, 5))
    truth = (logits / temperature + rng.gumbel(size=logits.shape)).argmax(axis=1)
    assert fit_temperature(logits, truth) == pytest.approx(temperature, rel=0.2)


def test_no_other_temperature_has_less_log_loss() -> None:
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(0, 4, (200, 4)), rng.integers(0, 4, 200)
    truth[:120] = logits[:120].argmax(axis=1)
    best = fit_temperature(logits, truth)
    losses = [log_loss(truth, softmax(logits, best * factor)) for factor in (0.9, 1, 1.1)]
    assert losses[1] == min(losses)


def test_perfect_guesses_want_a_small_temperature_and_wrong_ones_a_large() -> None:
    logits = np.eye(3)[[0, 1, 2]] * 4
    assert fit_temperature(logits, np.array([0, 1, 2])) < 0.2
    assert fit_temperature(logits, np.array([1, 2, 0])) > 19


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    truth = np.array([0, 1, 0, 1])
    # In the bin of 0.9 half are right, in that of 0.6 all.
    assert expected_calibration_error(probabilities, truth, bins=10) == pytest.approx(0.4)
    assert expected_calibration_error(np.eye(2), np.array([0, 1])) == 0
