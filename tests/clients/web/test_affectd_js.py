"""Integration: the JavaScript client against a real server, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.clients.web.javascript import javascript, values_of
from websockets.asyncio.server import ServerConnection, serve

from affectd.engine.protocol import JSON
from affectd.engine.publisher_settings import PublisherSettings

DEADLINE = 30
LISTEN = """
const { Subscription } = await load("affectd.js");
const subscription = new Subscription(given[0], { format: "json", onEvent(event) {
  if (event.type === "bye") subscription.close();
} });
"""
PUBLISH = """
const { Publisher } = await load("affectd.js");
new Publisher(given[0], { rate: 16000, stream: given[1] ?? "", onStatus: say });
"""


@asynccontextmanager
async def daemon_that_says(
    *connections: list[dict[str, Any]],
) -> AsyncIterator[tuple[str, list[list[dict[str, Any]]]]]:
    """Yield the address of one that says this, a connection after the other, and what it is told.

    All but the last connection are lost.
    """
    told: list[list[dict[str, Any]]] = []

    async def speak(connection: ServerConnection) -> None:
        heard: list[dict[str, Any]] = []
        told.append(heard)
        says = connections[len(told) - 1]
        for event in says:
            await connection.send(json.dumps(event))
        if len(told) == len(connections):
            heard += [json.loads(frame) async for frame in connection]
            return
        # What it was told is read before it goes; a lost connection tells nothing more.
        while len(heard) < sum(event.get("answered", False) for event in says):
            heard.append(json.loads(await connection.recv()))
        await connection.close(1011)  # behind all that was said

    async with asyncio.timeout(DEADLINE), serve(speak, "127.0.0.1", 0, subprotocols=[JSON]) as it:  # type: ignore[list-item]
        yield f"ws://127.0.0.1:{next(iter(it.sockets)).getsockname()[1]}", told


def hello(*streams: str, answered: bool = False) -> dict[str, Any]:
    return {
        "type": "hello",
        "stream": "",
        "seq": 0,
        "epoch": "one",
        "streams": streams,
        "answered": answered,
    }


def said(stream: str, seq: int = 1) -> dict[str, Any]:
    return {"type": "utterance", "stream": stream, "seq": seq}


def ended(stream: str, seq: int = 2) -> dict[str, Any]:
    return {"type": "device", "stream": stream, "seq": seq, "state": "ended"}


def failed(stream: str, seq: int = 2) -> dict[str, Any]:
    return {"type": "error", "stream": stream, "seq": seq, "code": "bad_audio", "fatal": True}


BYE = {"type": "bye", "stream": "", "seq": 0, "reason": "shutdown"}


async def test_a_stream_that_is_over_is_forgotten() -> None:
    over = [f"stream-{number}" for number in range(50)]
    makers: list[Callable[[str], dict[str, Any]]] = [ended, failed]
    first = [
        hello("demo"),
        said("demo"),
        *(said(stream) for stream in over),
        *(makers[place % 2](stream) for place, stream in enumerate(over)),
    ]
    async with daemon_that_says(first, [hello("demo"), BYE]) as (address, told):
        await values_of(LISTEN, address)
    assert [each["stream"] for each in told[1]] == ["demo"]


async def test_a_stream_that_ended_while_nobody_listened_is_asked_for_once_more() -> None:
    async with daemon_that_says(
        [hello("hall"), said("hall", 1), said("hall", 2)],
        [hello(answered=True), said("hall", 3)],
        [hello(), BYE],
    ) as (address, told):
        await values_of(LISTEN, address)
    assert told == [
        [],
        [{"type": "resume", "epoch": "one", "stream": "hall", "after": 2}],
        [],
    ]


async def test_after_a_loss_that_the_daemon_has_not_noticed_publishing_goes_on(
    start_station: Any, line_to: Any
) -> None:
    station = await start_station(publishers=PublisherSettings())
    line = await line_to(station)
    async with asyncio.timeout(DEADLINE), javascript(PUBLISH, line.url, "hall") as publisher:
        assert (await publisher.value())["state"] == "publishing"
        line.drop_clients()
        while (status := await publisher.value())["state"] == "gone":
            pass
        assert (status["state"], status["stream"]) == ("publishing", "hall")


async def test_a_name_that_another_has_is_a_refusal(start_station: Any) -> None:
    station = await start_station(publishers=PublisherSettings())
    async with asyncio.timeout(DEADLINE), javascript(PUBLISH, station.url, "hall") as first:
        assert (await first.value())["state"] == "publishing"
        async with javascript(PUBLISH, station.url, "hall") as second:
            refused = await second.value()
    assert refused["state"] == "refused"
    assert "has a publisher" in refused["reason"]


async def test_a_daemon_that_is_full_after_a_loss_is_tried_again(
    start_station: Any, line_to: Any
) -> None:
    station = await start_station(publishers=PublisherSettings(), largest_clients=1)
    line = await line_to(station)
    async with asyncio.timeout(DEADLINE), javascript(PUBLISH, line.url) as publisher:
        stream = (await publisher.value())["stream"]
        line.drop_clients()
        for _ in range(2):
            assert (await publisher.value())["state"] == "gone"
        line.tell_server()
        while (status := await publisher.value())["state"] == "gone":
            pass
        assert (status["state"], status["stream"]) == ("publishing", stream)


async def test_what_was_given_up_before_it_began_is_not_heard() -> None:
    program = """
    const { analyze } = await load("affectd.js");
    const signal = AbortSignal.abort();
    const samples = new Float32Array(16000);
    await analyze(given[0], samples, 16000, { signal }).catch((error) => say(error.message));
    """
    async with daemon_that_says([hello()]) as (address, told):
        assert await values_of(program, address) == ["it was given up"]
    assert told == []


async def test_an_analysis_whose_daemon_dies_stops_trying_to_send() -> None:
    program = """
    const { analyze } = await load("affectd.js");
    // What a closed socket has not sent counts for ever in browsers; Node.js forgets it.
    globalThis.WebSocket = class extends WebSocket { get bufferedAmount() { return 2 ** 21; } };
    await analyze(given[0], new Float32Array(16000), 16000).catch((error) => say(error.message));
    """
    accepted = {**hello(), "type": "accepted"}
    async with daemon_that_says([hello(answered=True), accepted], []) as (address, _):
        assert await values_of(program, address) == ["the daemon broke off"]
