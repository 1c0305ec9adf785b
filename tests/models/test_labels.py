from __future__ import annotations

import pytest

from affectd.models.labels import FOUR_LABELS, LABELS, VALENCE_AROUSAL, label_index


def test_every_label_lies_in_its_quadrant() -> None:
    assert set(VALENCE_AROUSAL) == set(LABELS)
    assert all(abs(value) <= 1 for point in VALENCE_AROUSAL.values() for value in point)
    assert VALENCE_AROUSAL["neutral"] == (0, 0)
    signs = {label: (v > 0, a > 0) for label, (v, a) in VALENCE_AROUSAL.items()}
    assert signs["happy"] == signs["surprised"] == (True, True)
    assert signs["angry"] == signs["fearful"] == signs["disgust"] == (False, True)
    assert signs["sad"] == (False, False)


def test_labels_are_sorted_and_hold_the_four() -> None:
    assert list(LABELS) == sorted(LABELS)
    assert set(FOUR_LABELS) < set(LABELS)


def test_an_unknown_label_is_named() -> None:
    assert label_index("happy") == 3
    with pytest.raises(ValueError, match=r"'bored'; allowed are angry, .*surprised"):
        label_index("bored")
