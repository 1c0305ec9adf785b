from __future__ import annotations

import pytest

from affectd.bench.own_daemon import daemon
from affectd.engine.artefact import ArtefactError


def test_a_model_that_is_not_there_is_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ArtefactError, match="no model 'nope'"), daemon(model="nope"):
        pass
    assert capfd.readouterr() == ("", ""), "no daemon has begun"


def test_a_daemon_that_cannot_start_is_told_of() -> None:
    with pytest.raises(OSError, match="did not start"), daemon("--no-such-option", model=""):
        pass
