"""What a mistyped name probably meant."""

from __future__ import annotations

import pytest

from affectd.models.spelling import nearest


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("crn", ["cnn", "crnn"], "did you mean crnn or cnn?"),
        ("crn", ["crnn", "crnn", "lstm"], "did you mean crnn?"),
        ("CRN", ["papers/crnn", "crnn", "lstm"], "did you mean crnn or papers/crnn?"),
        ("papers/crn", ["papers/crnn", "lstm"], "did you mean papers/crnn?"),
        ("quite another", ["lstm", "crnn", "lstm"], "known are crnn, lstm"),
    ],
)
def test_near_names_are_named_once(name: str, known: list[str], said: str) -> None:
    assert nearest(name, known) == said
