"""Integration tests of the server: real sockets, and the `websockets` client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.engine.parcels import event
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from affectd.engine.access import AccessRules
from affectd.engine.hub import Hub
from affectd.engine.metrics import Metrics
from affectd.engine.protocol import (
    JSON,
    MAX_CLIENT_FRAME_BYTES,
    MSGPACK,
    Device,
    Emotion,
    Mel,
    Utterance,
    decode,
    encode,
)
from affectd.engine.publisher_settings import PublisherSettings
from affectd.engine.publishing import Publishers
from affectd.engine.server import Greeting, Server, ServerSettings

GREETING = Greeting(
    server="affectd 1.2.3",
    model="crnn",
    labels=("angry", "sad"),
    streams=("mic",),
    hop_seconds=0.25,
    window_seconds=3.0,
)
DEADLINE = 30


class Served:
    """A server on a port of this machine."""

    def __init__(self, access: AccessRules, settings: ServerSettings) -> None:
        self.hub = Hub(queue_events=settings.queue_events)
        self.metrics = Metrics()
        self.joined = 0
        self.server = Server(
            self.hub,
            GREETING,
            access=access,
            settings=settings,
            metrics=self.metrics,
            publishers=Publishers(PublisherSettings(), begin=lambda source, seq, voice: False),
            joined=self._count,
        )
        self.port = 0
        self.clients: list[Client] = []

    def _count(self) -> None:
        self.joined += 1

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def client(self, *subprotocols: str, **options: Any) -> Client:
        """Connect, and take the greeting."""
        options.setdefault("subprotocols", list(subprotocols) or None)
        client = Client(await connect(self.address, compression=None, **options))
        self.clients.append(client)
        client.hello = await client.event()
        return client

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110 - the server has no event for a test to await
                await asyncio.sleep(0.005)


class Client:
    """A connection that knows how to read events."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.hello: dict[str, Any] = {}

    async def event(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            return decode(await self.connection.recv())

    async def send(self, message: dict[str, Any], subprotocol: str = MSGPACK) -> None:
        await self.connection.send(encode(message, subprotocol))

    async def rest(self) -> tuple[list[dict[str, Any]], int | None, str]:
        """Return all events to the end, and the close code and reason."""
        events = []
        try:
            while True:
                events.append(await self.event())
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else None
            return events, code, closed.rcvd.reason if closed.rcvd else ""


@asynccontextmanager
async def serving(*, access: AccessRules | None = None, **settings: float) -> AsyncIterator[Served]:
    served = Served(access or AccessRules(), ServerSettings(**settings))
    served.port = await served.server.start("127.0.0.1", 0)
    try:
        yield served
    finally:
        async with asyncio.timeout(DEADLINE):
            await served.server.stop()
            for client in served.clients:
                client.connection.transport.abort()
                await client.connection.wait_closed()


@pytest.fixture(autouse=True)
def _nothing_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> Any:
    """A client's fault must not look like the server's."""
    yield
    records = caplog.get_records("call")
    assert [record.message for record in records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("offered", "spoken", "kind"),
    [
        ((MSGPACK,), MSGPACK, bytes),
        ((JSON,), JSON, str),
        ((JSON, MSGPACK), MSGPACK, bytes),
        (("other.v9", JSON), JSON, str),
        ((), None, str),
    ],
)
async def test_a_client_is_greeted_in_the_subprotocol_it_offers_or_in_json(
    offered: tuple[str, ...], spoken: str | None, kind: type
) -> None:
    async with serving() as served:
        async with connect(served.address, subprotocols=list(offered) or None) as connection:
            frame = await connection.recv()
            assert connection.subprotocol == spoken
        assert isinstance(frame, kind)
        hello = decode(frame)
        assert served.joined == 1
    assert hello["type"] == "hello"
    assert hello["server"] == "affectd 1.2.3"
    assert hello["epoch"] == served.server.epoch
    assert list(hello["labels"]) == ["angry", "sad"]
    assert list(hello["streams"]) == ["mic"]
    assert (hello["stream"], hello["seq"]) == ("", 0)
    assert (hello["hop_seconds"], hello["window_seconds"]) == (0.25, 3.0)


async def test_an_unknown_subprotocol_is_told_by_name_and_closed() -> None:
    async with serving() as served:
        # The client of `websockets` itself would hang up: a browser's error is seen in raw bytes.
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: affectd.v9.xml\r\n\r\n"
        )
        async with asyncio.timeout(DEADLINE):
            head = await reader.readuntil(b"\r\n\r\n")
            frame = await reader.readexactly(4)
            text = await reader.readexactly(int.from_bytes(frame[2:4]))
            close = await reader.readexactly(4)
        writer.close()
        await writer.wait_closed()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Sec-WebSocket-Protocol" not in head
        assert frame[:2] == b"\x81\x7e"
        error = json.loads(text)
        assert (error["type"], error["code"], error["fatal"]) == (
            "error",
            "unknown_subprotocol",
            True,
        )
        assert error["message"] == (
            "sub-protocol 'affectd.v9.xml' is unknown; affectd.v1.msgpack and affectd.v1.json are "
            "spoken here"
        )
        assert close[0] == 0x88
        assert int.from_bytes(close[2:4]) == 1002
        assert len(served.hub) == 0


async def test_events_reach_every_client_in_its_own_encoding() -> None:
    async with serving() as served:
        packed, text = await served.client(MSGPACK), await served.client(JSON)
        served.hub.publish([event(1), event(2, Emotion), event(3, Utterance)])
        for client in (packed, text):
            got = [await client.event() for _ in range(3)]
            assert [each["seq"] for each in got] == [1, 2, 3]
            assert [each["type"] for each in got] == ["speech", "emotion", "utterance"]


SMALL = b"x" * MAX_CLIENT_FRAME_BYTES
FAULTS: list[tuple[str, bytes | str, str, str]] = [
    (MSGPACK, '{"type": "resume"}', "text_frame", "affectd.v1.msgpack takes binary frames"),
    (JSON, b"\x80", "binary_frame", "affectd.v1.json takes text frames"),
    (MSGPACK, b"\xc1", "malformed_message", "not MessagePack"),
    (MSGPACK, b"", "malformed_message", "not MessagePack"),
    (MSGPACK, SMALL, "malformed_message", "not MessagePack"),
    (MSGPACK, encode({"kind": 1}, MSGPACK), "malformed_message", "a text under 'type'"),
    (JSON, "{", "malformed_message", "not JSON"),
    (JSON, "NaN", "malformed_message", "not JSON"),
    (JSON, "[" * 5_000, "malformed_message", "not JSON"),
    (JSON, "[1]", "malformed_message", "a message is a map"),
    (JSON, '{"type": 3}', "malformed_message", "a text under 'type'"),
    (JSON, '{"type": "shout"}', "unknown_message", "type 'shout'; known are 'hello', "),
    (MSGPACK, encode({"type": "x" * 99}, MSGPACK), "unknown_message", "x" * 40),
    (JSON, '{"type": "resume"}', "malformed_message", "'resume' needs 'epoch' and 'stream'"),
    (
        JSON,
        '{"type": "resume", "epoch": "e", "stream": "mic", "after": true}',
        "malformed_message",
        "'after' as a whole number",
    ),
    (
        JSON,
        '{"type": "resume", "epoch": "e", "stream": "mic", "after": 1.5}',
        "malformed_message",
        "'after' as a whole number",
    ),
    (
        JSON,
        '{"type": "resume", "epoch": 7, "stream": "mic", "after": 1}',
        "unknown_epoch",
        "the daemon was restarted",
    ),
]


@pytest.mark.parametrize(("subprotocol", "frame", "code", "message"), FAULTS)
async def test_a_fault_has_its_code_and_the_connection_goes_on(
    subprotocol: str, frame: bytes | str, code: str, message: str
) -> None:
    async with serving() as served:
        client, other = await served.client(subprotocol), await served.client()
        await client.connection.send(frame)
        error = await client.event()
        assert (error["type"], error["code"], error["fatal"]) == ("error", code, False)
        assert message in error["message"]
        served.hub.publish([event(1)])
        assert (await client.event())["seq"] == 1
        assert (await other.event())["seq"] == 1


async def test_after_too_many_faults_the_connection_is_closed() -> None:
    async with serving() as served:
        client = await served.client(JSON)
        for _ in range(17):
            await client.connection.send("?")
        errors, code, _ = await client.rest()
        assert len(errors) == 17
        assert [error["fatal"] for error in errors] == [False] * 16 + [True]
        assert code == 1008


@pytest.mark.parametrize(
    ("subprotocol", "frame", "size"),
    [
        (MSGPACK, SMALL + b"x", 65_537),
        (JSON, "x" * 65_537, 65_537),
        (JSON, "ü" * 40_000, 80_000),
    ],
)
async def test_a_frame_over_the_limit_is_told_by_name_and_closed(
    subprotocol: str, frame: bytes | str, size: int
) -> None:
    async with serving() as served:
        client, other = await served.client(subprotocol), await served.client()
        await client.connection.send(frame)
        [error], code, reason = await client.rest()
        assert (error["code"], error["fatal"]) == ("frame_too_large", True)
        assert error["message"] == f"a frame of {size} bytes; 65536 are allowed"
        assert (code, reason) == (1009, "frame_too_large")
        await served.until(lambda: len(served.hub) == 1)
        served.hub.publish([event(1)])
        assert (await other.event())["seq"] == 1


async def test_a_frame_over_what_can_be_read_is_closed_and_others_go_on() -> None:
    async with serving() as served:
        client, other = await served.client(), await served.client()
        with contextlib.suppress(ConnectionClosed):
            await client.connection.send(b"x" * (MAX_CLIENT_FRAME_BYTES * 16 + 1))
        events, code, _ = await client.rest()
        assert events == []
        assert code in (1009, None), "the close may be lost in the client's own unsent bytes"
        await served.until(lambda: len(served.hub) == 1)
        served.hub.publish([event(1)])
        assert (await other.event())["seq"] == 1


async def test_final_events_missed_are_sent_again() -> None:
    async with serving() as served:
        served.hub.publish([event(1), event(2, Emotion), event(3, Utterance), event(4)])
        client = await served.client(MSGPACK)
        message = {"type": "resume", "epoch": client.hello["epoch"], "stream": "mic", "after": 1}
        await client.send(message)
        assert [(await client.event())["seq"] for _ in range(2)] == [3, 4]
        await client.send({**message, "stream": "nobody"})
        await client.send({**message, "after": 4})
        served.hub.publish([event(5)])
        assert (await client.event())["seq"] == 5


async def test_an_epoch_of_before_a_restart_is_refused_by_name() -> None:
    async with serving() as served:
        served.hub.publish([event(1)])
        client = await served.client(MSGPACK)
        await client.send({"type": "resume", "epoch": "0" * 16, "stream": "mic", "after": 0})
        error = await client.event()
        assert (error["code"], error["fatal"]) == ("unknown_epoch", False)
        assert served.server.epoch in error["message"]


async def test_every_server_has_an_epoch_of_its_own() -> None:
    async with serving() as first, serving() as second:
        assert first.server.epoch != second.server.epoch


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({}, False),
        ({"additional_headers": {"Authorization": "Bearer geheim"}}, True),
        ({"additional_headers": {"Authorization": "Bearer falsch"}}, False),
        (
            {
                "additional_headers": {"Authorization": "Bearer geheim"},
                "origin": "https://evil.example",
            },
            False,
        ),
        (
            {
                "additional_headers": {"Authorization": "Bearer geheim"},
                "origin": "https://friend.example",
            },
            True,
        ),
    ],
)
async def test_who_may_not_connect_is_refused_before_the_handshake(
    options: dict[str, Any], allowed: bool
) -> None:
    rules = AccessRules(token="geheim", origins=["friend.example"])
    async with serving(access=rules) as served:
        if allowed:
            client = await served.client(**options)
            assert client.hello["type"] == "hello"
        else:
            with pytest.raises(InvalidStatus) as refused:
                await served.client(**options)
            assert refused.value.response.status_code == 403
            assert len(served.hub) == 0


async def test_a_token_may_stand_in_the_address() -> None:
    async with (
        serving(access=AccessRules(token="geheim")) as served,
        connect(f"{served.address}/?token=geheim") as connection,
    ):
        assert decode(await connection.recv())["type"] == "hello"


async def test_a_header_that_is_no_text_is_refused_and_no_fault_of_ours() -> None:
    async with serving(access=AccessRules(token="geheim")) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\r\n\r\n"
        )
        async with asyncio.timeout(DEADLINE):
            assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
        writer.close()
        await writer.wait_closed()


async def test_no_more_clients_than_allowed() -> None:
    async with serving(largest_clients=2) as served:
        first, _second = await served.client(), await served.client()
        third = Client(await connect(served.address))
        served.clients.append(third)
        [error], code, _ = await third.rest()
        assert (error["code"], error["fatal"]) == ("too_many_clients", True)
        assert error["message"] == "2 clients are connected, and no more may be"
        assert code == 1013
        await first.connection.close()
        await served.until(lambda: len(served.hub) == 1)
        assert (await served.client()).hello["type"] == "hello"


def reading_little(port: int) -> socket.socket:
    """Return a socket whose system takes little before the other side must wait."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    small.connect(("127.0.0.1", port))
    small.setblocking(False)
    return small


async def stopped_reading(served: Served) -> Client:
    client = await served.client(
        MSGPACK, sock=reading_little(served.port), max_queue=1, ping_interval=None
    )
    client.connection.transport.pause_reading()
    return client


LONG = "x" * 30_000


async def test_a_client_that_reads_slowly_is_told_what_it_lost_and_others_lose_nothing() -> None:
    async with serving(queue_events=8, slow_seconds=DEADLINE) as served:
        slow, fast = await stopped_reading(served), await served.client()
        published = 400
        for seq in range(1, published + 1):
            served.hub.publish([event(seq, Device, detail=LONG)])
            assert (await fast.event())["seq"] == seq
        slow.connection.transport.resume_reading()
        told = lost = 0
        seqs = []
        while not seqs or seqs[-1] < published:
            got = await slow.event()
            if got["type"] == "error":
                assert (got["code"], got["fatal"]) == ("slow_client", False)
                assert got["message"].startswith(f"{got['lost']} events were dropped")
                told += 1
                lost += got["lost"]
            else:
                seqs.append(got["seq"])
        assert told >= 1
        assert lost > 0
        assert len(seqs) + lost == published
        assert seqs == sorted(seqs)
        assert len(served.hub) == 2


async def test_a_client_that_stays_too_slow_is_told_and_closed() -> None:
    """It reads, but never catches up."""
    async with serving(queue_events=8, slow_seconds=0.5) as served:
        # Accepted sockets inherit it: what the system keeps for a client would hide how slow it is.
        for listening in served.server._server.sockets:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        client = await served.client(
            MSGPACK, sock=reading_little(served.port), max_queue=1, ping_interval=None
        )
        seq = 0
        last: dict[str, Any] = {}
        async with asyncio.timeout(DEADLINE):
            while not last.get("fatal"):
                served.hub.publish(event(seq + n, Device, detail=LONG) for n in range(1, 4))
                seq += 3
                last = await client.event()
                await asyncio.sleep(0.005)
        assert last["code"] == "slow_client"
        assert served.metrics.lost._value.get() > 0
        events, code, reason = await client.rest()
        assert (events, code, reason) == ([], 1013, "too slow")
        await served.until(lambda: len(served.hub) == 0)


async def test_a_client_that_reads_nothing_at_all_is_cut_off_and_others_go_on() -> None:
    async with serving(queue_events=8, slow_seconds=0.2) as served:
        _, fast = await stopped_reading(served), await served.client()
        for seq in range(1, 401):
            served.hub.publish([event(seq, Device, detail=LONG)])
            assert (await fast.event())["seq"] == seq
        await served.until(lambda: len(served.hub) == 1)
        served.hub.publish([event(401)])
        assert (await fast.event())["seq"] == 401


async def test_stop_says_goodbye_to_everyone_after_what_was_still_to_be_said() -> None:
    async with serving() as served:
        clients = [await served.client(MSGPACK), await served.client(JSON)]
        served.hub.publish([event(1), event(2, Utterance)])
        await served.server.stop()
        for client in clients:
            events, code, _ = await client.rest()
            assert [each["type"] for each in events] == ["speech", "utterance", "bye"]
            assert events[-1]["reason"] == "shutdown"
            assert code == 1001
        assert len(served.hub) == 0


async def test_stop_takes_no_longer_than_two_seconds_whatever_the_clients_do() -> None:
    """The two seconds are the requirement itself."""
    async with serving(queue_events=8) as served:
        polite = await served.client()
        await stopped_reading(served)
        for seq in range(1, 401):
            served.hub.publish([event(seq, Device, detail=LONG)])
            await polite.event()
        _, mute = await asyncio.open_connection("127.0.0.1", served.port)
        unanswering = await served.client(sock=reading_little(served.port), ping_interval=None)
        unanswering.connection.transport.pause_reading()
        async with asyncio.timeout(2):
            await served.server.stop()
        events, code, _ = await polite.rest()
        assert [each["type"] for each in events] == ["bye"]
        assert code == 1001
        mute.close()
        await mute.wait_closed()


async def test_a_server_that_stopped_takes_no_one() -> None:
    async with serving() as served:
        await served.server.stop()
        with pytest.raises(OSError, match=r"Connect call failed|refused"):
            await connect(served.address)


async def test_a_client_that_vanishes_is_forgotten() -> None:
    async with serving() as served:
        client = await served.client()
        client.connection.transport.abort()
        await served.until(lambda: len(served.hub) == 0)
        assert "affectd_clients 0.0" in served.metrics.text()


async def test_a_port_in_use_is_refused() -> None:
    async with serving() as served:
        other = Served(AccessRules(), ServerSettings())
        with pytest.raises(OSError, match="address already in use"):
            await other.server.start("127.0.0.1", served.port)
        await other.server.stop()


async def get(served: Served, path: str, **headers: str) -> tuple[int, str, str]:
    def fetch() -> tuple[int, str, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{served.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()

    return await asyncio.to_thread(fetch)


async def test_healthz_and_metrics_answer_plain_http() -> None:
    async with serving() as served:
        client = await served.client()
        served.hub.publish([event(1)])
        await client.event()
        assert (await get(served, "/healthz"))[::2] == (200, "ok\n")
        assert (await get(served, "/healthz?x=1"))[0] == 200
        status, kind, text = await get(served, "/metrics")
        assert status == 200
        assert kind.startswith("text/plain; version=0.0.4")
        assert "affectd_clients 1.0\n" in text
        assert "affectd_events_sent_total 1.0\n" in text


async def test_the_page_is_served_to_those_who_may_know_this_host() -> None:
    async with serving() as served:
        status, kind, text = await get(served, "/")
        assert (status, kind) == (200, "text/html; charset=utf-8")
        assert "<title>affectd</title>" in text
        assert (await get(served, "/page.js?v=1"))[1] == "text/javascript; charset=utf-8"
        assert (await get(served, "/no-such-page"))[0] == 404
        assert (await get(served, "/", Host="evil.example"))[0] == 403


async def test_the_page_needs_no_token_and_its_events_do() -> None:
    async with serving(access=AccessRules(token="geheim")) as served:
        assert (await get(served, "/affectd.js"))[0] == 200
        assert (await get(served, "/no-such-page"))[0] == 403
        with pytest.raises(InvalidStatus):
            await served.client()


async def test_the_spectrogram_goes_to_those_who_asked_for_it() -> None:
    async with serving() as served:
        seer, other = await served.client(), await served.client()
        await seer.send({"type": "spectrogram", "on": True}, JSON)
        await served.until(lambda: served.hub.shows_mel("mic"))
        picture = {"frames": 1, "bands": 1, "low_db": -80.0, "high_db": 40.0, "data": "AA=="}
        served.hub.publish([event(0, Mel, **picture), event(1)])
        assert (await seer.event())["type"] == "mel"
        assert (await seer.event())["seq"] == 1
        assert (await other.event())["seq"] == 1


async def test_plain_http_needs_the_token_too() -> None:
    async with serving(access=AccessRules(token="geheim")) as served:
        for path in ("/healthz", "/metrics", "/status"):
            assert (await get(served, path))[0] == 403
            assert (await get(served, path, Authorization="Bearer geheim"))[0] == 200
            assert (await get(served, path + "?token=geheim"))[0] == 200
        refused = await get(served, "/metrics?token=geheim", Origin="https://evil.example")
        assert refused[0] == 403
        assert refused[2].startswith("pages from https://evil.example may not connect")
