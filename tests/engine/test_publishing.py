"""Integration tests of publishers: real sockets, the real hub, server, worker and sessions."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest
from tests.engine.publishing import DEADLINE, METADATA, RATE, engine, of
from websockets.exceptions import ConnectionClosed

from affectd.engine.protocol import JSON, MSGPACK
from affectd.engine.session import Session


@pytest.fixture
def speech(clips: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([clips[0], np.zeros(RATE, np.float32), clips[1]])


@pytest.mark.parametrize("subprotocol", [JSON, MSGPACK])
async def test_a_publisher_hears_its_own_stream_to_its_end(
    subprotocol: str, speech: np.ndarray
) -> None:
    async with engine() as served:
        client = await served.client(subprotocol)
        accepted = await client.publish(stream="kitchen")
        assert accepted["type"] == "accepted"
        assert (accepted["name"], accepted["resumed"]) == ("kitchen", False)
        assert (accepted["rate"], accepted["format"]) == (RATE, "s16le")
        await client.send(speech)
        await client.end()
        events, code = await client.rest()
    assert code == 1000
    assert (events[0]["type"], events[0]["state"]) == ("device", "started")
    assert (events[-1]["type"], events[-1]["state"]) == ("device", "ended")
    assert len(of(events, "utterance")) == 2
    assert {event["stream"] for event in events} == {"kitchen"}
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


async def test_what_is_sent_gives_what_the_session_gives(speech: np.ndarray) -> None:
    pcm = np.clip(speech * 32768, -32768, 32767).astype("<i2")
    session = Session("kitchen", METADATA, rate=RATE)
    samples = pcm.astype(np.float32) / 32768
    ends = [
        each.cut.end / RATE
        for each in [*session.feed(samples, 0.0), *session.finish()]
        if hasattr(each, "cut") and each.cut.final
    ]
    async with engine() as served:
        client = await served.client()
        await client.publish(stream="kitchen")
        await client.send(speech, size=777)
        await client.end()
        events, _ = await client.rest()
    assert [event["end"] for event in of(events, "utterance")] == pytest.approx(ends, abs=1e-4)


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
@pytest.mark.parametrize("sample_format", ["s16le", "f32le"])
async def test_any_rate_and_format_is_heard(
    rate: int, sample_format: str, clips: list[np.ndarray]
) -> None:
    seconds = np.arange(round(rate * clips[0].size / RATE)) / rate
    samples = np.interp(seconds, np.arange(clips[0].size) / RATE, clips[0]).astype(np.float32)
    packed = (
        samples.astype("<f4").tobytes()
        if sample_format == "f32le"
        else (samples * 32767).astype("<i2").tobytes()
    )
    async with engine() as served:
        client = await served.client()
        assert (await client.publish(rate=rate, format=sample_format))["type"] == "accepted"
        for start in range(0, len(packed), 32_768):
            await client.connection.send(packed[start : start + 32_768])
        await client.end()
        events, _ = await client.rest()
    [utterance] = of(events, "utterance")
    assert 0.5 < utterance["end"] - utterance["start"] <= seconds[-1] + 0.1


async def test_subscribers_choose_their_streams(speech: np.ndarray) -> None:
    async with engine() as served:
        everything, one, none, first, second = [await served.client() for _ in range(5)]
        await one.say(type="subscribe", streams=["second", "not yet"])
        await none.say(type="subscribe", streams=[])
        await first.publish(stream="first")
        await second.publish(stream="second")
        assert tuple((await served.client()).hello["streams"]) == ("demo", "first", "second")
        for client in (first, second):
            await client.send(speech[: 2 * RATE])
            await client.end()
            await client.rest()
        heard = await everything.until("device", stream="second", state="ended")
        assert {event["stream"] for event in heard} == {"first", "second"}
        heard = await one.until("device", state="ended")
        assert {event["stream"] for event in heard} == {"second"}
        await none.say(type="subscribe", streams=["*"])
        await none.say(type="resume", epoch=none.hello["epoch"], stream="first", after=0)
        assert (await none.event())["seq"] == 1, "nothing came before it asked"


HELLO = {"type": "hello", "rate": RATE, "format": "s16le"}
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"rate": 7_999}, "unsupported_audio", "rate 7999 Hz"),
    ({"rate": 96_001}, "unsupported_audio", "rate 96001 Hz"),
    ({"rate": "16000"}, "malformed_message", "'rate' as a whole number"),
    ({"rate": True}, "malformed_message", "'rate' as a whole number"),
    ({"format": "mp3"}, "unsupported_audio", "s16le, f32le and opus are taken"),
    ({"format": None}, "malformed_message", "'format' as a text"),
    ({"stream": ""}, "malformed_message", "'stream' is a text of 1 to 64"),
    ({"stream": "a b"}, "malformed_message", "'stream' is a text of 1 to 64"),
    ({"stream": "x" * 65}, "malformed_message", "'stream' is a text of 1 to 64"),
    ({"stream": "x", "key": "ü"}, "malformed_message", "'key' is a text"),
    ({"stream": "demo"}, "stream_taken", "the daemon's own"),
    ({"stream": "kitchen"}, "stream_taken", "'kitchen' has a publisher"),
    ({"stream": "kitchen", "key": "guessed"}, "stream_taken", "'kitchen' has a publisher"),
]


async def test_what_cannot_be_is_refused_by_name_and_nobody_else_notices(
    speech: np.ndarray,
) -> None:
    async with engine() as served:
        kitchen, other = await served.client(), await served.client()
        await kitchen.publish(stream="kitchen")
        await kitchen.send(speech[:-RATE])
        for changes, code, text in REFUSED:
            error = await other.publish(**changes)
            assert (error["type"], error["code"], error["fatal"]) == ("error", code, False), changes
            assert text in error["message"]
            assert error["retry_after"] == 0
        await kitchen.send(speech[-RATE:])
        await kitchen.end()
        events, _ = await kitchen.rest()
    assert not of(events, "gap")
    assert not of(events, "error")
    assert len(of(events, "utterance")) == 2


async def test_beyond_the_capacity_it_says_when_to_ask_again() -> None:
    async with engine(capacity=1) as served:
        first, second = await served.client(), await served.client()
        await first.publish()
        await second.say(type="subscribe", streams=[])
        error = await second.publish()
        assert (error["code"], error["retry_after"]) == ("too_many_streams", 2.5)
        await first.end()
        await first.rest()
        assert (await second.publish())["type"] == "accepted"


async def test_where_all_are_admitted_the_measured_capacity_refuses_nobody() -> None:
    async with engine(capacity=1, admission="all", largest_streams=2) as served:
        for _ in range(2):
            client = await served.client()
            assert (await client.publish())["type"] == "accepted"
        third = await served.client()
        await third.say(type="subscribe", streams=[])
        assert (await third.publish())["code"] == "too_many_streams"


async def test_audio_that_is_no_whole_number_of_samples_is_a_gap_and_an_error(
    speech: np.ndarray,
) -> None:
    async with engine() as served:
        client = await served.client()
        await client.publish()
        await client.send(speech[:RATE])
        await client.connection.send(b"\0" * 3_201)
        await client.send(speech[RATE:])
        await client.end()
        events, _ = await client.rest()
    [error] = of(events, "error")
    assert (error["code"], error["fatal"], error["stream"]) == ("odd_audio", False, "")
    [gap] = of(events, "gap")
    assert (gap["reason"], gap["lost_seconds"]) == ("publisher", 0.1)
    assert gap["start"] == pytest.approx(1.0, abs=0.02)


async def test_finite_samples_beyond_any_sound_end_their_stream_and_no_subscriber(
    speech: np.ndarray,
) -> None:
    async with engine() as served:
        client, text, packed = [await served.client(kind) for kind in (JSON, JSON, MSGPACK)]
        await client.publish(stream="loud", format="f32le")
        # In all less than may wait for the engine, however busy the machine is.
        for samples in (speech, speech[:RATE] * 1e25, speech[:RATE]):
            for start in range(0, samples.size, 1_600):
                await client.connection.send(samples[start : start + 1_600].astype("<f4").tobytes())
        events, code = await client.rest()
        assert code == 1008
        assert (events[-1]["code"], events[-1]["fatal"]) == ("bad_audio", True)
        assert "audio lies within ±65536" in events[-1]["message"]
        for other in (text, packed):
            heard = await other.until("error", code="bad_audio")
            assert len(of(heard, "utterance")) == 2
            await other.say(type="resume", epoch=other.hello["epoch"], stream="loud", after=0)
            assert (await other.until("error", code="bad_audio"))[0]["seq"] == 1


async def test_audio_that_is_not_finite_ends_the_stream() -> None:
    async with engine() as served:
        client, other = await served.client(), await served.client()
        await client.publish(format="f32le")
        await client.connection.send(np.array([0.0, np.nan], "<f4").tobytes())
        events, code = await client.rest()
        assert (events[-1]["code"], events[-1]["fatal"]) == ("bad_audio", True)
        assert code == 1008
        assert len(served.publishers) == 0
        assert (await other.until("error", code="bad_audio"))[-1]["stream"]


async def test_audio_without_hello_and_a_second_hello_are_refused() -> None:
    async with engine() as served:
        client = await served.client()
        await client.connection.send(b"\0\0")
        assert (await client.event())["code"] == "binary_frame"
        await client.publish()
        await client.until("device", state="started")
        assert (await client.publish())["code"] == "malformed_message"


async def test_who_is_too_fast_is_held_back_and_then_refused() -> None:
    async with engine(ahead_seconds=0.1, fast_seconds=0.3) as served:
        client = await served.client()
        await client.publish()
        began = time.monotonic()
        sent = 0.0

        async def flood() -> None:
            nonlocal sent
            while True:
                await client.send(np.zeros(3_200, np.float32), size=3_200)
                sent += 0.2

        task = asyncio.create_task(flood())
        events, code = await client.rest()
        took = time.monotonic() - began
        with pytest.raises(ConnectionClosed):
            await task
        errors = of(events, "error")
        assert [error["code"] for error in errors] == ["too_fast"]
        assert errors[0]["fatal"]
        assert code == 1008
        heard = max(event["end"] for event in events)
        assert heard <= took + 0.1 + 0.2 + 0.01, "no more than real time and what may be ahead"


async def test_a_stall_is_said_and_audio_that_is_missing_is_a_gap() -> None:
    async with engine(stall_seconds=0.2) as served:
        client = await served.client()
        await client.publish()
        await client.send(np.zeros(1_600, np.float32))
        events = await client.until("device", state="lost")
        assert events[-1]["detail"] == "the publisher sends nothing"
        await asyncio.sleep(0.8)
        for _ in range(40):
            await client.send(np.zeros(320, np.float32))
            await asyncio.sleep(0.02)
        await client.end()
        events, _ = await client.rest()
    states = [event["state"] for event in of(events, "device")]
    # A busy machine may hold the sender up again; each time both are said.
    assert states == ["restored", "lost"] * (len(states) // 2 - 1) + ["restored", "ended"]
    gaps = of(events, "gap")
    assert {gap["reason"] for gap in gaps} == {"publisher"}
    assert gaps[0]["lost_seconds"] > 0.5


async def test_after_a_loss_the_key_continues_the_stream(speech: np.ndarray) -> None:
    async with engine(grace_seconds=600) as served:
        listener, client = await served.client(), await served.client()
        accepted = await client.publish(stream="kitchen")
        await client.send(speech)
        before = await client.until("utterance")
        # What is still on its way would be lost with the connection.
        async with asyncio.timeout(DEADLINE):
            while served.publishers._publications["kitchen"]._source.written < speech.size:  # noqa: ASYNC110 - it has no event for a test to await
                await asyncio.sleep(0.005)
        client.vanish()
        await listener.until("device", state="lost")
        stranger = await served.client()
        assert (await stranger.publish(stream="kitchen"))["code"] == "stream_taken"
        client = await served.client(MSGPACK)
        again = await client.publish(
            stream="kitchen", key=accepted["key"], rate=48_000, format="f32le"
        )
        assert (again["type"], again["resumed"]) == ("accepted", True)
        await client.connection.send(np.repeat(speech[:RATE], 3).astype("<f4").tobytes()[:65_536])
        await client.end()
        events, code = await client.rest()
    assert code == 1000
    assert events[0]["seq"] > before[-1]["seq"]
    gap = of(events, "gap")[0]
    assert gap["reason"] == "publisher"
    assert gap["start"] == pytest.approx(speech.size / RATE, abs=1e-3)
    assert "restored" in [event["state"] for event in of(events, "device")]


async def test_the_key_takes_over_a_connection_that_the_daemon_does_not_know_is_lost(
    speech: np.ndarray,
) -> None:
    async with engine(grace_seconds=0) as served:
        lost, client = await served.client(), await served.client()
        accepted = await lost.publish(stream="kitchen")
        await lost.send(speech)
        before = await lost.until("utterance")
        assert (await client.publish(stream="kitchen", key="guessed"))["code"] == "stream_taken"
        again = await client.publish(stream="kitchen", key=accepted["key"])
        assert (again["type"], again["resumed"], again["key"]) == (
            "accepted",
            True,
            accepted["key"],
        )
        _, code = await lost.rest()
        assert code == 1008
        await client.send(speech)
        await client.end()
        events, code = await client.rest()
        assert code == 1000
        assert len(served.publishers) == 0
    states = [event["state"] for event in of(events, "device")]
    assert states == ["lost", "restored", "ended"]
    assert [gap["reason"] for gap in of(events, "gap")] == ["publisher"]
    assert len(of(events, "utterance")) >= 2
    assert events[0]["seq"] > before[-1]["seq"]
    assert [event["seq"] for event in events] == list(
        range(events[0]["seq"], events[-1]["seq"] + 1)
    )


async def test_after_the_grace_time_the_stream_ends_and_its_name_is_free() -> None:
    async with engine(grace_seconds=0.1) as served:
        listener, client = await served.client(), await served.client()
        accepted = await client.publish(stream="kitchen")
        await client.send(np.zeros(1_600, np.float32))
        client.vanish()
        ended = (await listener.until("device", state="ended"))[-1]
        client = await served.client()
        again = await client.publish(stream="kitchen", key=accepted["key"])
        assert again["type"] == "accepted"
        assert not again["resumed"]
        started = await client.event()
        assert started["state"] == "started"
        assert started["seq"] == ended["seq"] + 1, "subscribers drop numbers that they know"
        assert started["start"] == 0


async def test_a_publisher_that_says_goodbye_ends_its_stream_at_once() -> None:
    async with engine(grace_seconds=600) as served:
        listener, client = await served.client(), await served.client()
        await client.publish(stream="kitchen")
        await client.connection.close()
        await listener.until("device", state="ended")
        assert len(served.publishers) == 0


async def test_a_stream_without_audio_began_and_ended_when_it_did() -> None:
    before = time.time()
    async with engine() as served:
        listener, client = await served.client(), await served.client()
        await client.publish(stream="kitchen")
        await client.end()
        events = await listener.until("device", state="ended")
    assert [event["state"] for event in events] == ["started", "ended"]
    assert before - 1 <= events[0]["captured_at"] <= events[1]["captured_at"] <= time.time() + 1


async def test_many_publishers_come_and_go_and_nothing_is_left() -> None:
    async with engine(capacity=50) as served:

        async def one(number: int) -> None:
            client = await served.client(MSGPACK if number % 2 else JSON)
            answer = await client.publish()
            assert answer["type"] == "accepted"
            await client.send(np.zeros(1_600, np.float32))
            await client.end()
            events, code = await client.rest()
            assert code == 1000
            assert {event["stream"] for event in events} == {answer["name"]}

        await asyncio.gather(*map(one, range(50)))
        assert len(served.publishers) == 0
        assert not served.worker._streams
        async with asyncio.timeout(DEADLINE):
            while len(served.hub):  # noqa: ASYNC110 - the hub has no event for a test to await
                await asyncio.sleep(0.005)
        assert not served.hub._hearing
