"""Integration: the publishers and 'affectd send' against the real daemon and the shipped model."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.engine.running_daemon import RunningDaemon, running_daemon

import affectd
from affectd.clients.refusal import RefusedError, SubscriptionError
from affectd.engine.sources import DemoSource

RATE = 16_000
DEADLINE = 60


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    environment = {"AFFECTD_PUBLISHERS__AHEAD_SECONDS": "60"}
    with running_daemon("--source", "none", environment=environment) as found:
        yield found


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return next(DemoSource().clips())


def publish_async(address: str, audio: Any, **options: Any) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        async with asyncio.timeout(DEADLINE):
            async with affectd.publish(address, rate=RATE, **options) as publisher:
                assert await publisher.send(audio)
                await publisher.end()
                return [event async for event in publisher]

    return asyncio.run(run())


def publish_sync(address: str, audio: Any, **options: Any) -> list[dict[str, Any]]:
    with affectd.publish_sync(address, rate=RATE, **options) as publisher:
        assert publisher.send(audio)
        return list(publisher.end())


both = pytest.mark.parametrize("publish", [publish_async, publish_sync])


@both
def test_a_publisher_hears_what_it_said(
    publish: Any, daemon: RunningDaemon, clip: np.ndarray
) -> None:
    events = publish(daemon.address, clip, format="f32le", stream="kitchen")
    assert events[0]["state"] == "started"
    assert events[-1]["state"] == "ended"
    assert [event for event in events if event["type"] == "utterance"]
    assert {event["stream"] for event in events} == {"kitchen"}


@both
def test_integers_are_heard_as_floats_are(
    publish: Any, daemon: RunningDaemon, clip: np.ndarray
) -> None:
    integers = np.clip(clip * 32768, -32768, 32767).astype("<i2")
    one = publish(daemon.address, integers)
    other = publish(daemon.address, (integers / 32768).astype("<f4"), format="f32le")
    assert finals(one) == finals(other)


def finals(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what does not depend on how busy the model is."""
    kinds = ("speech", "utterance")
    return [(each["type"], each["start"], each["end"]) for each in events if each["type"] in kinds]


@both
def test_a_refusal_is_raised_with_its_code(publish: Any, daemon: RunningDaemon) -> None:
    with pytest.raises(RefusedError) as refused:
        publish(daemon.address, b"\0\0", stream="no name")
    assert refused.value.code == "malformed_message"


def test_what_cannot_be_sent_is_refused_before_it_is(daemon: RunningDaemon) -> None:
    with pytest.raises(ValueError, match="rate is 4000 Hz"):
        affectd.publish(daemon.address, rate=4_000)
    with pytest.raises(ValueError, match="format 'mp3'"):
        affectd.publish(daemon.address, rate=RATE, format="mp3")
    with (
        affectd.publish_sync(daemon.address, rate=RATE) as publisher,
        pytest.raises(ValueError, match="3 bytes hold no whole number of s16le"),
    ):
        publisher.send(b"abc")
    with (
        pytest.raises(SubscriptionError, match="nothing answers"),
        affectd.publish_sync("ws://127.0.0.1:9", rate=RATE),
    ):
        pass


async def test_after_a_loss_it_goes_on_with_the_same_stream(
    daemon: RunningDaemon, clip: np.ndarray
) -> None:
    async with (
        asyncio.timeout(DEADLINE),
        affectd.publish(daemon.address, rate=RATE, format="f32le", stream="hall") as publisher,
    ):
        await publisher.send(clip)
        assert publisher._connection is not None
        publisher._connection.transport.abort()
        async for event in publisher:
            if event["type"] == "gap":
                break
        assert event["reason"] == "publisher"
        await publisher.send(clip)
        await publisher.end()
        rest = [event async for event in publisher]
        assert any(event["type"] == "utterance" for event in rest)
        assert rest[-1]["state"] == "ended"


def send(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "affectd", "send", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def test_the_command_sends_a_file(daemon: RunningDaemon, clip: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.stack([clip, clip], axis=1), RATE)
    done = send(str(path), daemon.address, "--stream", "file", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["stream"] for event in events if event["stream"]} == {"file"}
    assert [event for event in events if event["type"] == "utterance"]


@pytest.mark.parametrize(
    ("source", "says"), [("missing.wav", "there is no such file"), (__file__, "cannot be read")]
)
def test_the_command_refuses_in_one_line(source: str, says: str, daemon: RunningDaemon) -> None:
    done = send(source, daemon.address)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
