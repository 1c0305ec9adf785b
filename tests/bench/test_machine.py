from __future__ import annotations

from pathlib import Path

from affectd.bench.machine import Stolen, describe_machine


def test_what_the_host_gave_to_others_is_counted_from_the_beginning(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 50 800 0 0 10 40 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    stolen = Stolen(stat)
    assert stolen.percent() is None  # no time has gone by
    # 60 of user, 20 of idle, 20 stolen; what guests of our own take is within user's.
    stat.write_text("cpu  160 0 50 820 0 0 10 60 30 0\n")
    assert stolen.percent() == 20
    assert Stolen(tmp_path / "nothing").percent() is None
    stat.write_text("cpu  100 0 50 800\n")
    assert Stolen(stat).percent() is None


def test_the_machine_is_described() -> None:
    told = describe_machine()
    assert told["cores"]
    assert told["processor"]
