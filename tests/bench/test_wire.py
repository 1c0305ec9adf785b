"""Integration: the benchmark's light connections against a real WebSocket server."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection, serve

from affectd.bench.wire import frame, open_wire
from affectd.engine.protocol import MSGPACK


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
async def test_a_message_of_any_size_goes_there_and_back(size: int) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    got: asyncio.Queue[bytes] = asyncio.Queue()
    async with serve(echo, "127.0.0.1", 0, subprotocols=[MSGPACK], compression=None) as server:  # type: ignore[list-item]
        port = server.sockets[0].getsockname()[1]
        wire = await open_wire(f"ws://127.0.0.1:{port}", got.put_nowait)
        payloads = [bytes([number]) * size for number in range(3)]
        for payload in payloads:
            wire.send(frame(payload))
        async with asyncio.timeout(30):
            assert [await got.get() for _ in payloads] == payloads
        wire.close()


async def test_a_server_that_refuses_is_an_error() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionError):
            await open_wire(f"ws://127.0.0.1:{port}", lambda _: None)
