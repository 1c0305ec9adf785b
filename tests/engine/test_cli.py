"""Integration: what a person reads at the command line, above all when something is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from affectd.engine.runtime import load_runtime


def affectd(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "affectd", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **environment},
        timeout=120,
    )


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return affectd("run", "--port", "0", "--no-view", *arguments, **environment)


def assert_one_line(done: subprocess.CompletedProcess[str], says: str, code: int = 1) -> None:
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("affectd: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    assert_one_line(run("--source", str(path)), f"{path} cannot be read: there is no such file")


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.touch()
    assert_one_line(run("--source", str(path)), "it is empty")


def test_a_file_without_samples_is_named(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.zeros(0), 16_000)
    assert_one_line(run("--source", str(path)), "holds no audio")


def test_a_file_that_is_not_audio_is_named(tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    path.write_text("these are words, but nobody speaks them")
    assert_one_line(run("--source", str(path)), "libsndfile")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert_one_line(run("--source", str(tmp_path)), "it is a folder")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_file_with_a_bad_sample_says_where(value: float, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    samples = np.zeros(8_000, np.float32)
    samples[4_321] = value
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    assert_one_line(run("--source", str(path)), "sample 4321 is")


def test_an_empty_standard_input_is_named() -> None:
    assert_one_line(run("--source", "-"), "standard input holds no audio")


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = affectd("run", "--no-view", "--port", str(port))
    assert_one_line(done, f"port {port} on 127.0.0.1 is in use")


def test_an_unknown_model_is_named() -> None:
    assert_one_line(run("--model", "crmn"), "no model 'crmn'")


@pytest.mark.skipif(
    "CUDAExecutionProvider" in load_runtime().get_available_providers(),
    reason="this ONNX Runtime is the one for GPUs",
)
def test_a_gpu_that_is_missing_is_named_and_no_cpu_taken_for_it() -> None:
    assert_one_line(run("--processor", "cuda"), "pip install 'affectd[gpu]'")


def test_an_unknown_processor_is_named() -> None:
    assert_one_line(run("--processor", "tpu"), "setting 'processor' is 'tpu'")


def test_an_unknown_option_is_named() -> None:
    assert_one_line(run("--sauce", "mic"), "No such option: --sauce", code=2)


def test_an_unknown_variable_is_named() -> None:
    assert_one_line(affectd("config", AFFECTD_PROT="1"), "variable 'AFFECTD_PROT'")


def test_an_unknown_command_is_named() -> None:
    assert_one_line(affectd("rnu"), "No such command 'rnu'", code=2)


def test_a_value_out_of_range_is_named() -> None:
    assert_one_line(run("--rate", "7"), "setting 'rate' is 7")


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    path = tmp_path / "affectd.toml"
    path.write_text("[voice]\naggresiveness = 2\n")
    done = affectd("config", "--config", str(path))
    assert_one_line(done, "setting 'voice.aggresiveness' is unknown; known are aggressiveness")


def test_other_machines_may_not_listen_without_a_token() -> None:
    assert_one_line(run("--host", "0.0.0.0"), "set a token")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = affectd("--debug", "run", "--source", str(tmp_path / "talk.wav"))
    assert "Traceback" in done.stderr


def test_config_prints_what_is_in_effect_and_hides_the_token() -> None:
    done = affectd("config", AFFECTD_PORT="8800", AFFECTD_TOKEN="hush")
    settings = json.loads(done.stdout)
    assert settings["port"] == 8800
    assert settings["token"] == "(set)"
    assert settings["voice"]["preroll_seconds"] == 0.3


def test_the_doctor_finds_runtime_and_model() -> None:
    done = affectd("doctor")
    assert done.returncode == 0, done.stdout
    assert "ok  model" in done.stdout
    assert "model: open" in affectd("doctor", AFFECTD_MODEL="open").stdout


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "watch",
        "send",
        "status",
        "devices",
        "doctor",
        "config",
        "bench",
        "train",
        "evaluate",
        "export",
    ],
)
def test_every_command_teaches_its_use(command: str) -> None:
    done = affectd(command, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout or command == "bench"


def test_an_option_that_would_do_nothing_is_refused() -> None:
    assert_one_line(run("--rate", "8000"), "--rate does nothing with --source demo")
    assert_one_line(run("--source", "mic", "--pace", "fast"), "--pace does nothing with")


def test_a_pipe_that_nobody_heard_is_told_of() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "affectd", "run", "--port", "0", "--no-view", "--source", "-"],
        input=bytes(32_000),
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert b"the source has ended, and no client came to hear it" in done.stderr


def test_what_a_pipe_held_is_seen_in_a_terminal_and_stays_there(
    clips: list[np.ndarray],
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "affectd", "run", "--port", "0", "--source", "-"]
    silence = np.zeros(16_000, np.float32)
    audio = np.concatenate([clips[0], silence, clips[1], silence])
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
    ) as process:
        os.close(theirs)
        assert process.stdin
        process.stdin.write((audio * 32_767).astype("<i2").tobytes())
        process.stdin.close()
        shown = b""
        with contextlib.suppress(OSError):  # a terminal without a process is an error to read
            while chunk := os.read(ours, 65_536):
                shown += chunk
    os.close(ours)
    assert process.returncode == 0
    left = shown.rpartition(b"\x1b[?1049l")[2].decode()
    assert left.count(" to 0:0") == 2, "two utterances stay on the terminal"
