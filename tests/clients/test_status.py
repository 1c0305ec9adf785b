"""Integration: ``affectd status`` against the real daemon, and what it says where there is none."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.engine.running_daemon import running_daemon

from affectd.clients.address import Address
from affectd.clients.status import fetch_status


def test_it_prints_how_the_daemon_fares() -> None:
    with running_daemon() as daemon:
        done = subprocess.run(
            [sys.executable, "-m", "affectd", "status", daemon.address],
            capture_output=True,
            text=True,
        )
    assert (done.returncode, done.stderr) == (0, "")
    status = json.loads(done.stdout)
    assert status["server"].startswith("affectd ")
    assert status["streams_carried"] >= 1
    [stream] = status["streams"]
    assert (stream["stream"], stream["hop_seconds"]) == ("demo", 0.25)
    assert (stream["voice_only"], stream["lost"], stream["capture"]) == (False, False, "")


async def test_the_token_is_shown_and_a_refusal_is_told(start_station: Any) -> None:
    station = await start_station(token="geheim")
    assert await asyncio.to_thread(fetch_status, Address(station.url, "geheim")) == {}
    with pytest.raises(OSError, match=r"refuses: .*token"):
        await asyncio.to_thread(fetch_status, Address(station.url))


def test_a_page_of_somebody_else_is_not_shown() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as stranger:
        threading.Thread(target=stranger.serve_forever).start()
        try:
            address = Address(f"ws://127.0.0.1:{stranger.server_port}")
            with pytest.raises(OSError, match=r"is no affectd: it sent HTTP 404$"):
                fetch_status(address)
        finally:
            stranger.shutdown()


def test_where_nobody_listens_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "affectd", "status", "ws://127.0.0.1:9"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("affectd: no daemon answers at ws://127.0.0.1:9")
    assert "Traceback" not in done.stderr
