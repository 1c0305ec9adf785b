"""Integration: a recording sent to a real daemon at ``/analyze``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.engine.running_daemon import RunningDaemon, running_daemon
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from affectd.engine.analysis import analyse
from affectd.engine.artefact import DEFAULT_MODEL
from affectd.engine.classifier import Classifier, find_model
from affectd.engine.protocol import JSON

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
        ([HELLO, b"\x00\x00\x00"], "frame_too_large", "a frame of 3 bytes"),
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
