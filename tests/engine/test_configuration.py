"""Unit tests of the configuration: real files, a real environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from affectd.engine.configuration import Configuration, ConfigurationError, load_configuration


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AFFECTD_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        file = tmp_path / "affectd.toml"
        file.write_text(text, "utf-8")
        return file

    return write


def test_without_anything_the_defaults_hold() -> None:
    assert load_configuration(None, {}).model_dump() == Configuration().model_dump()
    assert (Configuration().source, Configuration().host, Configuration().port) == (
        "demo",
        "127.0.0.1",
        8_765,
    )


def test_flags_win_over_the_environment_over_the_file_over_the_defaults(
    toml: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = toml('port = 1001\nmodel = "file"\nsource = "file"\n')
    assert load_configuration(file, {}).port == 1_001
    monkeypatch.setenv("AFFECTD_PORT", "1002")
    monkeypatch.setenv("AFFECTD_SOURCE", "environment")
    assert load_configuration(file, {}).port == 1_002
    found = load_configuration(file, {"port": 1_003, "host": None})
    assert (found.port, found.source, found.model, found.host) == (
        1_003,
        "environment",
        "file",
        "127.0.0.1",
    )


def test_tables_are_merged_key_by_key(toml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = toml("[voice]\naggressiveness = 1\nhangover_seconds = 0.7\n")
    monkeypatch.setenv("AFFECTD_VOICE__AGGRESSIVENESS", "3")
    voice = load_configuration(file, {"voice": {"onset_seconds": 0.2}}).voice
    assert voice.aggressiveness == 3
    assert voice.hangover_seconds == 0.7
    assert voice.onset_seconds == 0.2
    assert voice.minimum_snr_db == Configuration().voice.minimum_snr_db


def test_a_list_in_the_environment_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTD_ORIGINS", '["a.example", "b.example"]')
    assert load_configuration(None, {}).origins == ("a.example", "b.example")
    monkeypatch.setenv("AFFECTD_ORIGINS", "a.example")
    with pytest.raises(ConfigurationError, match=r"setting 'origins' .* written as JSON, like"):
        load_configuration(None, {})


BAD: list[tuple[str, str]] = [
    (
        "ports = 1",
        "setting 'ports' is unknown; known are .*load, .*pace, port, processor, publishers, rate",
    ),
    (
        "[voice]\nloudness = 1",
        "setting 'voice.loudness' is unknown; known are aggressiveness, hangover_seconds, "
        "minimum_snr_db, onset_seconds, preroll_seconds$",
    ),
    (
        "[server]\nlargest_client = 1",
        "setting 'server.largest_client' is unknown; known are largest_clients, queue_events",
    ),
    ("[smoothing]\nx = 1", "setting 'smoothing.x' is unknown; known are minimum_confidence"),
    ("[segmenter]\nx = 1", "setting 'segmenter.x' is unknown; known are first_seconds"),
    ("port = 65536", "setting 'port' is 65536: input should be less than or equal to 65535"),
    ('port = "many"', "setting 'port' is 'many': input should be a valid integer"),
    ("rate = 7999", "setting 'rate' is 7999: input should be greater than or equal to 8000"),
    ('pace = "slow"', "setting 'pace' is 'slow': input should be 'real' or 'fast'"),
    (
        "[voice]\naggressiveness = 4",
        "setting 'voice.aggressiveness' is 4: input should be less than or equal to 3",
    ),
    (
        "[segmenter]\nhop_seconds = 0",
        "setting 'segmenter.hop_seconds' is 0: input should be greater than or equal to 0.05",
    ),
    ("voice = 3", "setting 'voice' is 3: it is a table of settings"),
    ('host = "0.0.0.0"', "host '0.0.0.0' lets other machines listen in: set a token"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_bad_setting_is_refused_with_its_key_its_value_and_what_is_allowed(
    toml: Any, text: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_configuration(toml(text), {})


def test_bad_settings_from_the_environment_and_from_flags_are_refused_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigurationError, match="setting 'pace' is 'slow'"):
        load_configuration(None, {"pace": "slow"})
    monkeypatch.setenv("AFFECTD_VOICE__LOUDNESS", "1")
    with pytest.raises(ConfigurationError, match=r"setting 'voice\.loudness' is unknown"):
        load_configuration(None, {})


def test_with_a_token_others_may_listen() -> None:
    assert load_configuration(None, {"host": "0.0.0.0", "token": "geheim"}).host == "0.0.0.0"


def test_the_token_is_not_shown() -> None:
    assert "geheim" not in repr(load_configuration(None, {"token": "geheim"}))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file or directory"):
        load_configuration(tmp_path / "none.toml", {})


def test_a_file_that_is_no_toml_is_refused_with_the_place(toml: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"is no TOML: .*line 2"):
        load_configuration(toml("port = 1\nport 2\n"), {})


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "affectd.toml"
    file.write_bytes(b"port = 1 # \xff")
    with pytest.raises(ConfigurationError, match="cannot be read: it is not UTF-8"):
        load_configuration(file, {})
