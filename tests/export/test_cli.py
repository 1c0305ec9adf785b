from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from affectd.export import parity
from affectd.export.cli import export

app = typer.Typer()
app.command()(export)


def test_export_writes_the_artefact_and_says_what_it_checked(
    checkpoint_file: Path, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, [str(checkpoint_file), "-o", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "tiny.onnx" in done.output
    assert "parity on" in done.output
    assert "p99" in done.output


def test_nothing_is_written_where_the_graph_differs(
    checkpoint_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "TOLERANCE", 0.0)
    done = CliRunner().invoke(app, [str(checkpoint_file), "-o", str(tmp_path)])
    assert done.exit_code != 0
    assert "allowed is 0" in str(done.exception)
    assert not list(tmp_path.iterdir())
