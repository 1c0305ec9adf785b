"""Integration: a recording sent to a real daemon at ``/analyze``."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engine.running_daemon import RunningDaemon, running_daemon
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_async
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from affectd.engine.analysis import analyse
from affectd.engine.classifier import Classifier
from affectd.engine.offline import Listener
from affectd.engine.offline_connection import OfflineHearing
from affectd.engine.protocol import JSON
from affectd.engine.session import SessionSettings
from affectd.engine.shipped import DEFAULT_MODEL, find_model

HELLO = {"type": "hello", "rate": 16_000, "format": "s16le"}


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with running_daemon() as daemon:
        yield daemon


def talk(
    daemon: RunningDaemon, *frames: bytes | dict[str, Any]
) -> tuple[list[dict[str, Any]], int | None]:
    """Send all frames after the greeting; return the events and the close code."""
    events = []
    with connect(daemon.address + "/analyze", subprotocols=[JSON], compression=None) as client:
        try:
            assert json.loads(client.recv())["type"] == "hello"
            for frame in frames:
                client.send(frame if isinstance(frame, bytes) else json.dumps(frame))
            while True:
                events.append(json.loads(client.recv(timeout=60)))
        except ConnectionClosed as closed:
            return events, closed.rcvd.code if closed.rcvd else None


def test_a_recording_is_heard_as_analysis_hears_it(
    daemon: RunningDaemon, speech: np.ndarray
) -> None:
    pcm = np.clip(np.round(speech[:320_000] * 32768), -32768, 32767).astype("<i2")
    data = pcm.tobytes()
    blocks = [data[at : at + 60_000] for at in range(0, len(data), 60_000)]
    events, code = talk(daemon, HELLO, *blocks, {"type": "end"})
    assert code == 1000
    assert events[0]["type"] == "accepted"
    assert (events[-1]["type"], events[-1]["state"]) == ("device", "ended")
    samples = pcm.astype(np.float32) / np.float32(32768)
    expected = analyse([samples], 16_000, Classifier(find_model(DEFAULT_MODEL))).utterances
    found = [event for event in events if event["type"] == "utterance"]
    assert [(e["start"], e["end"], e["label"]) for e in found] == [
        (round(e.start, 4), round(e.end, 4), e.label) for e in expected
    ]
    assert len(found) >= 4


@pytest.mark.parametrize(
    ("frames", "code", "says"),
    [
        ([{"type": "resume"}], "unknown_message", "begins with 'hello'"),
        ([{**HELLO, "rate": 100}], "malformed_message", "from 8000 to 96000 Hz"),
        ([{**HELLO, "format": "f32le"}], "malformed_message", "s16le"),
        ([b"\x00\x00"], "malformed_message", "not MessagePack"),
        ([HELLO, b"\x00\x00\x00"], "odd_audio", "a frame of 3 bytes holds no whole number"),
        ([HELLO, bytes(65_538)], "frame_too_large", "a frame of 65538 bytes; 65536 are allowed"),
        ([HELLO, {"type": "hello"}], "unknown_message", "audio and 'end'"),
    ],
)
def test_what_breaks_the_rules_is_told_so(
    daemon: RunningDaemon, frames: list[Any], code: str, says: str
) -> None:
    events, closed = talk(daemon, *frames)
    assert closed == 1008
    assert events[-1]["code"] == code
    assert says in events[-1]["message"]
    assert events[-1]["fatal"]


def test_no_more_wait_than_may(daemon: RunningDaemon) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            options = {"subprotocols": [JSON], "compression": None}
            client = stack.enter_context(connect(daemon.address + "/analyze", **options))
            assert json.loads(client.recv())["type"] == "hello"
        events, code = talk(daemon)
        assert (events[0]["code"], code) == ("too_many_clients", 1013)


def test_who_leaves_in_the_middle_frees_the_place(daemon: RunningDaemon) -> None:
    with connect(daemon.address + "/analyze", subprotocols=[JSON], compression=None) as client:
        client.recv()
        client.send(json.dumps(HELLO))
        assert json.loads(client.recv(timeout=60))["type"] == "accepted"
    events, code = talk(daemon, HELLO, bytes(3200), {"type": "end"})
    assert [event["type"] for event in events] == ["accepted", "device"]
    assert code == 1000


@asynccontextmanager
async def hearing(**limits: float) -> AsyncIterator[str]:
    offline = OfflineHearing(find_model(DEFAULT_MODEL), SessionSettings(), **limits)  # type: ignore[arg-type]
    async with serve(lambda client: offline.serve(client, JSON), "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def accepted(client: ClientConnection) -> None:
    await client.send(json.dumps(HELLO))
    assert json.loads(await client.recv())["type"] == "accepted"


async def last_error(client: ClientConnection) -> tuple[str, int]:
    error = {}
    try:
        while True:
            error = json.loads(await client.recv())
    except ConnectionClosed as closed:
        return error["code"], closed.rcvd.code if closed.rcvd else 0


async def test_who_is_idle_gives_way_to_those_who_wait() -> None:
    limits = {"idle_seconds": 600.0, "idle_before_others_seconds": 0.1}
    async with (
        asyncio.timeout(60),
        hearing(**limits) as address,
        connect_async(address) as idle,
        connect_async(address) as next_,
    ):
        await accepted(idle)
        await accepted(next_)
        assert await last_error(idle) == ("internal", 1011)


async def test_who_lets_the_engine_wait_longer_than_it_sends_is_closed() -> None:
    async with (
        asyncio.timeout(60),
        hearing(idle_seconds=0.5) as address,
        connect_async(address) as client,
    ):
        await accepted(client)

        async def drip() -> None:
            while True:
                await client.send(bytes(2))
                await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        assert await last_error(client) == ("internal", 1011)
        dripping.cancel()


async def test_a_recording_has_a_longest_length() -> None:
    async with hearing(longest_seconds=1.0) as address, connect_async(address) as client:
        await accepted(client)
        await client.send(bytes(32_000))
        await client.send(bytes(2))
        assert await last_error(client) == ("unsupported_audio", 1008)


async def test_it_imports_nothing_from_where_the_daemon_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    listener = Listener(find_model(DEFAULT_MODEL), rate=16_000, settings=SessionSettings())
    await listener.start()
    try:
        listener.end()
        assert [event async for event in listener.events()] == []
    finally:
        await listener.close()
