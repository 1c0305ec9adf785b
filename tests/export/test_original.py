from __future__ import annotations

import pytest

from affectd.export.original import added_noise
from affectd.models.card import AddedNoise
from affectd.models.systems import named_recipe


@pytest.mark.parametrize(
    ("name", "noise"),
    [
        ("crnn", "recorded"),
        ("fast", "recorded"),
        ("open", "coloured"),
        ("papers/crnn", "coloured"),
        ("papers/dnn-stft", "none"),
        ("papers/cnn-4-augmented", "none"),
    ],
)
def test_noise_is_what_training_adds_to_the_speech(name: str, noise: AddedNoise) -> None:
    assert added_noise(named_recipe(name)) == noise
