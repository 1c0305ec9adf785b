"""Where the weights that others trained are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from affectd.models.foreign_weights import WeightsError, weights_of

NEEDED = "vgg19.pth, of somebody"


def test_a_folder_of_its_name_is_preferred_to_the_folder_itself(tmp_path: Path) -> None:
    assert weights_of("vgg19", tmp_path, needed=NEEDED) == tmp_path
    (tmp_path / "vgg19").mkdir()
    assert weights_of("vgg19", tmp_path, needed=NEEDED) == tmp_path / "vgg19"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"--weights .*none: there is no such folder"):
        weights_of("vgg19", tmp_path / "none", needed=NEEDED)


def test_who_gives_no_folder_is_told_what_is_needed() -> None:
    with pytest.raises(WeightsError, match=rf"vgg19 needs weights: {NEEDED}"):
        weights_of("vgg19", None, needed=NEEDED)
