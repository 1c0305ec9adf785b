"""Integration: every command of the documentation is run, and every program of it and the README.

A block fenced ``sh`` is run line by line, in a folder with the files that it names, beside a daemon
with the demo. Of those with a class, ``.microphone`` has a virtual one; ``.corpora`` needs what no
test has, and ``.slow`` measures: their options alone are checked here. ``console`` is for other
programs.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import soundfile
from tests.clients.web.javascript import NODE
from tests.engine.running_daemon import RunningDaemon, running_daemon

from affectd.bench.virtual_microphone import VirtualMicrophone, virtual_microphone
from affectd.cli import main
from affectd.engine.sources import DemoSource

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
FENCE = re.compile(r"^```(?: \{ \.)?(\w+)(?: \.(\w+) \})?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOREVER = re.compile(r"affectd (?:run|watch)\b(?!.*--svg)")
PATIENCE_SECONDS = 120


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    language: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {' / '.join(self.text.splitlines())[:60]}"


def blocks(language: str, pages: Sequence[Path] = PAGES) -> list[Block]:
    return [
        Block(str(page.relative_to(ROOT)), found[1], found[2] or "", found[3])
        for page in pages
        for found in FENCE.finditer(page.read_text("utf-8"))
        if found[1] == language
    ]


LINES = {line: block for block in blocks("sh") for line in block.text.splitlines()}
PROGRAMS = {
    block.text: block
    for language in ("python", "js")
    for block in blocks(language, [ROOT / "README.md", *PAGES])
}
COMMANDS = [pytest.param(block, line, id=line) for line, block in LINES.items()]


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with running_daemon() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages take for granted: a talk, its subtitles, a folder of recordings."""
    folder = tmp_path_factory.mktemp("docs")
    clips = list(DemoSource().clips())
    soundfile.write(folder / "talk.wav", clips[1], 16_000)
    (folder / "talk.srt").write_text("1\n00:00:00,100 --> 00:00:03,000\nWhere were you?\n")
    (folder / "recordings").mkdir()
    for number in (0, 2):
        soundfile.write(folder / "recordings" / f"{number}.wav", clips[number], 16_000)
    return folder


def environment() -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    scripts = Path(sys.executable).parent
    return {
        **os.environ,
        "AFFECTD_PORT": str(port),
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "NO_COLOR": "1",
    }


def at_hand(text: str, daemon: RunningDaemon) -> str:
    """Return a command for the daemon of these tests instead of the reader's own."""
    text = text.replace("ws://127.0.0.1:8765", daemon.address)
    return re.sub(r"affectd (watch|status)(?! ws:)", rf"affectd \1 {daemon.address}", text)


def run(command: str, folder: Path, variables: dict[str, str]) -> None:
    """Run a command; one that never ends must say something, and end when it is told to."""
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout
        if FOREVER.search(command):
            assert process.stdout.readline().strip(), process.communicate(timeout=9)
            os.killpg(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
        if not FOREVER.search(command):
            assert process.returncode == 0, said
        assert "Traceback" not in said
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.parametrize(("block", "line"), COMMANDS)
def test_a_command_of_the_documentation_does_what_it_says(
    block: Block,
    line: str,
    folder: Path,
    daemon: RunningDaemon,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if block.kind in ("corpora", "slow") and not FOREVER.search(line):
        assert_its_options_exist(line, monkeypatch, capsys)
        return
    variables = environment()
    if block.kind == "microphone":
        place = tmp_path_factory.mktemp("mic")
        with virtual_microphone(place) as microphone:
            run(line, folder, {**microphone.environment, **variables, **sound_of(microphone)})
    elif line.startswith("affectd ") and not FOREVER.search(line):
        monkeypatch.chdir(folder)
        call(shlex.split(at_hand(line, daemon)), monkeypatch)
    else:
        run(at_hand(line, daemon), folder, variables)


def call(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command of affectd's as its script does, without a new interpreter for each."""
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


def sound_of(microphone: VirtualMicrophone) -> dict[str, str]:
    known = microphone.environment
    names = ("PULSE_SERVER", "PULSE_SOURCE", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "HOME")
    return {name: known[name] for name in names}


def assert_its_options_exist(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(line)
    assert words[0] == "affectd"
    names = [word for word in words[1:3] if not word.startswith("-")]
    monkeypatch.setenv("COLUMNS", "200")
    call(["affectd", *names, "--help"], monkeypatch)
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    for word in words:
        if word.startswith("-"):
            assert re.search(rf"(?<![\w-]){word}(?![\w-])", shown), word


LISTENING = [block for block in PROGRAMS.values() if "ws://" in block.text]


@pytest.mark.parametrize(
    "block", [block for block in PROGRAMS.values() if block not in LISTENING], ids=str
)
def test_a_program_of_the_documentation_says_something(
    block: Block,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert block.language == "python"
    monkeypatch.chdir(folder)
    exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("block", LISTENING, ids=str)
def test_a_program_of_the_documentation_hears_the_daemon(
    block: Block, folder: Path, daemon: RunningDaemon
) -> None:
    text = at_hand(block.text, daemon)
    if block.language == "js":
        # Beside the client, as the daemon serves it.
        for name in ("affectd.js", "msgpack.js"):
            urllib.request.urlretrieve(
                daemon.address.replace("ws:", "http:") + f"/{name}", folder / name
            )
        (folder / "program.js").write_text(text)
        command = [NODE, "program.js"]
    else:
        command = [sys.executable, "-u", "-c", text]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline().strip(), process.communicate(timeout=9)
    finally:  # it would listen for ever
        process.kill()
        process.communicate()


def test_every_command_of_affectd_stands_where_it_is_run() -> None:
    """A ``console`` block may call affectd only where the system around it is the reader's."""
    for block in blocks("console"):
        for line in block.text.splitlines():
            if re.match(r"\$ affectd ", line):
                assert re.search(r"my-model\.onnx|--json", line), str(block)


def test_a_proxy_logs_no_address_with_a_token() -> None:
    found = blocks("nginx")
    assert found
    for block in found:
        assert "access_log off;" in block.text
        assert re.search(r"error_log \S+ crit;", block.text), "its errors show addresses too"


def test_the_pages_of_the_site_are_in_its_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in PAGES:
        assert str(page.relative_to(ROOT / "docs")) in menu


@pytest.mark.parametrize("page", ["README.md", "docs/start.md"])
def test_what_the_javascript_client_needs_is_said_beside_its_program(page: str) -> None:
    client = (ROOT / "clients" / "web" / "affectd.js").read_text("utf-8")
    needed = re.findall(r'from "\./([\w.-]+)"', client)
    assert needed
    before = (ROOT / page).read_text("utf-8").partition("```js")[0]
    for name in needed:
        assert name in before
    assert re.search(r"Node\.js from 22", before)
