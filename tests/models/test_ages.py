"""Unit tests of the speakers' ages."""

from __future__ import annotations

from pathlib import Path

import pytest

from affectd.models.ages import age_group, ages


def test_published_ages_need_no_file(tmp_path: Path) -> None:
    assert ages("tess", tmp_path) == {"OAF": 64, "YAF": 26}
    assert len(ages("emodb", tmp_path)) == 10


def test_tables_are_read_where_they_are(tmp_path: Path) -> None:
    assert ages("nemo", tmp_path) == {}
    (tmp_path / "data.tsv").write_text("speaker_id\tage\nWR0\t23\n EB0 \tunknown\n", "utf-8")
    assert ages("nemo", tmp_path) == {"WR0": 23}
    (tmp_path / "VideoDemographics.csv").write_text('"ActorID","Age"\n1001,51\n', "utf-8")
    assert ages("crema-d", tmp_path) == {"1001": 51}


def test_nobody_told_the_ages_of_others(tmp_path: Path) -> None:
    assert ages("ravdess", tmp_path) == {}


@pytest.mark.parametrize(
    ("years", "group"),
    [(29, "under 30"), (30, "30 to 44"), (44, "30 to 44"), (45, "45 and over")],
)
def test_groups_meet_without_gap(years: int, group: str) -> None:
    assert age_group(years) == group
