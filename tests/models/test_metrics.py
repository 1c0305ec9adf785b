from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from affectd.models.confusion_plot import save_confusion_plot
from affectd.models.metrics import Confusion

NAMES = ("angry", "happy", "neutral", "sad")
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), min_size=1)


@given(pairs=PAIRS)
def test_figures_are_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    true, guessed = zip(*pairs, strict=True)
    result = Confusion.of(true, guessed, NAMES)
    occurring = sorted(set(true))
    expected = metrics.recall_score(
        true, guessed, labels=occurring, average="macro", zero_division=0
    )
    assert result.uar == pytest.approx(expected)
    assert result.accuracy == pytest.approx(metrics.accuracy_score(true, guessed))
    assert np.array_equal(
        result.counts, metrics.confusion_matrix(true, guessed, labels=list(NAMES))
    )


@given(first=PAIRS, second=PAIRS)
def test_sums_are_as_if_counted_together(
    first: list[tuple[str, str]], second: list[tuple[str, str]]
) -> None:
    def of(pairs: list[tuple[str, str]]) -> Confusion:
        return Confusion.of([p[0] for p in pairs], [p[1] for p in pairs], NAMES)

    assert np.array_equal((of(first) + of(second)).counts, of(first + second).counts)


def test_text_has_a_line_for_each_label_that_occurs() -> None:
    text = str(Confusion.of(["sad", "sad", "angry"], ["sad", "happy", "angry"], NAMES))
    lines = text.splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("sad")
    assert lines[2].endswith("50.0%")


def test_unknown_labels_and_other_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="'bored'; allowed are angry"):
        Confusion.of(["bored"], ["sad"], NAMES)
    with pytest.raises(ValueError, match="labels differ"):
        Confusion.of([], [], NAMES) + Confusion.of([], [], NAMES[:2])


def test_the_picture_is_a_png_with_every_label(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "confusion.png"
    matrix = Confusion.of(["sad", "angry"], ["sad", "happy"], NAMES)
    save_confusion_plot(matrix, path, title="a title")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"allowed endings are \.png"):
        save_confusion_plot(matrix, path.with_suffix(".txt"), title="")
