"""Integration: ``affectd watch`` as a process of its own, against the real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest


async def watch(*arguments: str, stdout: int = PIPE, **environment: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "affectd",
        "watch",
        *arguments,
        stdout=stdout,
        stderr=PIPE,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )


async def ended(process: Process) -> tuple[int, list[str], str]:
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, (out or b"").decode().splitlines(), err.decode()


async def test_json_is_one_event_a_line_until_the_goodbye(station: Any, speaker: Any) -> None:
    process = await watch(station.url, "--json", "--once")
    await station.listener()
    station.publish(speaker.sounds("happy"), speaker.said("happy"))
    await station.server.stop()
    code, lines, err = await ended(process)
    assert (code, err) == (0, "")
    events = [json.loads(line) for line in lines]
    assert [each["type"] for each in events] == ["hello", "emotion", "utterance", "bye"]
    assert events[2]["scores"]["happy"] == 0.76


async def test_a_pipe_gets_a_line_an_utterance(station: Any, speaker: Any) -> None:
    process = await watch(station.url, "--once")
    await station.listener()
    station.publish(speaker.sounds("sad"), speaker.said("sad"))
    await station.server.stop()
    code, lines, err = await ended(process)
    assert (code, err) == (0, "")
    assert [line.split()[1:3] for line in lines] == [["demo", "sad"], ["affectd", "the"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_quietly(station: Any, number: signal.Signals) -> None:
    process = await watch(station.url, "--json")
    await station.listener()
    process.send_signal(number)
    code, lines, err = await ended(process)
    assert (code, err) == (0, "")
    assert len(lines) <= 1


async def test_a_reader_that_goes_ends_it_quietly(station: Any, speaker: Any) -> None:
    read_end, write_end = os.pipe()
    process = await watch(station.url, "--json", stdout=write_end)
    os.close(write_end)
    await station.listener()
    os.close(read_end)
    station.publish(speaker.said("sad"))
    code, _, err = await ended(process)
    assert (code, err) == (0, "")


async def test_a_terminal_gets_the_live_view_and_is_given_back(station: Any, speaker: Any) -> None:
    ours, theirs = pty.openpty()
    process = await watch(station.url, "--once", stdout=theirs)
    os.close(theirs)
    await station.listener()
    station.publish(speaker.speech("start"), speaker.sounds("happy"))
    shown = b""
    with contextlib.suppress(OSError):  # a terminal without a process is an error to read
        while chunk := await asyncio.to_thread(os.read, ours, 65_536):
            shown += chunk
            if b"H A P P Y" in shown and len(station.hub):
                await station.server.stop()
    os.close(ours)
    code, _, err = await ended(process)
    assert (code, err) == (0, "")
    assert shown.count(b"\x1b[?1049h") == shown.count(b"\x1b[?1049l") == 1
    assert shown.rindex(b"\x1b[?1049l") > shown.rindex(b"H A P P Y")
    assert b"\x1b[?25h" in shown, "the cursor is shown again"


async def test_the_picture_is_saved(station: Any, speaker: Any, tmp_path: Path) -> None:
    file = tmp_path / "view.svg"
    process = await watch(station.url, "--svg", str(file), "--after", "1")
    await station.listener()
    station.publish(speaker.said("sad"), *(speaker.sounds("happy") for _ in range(3)))
    code, lines, err = await ended(process)
    assert (code, lines, err) == (0, [], "")
    assert file.read_text("utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ftp://127.0.0.1:1"], "must begin with ws:// or wss://"),
        (["ws://127.0.0.1:1"], "nothing answers at ws://127.0.0.1:1 (Connection refused)"),
        (["ws://127.0.0.1:1", "--json", "--svg", "a.svg"], "exclude each other"),
        (["ws://127.0.0.1:1", "--svg", "no/such/folder/a.svg"], "there is no folder"),
    ],
)
async def test_what_is_wrong_is_one_line(arguments: list[str], message: str) -> None:
    code, lines, err = await ended(await watch(*arguments))
    assert (code, lines) == (1, [])
    assert err.startswith("affectd: ")
    assert message in err
    assert err.count("\n") == 1


async def test_the_token_comes_from_the_environment(start_station: Any) -> None:
    station = await start_station(token="open sesame")
    process = await watch(station.url, "--json", "--once", AFFECTD_TOKEN="open sesame")
    await station.listener()
    await station.server.stop()
    assert (await ended(process))[0] == 0


async def test_a_wrong_token_is_one_line(start_station: Any) -> None:
    station = await start_station(token="open sesame")
    code, _, err = await ended(await watch(station.url, AFFECTD_TOKEN="guessed"))
    assert code == 1
    assert "the token is missing or wrong" in err
    assert "guessed" not in err


async def test_nothing_heavy_is_imported(station: Any, speaker: Any) -> None:
    script = (
        "import sys\n"
        "from affectd.__main__ import main\n"
        "import affectd.clients.terminal\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    heavy = {'numba', 'onnxruntime', 'numpy', 'torch', 'sounddevice'}\n"
        "    print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, "watch", station.url, "--once", stdout=PIPE, stderr=PIPE
    )
    await station.listener()
    station.publish(speaker.said("sad"))
    await station.server.stop()
    code, lines, err = await ended(process)
    assert (code, err) == (0, "[]\n")
    assert "sad" in lines[0]


async def test_the_help_teaches_with_an_example() -> None:
    code, lines, _ = await ended(await watch("--help", COLUMNS="100"))
    assert code == 0
    text = "\n".join(lines)
    assert "Example: affectd watch ws://127.0.0.1:8800 --json" in text
    assert "AFFECTD_TOKEN" in text
    assert "--once" in text
