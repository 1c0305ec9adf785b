"""Unit and property tests of what is said of an emotion once the voice is known, by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectd.kernels.voice_experts import VoiceExperts

# Two experts with three outputs each, of which the last two count for the second label.
EXPERTS = VoiceExperts(
    offsets=np.array([[2.0, 0, 0, 1, 0, 0], [0, 1, 1, 0, 2, 2]]),
    constants=np.array([[0.5, 0, 0], [0, 0, -3]]),
    columns=((0,), (1, 2)),
    prior_utterances=4.0,
)
SURE = np.array([1.0, 0.0])
VECTOR = np.array([1.0, 2, 3, 4, 5, 6, 0.25, 0.75])


def acquainted(*vectors: Any) -> Any:
    voice = EXPERTS.middle()
    for vector in vectors:
        EXPERTS.hear(voice, vector, SURE)
    return voice


def test_of_a_voice_that_nobody_knows_the_model_alone_counts() -> None:
    logits = np.array([[0.3, -0.2]])
    np.testing.assert_array_equal(EXPERTS.beside(logits, VECTOR[None], EXPERTS.middle()), logits)


def test_the_voices_middle_is_taken_off_and_each_expert_is_believed_as_far_as_the_vector_says() -> (
    None
):
    voice = acquainted([2.0, 1, 1, 1, 1, 1, 0.5, 0.5])  # less what the first label gives
    np.testing.assert_allclose(voice.middle, [0, 1, 1, 0, 1, 1])
    apart = np.array([[1.5, 1, 2], [4, 4, 2]])
    outputs = 0.25 * apart[0] + 0.75 * apart[1]
    expected = [outputs[0], np.log(np.exp(outputs[1]) + np.exp(outputs[2]))]
    np.testing.assert_allclose(EXPERTS.known(VECTOR[None], voice)[0], expected)
    three = EXPERTS.known(VECTOR[None], voice, columns=((0,), (1,), (2,)))
    np.testing.assert_allclose(three[0], outputs)


def test_the_share_grows_with_what_was_heard() -> None:
    shares = [EXPERTS.share(acquainted(*[VECTOR] * count)) for count in (0, 1, 4, 200)]
    weights = [count / (1 + 0.3 * count) for count in (0, 1, 4, 200)]
    assert shares == pytest.approx([weight / (weight + 4) for weight in weights])
    voice, logits = acquainted(*[VECTOR] * 4), np.array([[1.0, -1.0]])
    for _ in range(4):
        EXPERTS.hear(voice, VECTOR, 1 - SURE)
    assert EXPERTS.share(voice) == pytest.approx(2 * weights[2] / (2 * weights[2] + 4))
    known = EXPERTS.known(VECTOR[None], voice)
    mixed = EXPERTS.beside(logits, VECTOR[None], voice)
    share = EXPERTS.share(voice)
    np.testing.assert_allclose(mixed, (1 - share) * logits + share * known)


@given(st.lists(st.floats(-5, 5, width=16), min_size=6, max_size=6))
def test_what_a_voice_adds_to_every_vector_falls_away(voice_adds: list[float]) -> None:
    added = np.array([*voice_adds, 0, 0])
    plain = EXPERTS.known(VECTOR[None], acquainted(VECTOR, 2 * VECTOR))
    moved = EXPERTS.known((VECTOR + added)[None], acquainted(VECTOR + added, 2 * VECTOR + added))
    np.testing.assert_allclose(moved, plain, atol=1e-9)


def test_they_survive_json() -> None:
    kept = json.loads(json.dumps(EXPERTS.to_dict()))
    again = VoiceExperts.from_dict(kept)
    assert again.digest == EXPERTS.digest
    assert again.size == EXPERTS.size == len(VECTOR)
    assert again.columns == EXPERTS.columns
    np.testing.assert_array_equal(again.offsets, EXPERTS.offsets)
    np.testing.assert_array_equal(again.constants, EXPERTS.constants)
    assert replace(EXPERTS, offsets=EXPERTS.offsets + 1).digest != EXPERTS.digest


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"offsets": None}, "damaged"),
        ({"offsets": "AAAA"}, "damaged"),
        ({"offsets": "no Base64"}, "damaged"),
        ({"experts": 4}, "damaged"),
        ({"experts": 0}, "damaged"),
        ({"columns": [[0]]}, "fit together"),
        ({"columns": [[0], []]}, "fit together"),
        ({"columns": [[0], [3]]}, "fit together"),
        ({"columns": []}, "damaged"),
        ({"prior_utterances": 0}, "prior_utterances is 0"),
        ({"prior_utterances": "nan"}, "prior_utterances is nan"),
        ({"constants": "AHwAfAB8AHwAfAB8"}, "infinity"),
    ],
)
def test_what_is_damaged_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        VoiceExperts.from_dict({**EXPERTS.to_dict(), **changes})


def test_what_lacks_a_value_is_refused_by_its_name() -> None:
    values = EXPERTS.to_dict()
    del values["columns"]
    with pytest.raises(ValueError, match="no 'columns'"):
        VoiceExperts.from_dict(values)
