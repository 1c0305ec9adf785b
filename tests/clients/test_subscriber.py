"""Integration: both subscribers against the real server, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

import affectd
from affectd.clients import subscription as subscription_module
from affectd.clients.address import AddressError
from affectd.clients.refusal import (
    AccessRefusedError,
    ConnectionLostError,
    NotAffectdError,
    RefusedError,
    UnreachableError,
)

Events = list[dict[str, Any]]


async def listen_async(
    url: str, count: int, received: Events | None = None, **options: Any
) -> Events:
    received = [] if received is None else received
    async with affectd.subscribe(url, **options) as events:
        async for event in events:
            received.append(event)
            if len(received) == count:
                break
    return received


async def listen_sync(
    url: str, count: int, received: Events | None = None, **options: Any
) -> Events:
    def listen(received: Events) -> Events:
        with affectd.subscribe_sync(url, **options) as events:
            for event in events:
                received.append(event)
                if len(received) == count:
                    break
        return received

    return await asyncio.to_thread(listen, [] if received is None else received)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.005)


both = pytest.mark.parametrize("listen", [listen_async, listen_sync])


def finals(events: Events) -> list[int]:
    return [event["seq"] for event in events if event["type"] == "utterance"]


@both
@pytest.mark.parametrize("encoding", ["msgpack", "json"])
async def test_events_come_as_plain_dicts(
    station: Any, speaker: Any, listen: Any, encoding: str
) -> None:
    listening = asyncio.create_task(listen(station.url, 3, format=encoding))
    await station.listener()
    station.publish(speaker.sounds("happy"), speaker.said("sad", 0.5))
    hello, emotion, utterance = await listening
    assert hello["type"] == "hello"
    assert hello["epoch"] == station.server.epoch
    assert hello["labels"][0] == "angry"
    assert (emotion["type"], emotion["seq"], emotion["label"]) == ("emotion", 1, "happy")
    assert (utterance["label"], utterance["confidence"]) == ("sad", 0.5)
    assert utterance["age_ms"] >= 0


@both
async def test_what_was_missed_is_delivered_once(
    station: Any, line: Any, speaker: Any, listen: Any
) -> None:
    received: Events = []
    listening = asyncio.create_task(listen(line.url, 7, received))
    await station.listener()
    station.publish(speaker.sounds("sad"), speaker.said("sad"))
    await until(lambda: len(received) == 3)
    line.cut()
    await until(lambda: not len(station.hub))
    station.publish(speaker.sounds("angry"), speaker.said("angry"), speaker.said("happy"))
    line.mend()
    await station.listener()
    station.publish(speaker.said("neutral"))
    events = await listening
    assert [event["type"] for event in events].count("hello") == 2
    assert sorted(finals(events)) == [2, 4, 5, 6]
    assert [event["seq"] for event in events if event["type"] == "emotion"] == [1]


@both
async def test_a_restarted_daemon_is_followed_and_its_numbers_start_anew(
    start_station: Any, speaker: Any, new_speaker: Callable[[str], Any], listen: Any
) -> None:
    first = await start_station()
    listening = asyncio.create_task(listen(first.url, 5))
    await first.listener()
    station_says = speaker.said("sad")
    first.publish(station_says)
    await first.server.stop()
    second = await start_station(first.port)
    await second.listener()
    second.publish(new_speaker("demo").said("happy"))
    events = await listening
    assert [event["type"] for event in events] == [
        "hello",
        "utterance",
        "bye",
        "hello",
        "utterance",
    ]
    assert finals(events) == [1, 1]
    assert events[0]["epoch"] != events[3]["epoch"]


@both
async def test_told_not_to_reconnect_it_ends_with_the_goodbye(station: Any, listen: Any) -> None:
    listening = asyncio.create_task(listen(station.url, 99, reconnect=False))
    await station.listener()
    await station.server.stop()
    assert [event["type"] for event in await listening] == ["hello", "bye"]


@both
async def test_told_not_to_reconnect_it_raises_a_loss(station: Any, line: Any, listen: Any) -> None:
    received: Events = []
    listening = asyncio.create_task(listen(line.url, 99, received, reconnect=False))
    await until(lambda: len(received) == 1)
    line.cut()
    with pytest.raises(ConnectionLostError, match="is gone"):
        await listening


@both
async def test_the_token_comes_from_the_environment_or_the_caller(
    start_station: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = await start_station(token="open sesame")
    assert await listen(station.url, 1, token="open sesame")
    monkeypatch.setenv("AFFECTD_TOKEN", "open sesame")
    assert await listen(station.url, 1)
    for token in ("", "wrong"):
        with pytest.raises(AccessRefusedError, match="token is missing or wrong"):
            await listen(station.url, 1, token=token)


@both
async def test_nobody_there_is_said_at_once(listen: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UnreachableError, match=r"nothing answers at .*Connection refused"):
            await listen(url, 1)


@both
async def test_a_full_daemon_is_an_error_with_its_code(start_station: Any, listen: Any) -> None:
    station = await start_station(largest_clients=1)
    async with affectd.subscribe(station.url) as events:
        assert (await anext(events))["type"] == "hello"
        with pytest.raises(RefusedError, match="1 clients are connected") as caught:
            await listen(station.url, 1)
    assert caught.value.code == "too_many_clients"


@pytest.mark.parametrize("subscribe", [affectd.subscribe, affectd.subscribe_sync])
def test_a_bad_address_is_a_value_error_before_anything_is_tried(subscribe: Any) -> None:
    with pytest.raises(AddressError, match="must begin with ws://"):
        subscribe("ftp://127.0.0.1:8765")
    with pytest.raises(ValueError, match="format 'xml' is unknown"):
        subscribe(format="xml")


@pytest.fixture(params=["web", "ssh", "echo", "silent", "huge"])
async def stranger(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A server that is no affectd."""
    said = {"web": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "ssh": b"SSH-2.0-x\r\n"}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(said[request.param])
        await writer.drain()
        writer.close()

    async def speak(connection: ServerConnection) -> None:
        if request.param == "echo":
            await connection.send("hello?")
        if request.param == "huge":
            await connection.send(b"\0" * 2**20)
        await connection.wait_closed()

    if request.param in said:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    else:
        async with serve(speak, "127.0.0.1", 0, subprotocols=None) as other:
            yield f"ws://127.0.0.1:{next(iter(other.sockets)).getsockname()[1]}"


@both
async def test_what_is_no_affectd_is_called_so(
    stranger: str, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription_module, "_GREETING_SECONDS", 0.5)
    with pytest.raises(NotAffectdError) as caught:
        await listen(stranger, 1)
    assert "\n" not in str(caught.value)
    assert stranger in str(caught.value)


async def test_a_blocking_subscriber_can_be_closed_from_another_thread(station: Any) -> None:
    subscriber = affectd.subscribe_sync(station.url)
    listening = asyncio.create_task(asyncio.to_thread(list, subscriber))
    await station.listener()
    await asyncio.to_thread(subscriber.close)
    assert [event["type"] for event in await listening] in ([], ["hello"])


async def test_leaving_the_block_closes_the_connection(station: Any) -> None:
    async with affectd.subscribe(station.url) as events:
        await anext(events)
        assert len(station.hub) == 1
    await until(lambda: not len(station.hub))
