"""Integration tests of the connection that takes audio past the library: real sockets."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from affectd.engine.audio_connection import LONGEST_FRAME_BYTES, AudioConnection

DEADLINE = 20
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@dataclass
class Heard:
    """What a server got, in its order, and by which way."""

    messages: list[bytes | str] = field(default_factory=list)
    straight: int = 0
    held_seconds: float = 0.0
    refused: set[bytes] = field(default_factory=set)
    code: int | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    connection: AudioConnection | None = None


@asynccontextmanager
async def served(heard: Heard) -> AsyncIterator[int]:
    async def handle(connection: ServerConnection) -> None:
        assert isinstance(connection, AudioConnection)
        heard.connection = connection

        def hear(message: bytes) -> float | None:
            if message in heard.refused:
                return None
            heard.straight += 1
            heard.messages.append(message)
            return heard.held_seconds

        try:
            async for message in connection:
                # Time for what comes behind it to overtake it, if it could.
                await asyncio.sleep(0.002)
                heard.messages.append(message)
                connection.hear = hear
                connection.settle()
        except ConnectionClosed:
            pass
        heard.code = connection.close_code
        heard.over.set()

    async with serve(
        handle,
        "127.0.0.1",
        0,
        create_connection=AudioConnection,
        compression=None,
        max_size=LONGEST_FRAME_BYTES,
        max_queue=1,
    ) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def converse(heard: Heard, pieces: list[bytes]) -> bytes:
    """Open a WebSocket, send these pieces, and return what the server sends until it is over."""
    async with served(heard) as port, asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            # A packet of its own.
            await asyncio.sleep(0)
        answer = await reader.read()
        writer.close()
        await heard.over.wait()
        return answer


def wire(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


CLOSE = wire(Opcode.CLOSE, (1000).to_bytes(2))
FIRST = wire(Opcode.TEXT, b"first")


def conversation(seed: int) -> tuple[list[bytes | str], list[bytes]]:
    """Return messages and the frames that carry them: whole, in fragments, with pings between."""
    rng = random.Random(seed)
    messages: list[bytes | str] = ["first"]
    sent = [FIRST]
    for number in range(40):
        kind = rng.choice(["audio"] * 6 + ["text", "fragments", "ping"])
        data = rng.randbytes(rng.choice([0, 1, 125, 126, 1_280, 70_000]))
        if kind == "audio":
            messages.append(data)
            sent.append(wire(Opcode.BINARY, data))
        elif kind == "text":
            messages.append(f"text {number}")
            sent.append(wire(Opcode.TEXT, f"text {number}".encode()))
        elif kind == "fragments":
            messages.append(data)
            half = len(data) // 2
            sent.append(wire(Opcode.BINARY, data[:half], fin=False))
            sent.append(wire(Opcode.PING, b"between"))
            sent.append(wire(Opcode.CONT, data[half:]))
        else:
            sent.append(wire(Opcode.PING, b"ping"))
    return messages, sent


@pytest.mark.parametrize("seed", range(4))
async def test_however_the_bytes_are_cut_the_messages_are_the_same(seed: int) -> None:
    messages, frames = conversation(seed)
    sent = b"".join(frames)
    rng = random.Random(seed)
    cuts = sorted(rng.sample(range(1, len(sent)), 60))
    pieces = [sent[a:b] for a, b in itertools.pairwise([0, *cuts, len(sent)])]
    heard = Heard()
    answer = await converse(heard, [*pieces, CLOSE])
    assert heard.messages == messages
    assert heard.code == 1000
    pings = wire(Opcode.PING, b"ping")[:2]
    assert answer.count(b"\x8a\x04ping") == sum(frame.startswith(pings) for frame in frames)


async def test_audio_goes_straight_only_when_nothing_is_before_it() -> None:
    heard = Heard()
    audio = [os.urandom(1_280) for _ in range(10)]
    frames = [wire(Opcode.BINARY, each) for each in audio]
    # The first ones lie behind a message that is still being dealt with.
    behind = FIRST + b"".join(frames[:3])
    async with served(heard) as port, asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        while heard.connection is None:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        writer.write(behind)
        while len(heard.messages) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert heard.straight == 0
        writer.write(b"".join(frames[3:]) + CLOSE)
        await reader.read()
        writer.close()
        await heard.over.wait()
    assert heard.messages == ["first", *audio]
    assert heard.straight == 7


async def test_what_is_not_taken_goes_the_library_s_way_in_its_order() -> None:
    odd = b"odd"
    heard = Heard(refused={odd})
    audio = [b"0" * 640, b"1" * 640, odd, b"2" * 640]
    frames = b"".join(wire(Opcode.BINARY, each) for each in audio)
    await converse(heard, [FIRST, frames, CLOSE])
    assert heard.messages == ["first", *audio]


async def test_who_is_held_is_heard_later_and_loses_nothing() -> None:
    heard = Heard(held_seconds=0.002)
    audio = [os.urandom(5_000) for _ in range(60)]
    await converse(heard, [FIRST, *(wire(Opcode.BINARY, each) for each in audio), CLOSE])
    assert heard.messages == ["first", *audio]


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (b"\x82\x05hello", 1002),
        (b"\xc2\x80\0\0\0\0", 1002),
        (wire(Opcode.CONT, b"of nothing"), 1002),
        (b"\x82\xff" + (LONGEST_FRAME_BYTES + 1).to_bytes(8) + b"\0\0\0\0", 1009),
    ],
    ids=["not masked", "a reserved bit", "the end of nothing", "too long"],
)
async def test_what_breaks_the_protocol_closes_as_the_library_says(
    broken: bytes, code: int
) -> None:
    heard = Heard()
    audio = wire(Opcode.BINARY, b"0" * 640)
    answer = await converse(heard, [FIRST, audio, broken, audio])
    assert heard.messages[:2] == ["first", b"0" * 640]
    assert len(heard.messages) == 2
    assert code.to_bytes(2) in answer


async def test_frames_before_the_handshake_is_over_are_not_lost() -> None:
    heard = Heard()
    async with served(heard) as port, asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST + FIRST[:3])
        await reader.readuntil(b"\r\n\r\n")
        writer.write(FIRST[3:] + wire(Opcode.BINARY, b"0" * 640) + CLOSE)
        await reader.read()
        writer.close()
        await heard.over.wait()
    assert heard.messages == ["first", b"0" * 640]
