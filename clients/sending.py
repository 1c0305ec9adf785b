"""From a sound file or a microphone to a daemon, at the pace of the sound."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, Protocol

from affectd.clients.address import Address
from affectd.clients.display import JsonLines, TextLines
from affectd.clients.publication import Publication
from affectd.clients.publisher import Publisher
from affectd.clients.refusal import RefusedError

__all__ = ["Recorded", "send_until_told"]

_BLOCK_SECONDS = 0.02
_WAITING_BLOCKS = 256
_MICROPHONE_RATE = 16_000
# For the last events, once somebody wants it to end.
_FAREWELL_SECONDS = 2.0


class Recorded(Protocol):
    """An open sound file; the room that reads them is not this one's to import."""

    rate: int
    """Hz."""

    def blocks(self, seconds: float) -> Iterator[Any]:
        """Yield mono blocks of so many seconds, float32 arrays ``(n,)``."""


def send_until_told(
    recording: Recorded | None,
    address: str,
    *,
    stream: str | None = None,
    voice: str | None = None,
    token: str = "",
    json: bool = False,
) -> None:
    """Send a sound file or the microphone, and print what the daemon makes of it.

    Args:
        recording: The file; `None` for the microphone.
        address: Where the daemon is.
        stream: A name for the stream.
        voice: Whose voice it is, of those that are enrolled where the daemon runs.
        token: What to show the daemon.
        json: Print the events as they are.

    Raises:
        ValueError: the address or the file's rate is none that can be.
        OSError: the file breaks off, there is no microphone, or the daemon refuses.
    """
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_send(recording, Address(address, token), stream, voice, json))


async def _send(
    recording: Recorded | None, address: Address, stream: str | None, voice: str | None, json: bool
) -> None:
    rate, blocks = _spoken(recording) if recording else _microphone()
    publication = Publication(address, rate=rate, format="f32le", stream=stream, voice=voice)
    display = JsonLines(sys.stdout) if json else TextLines(sys.stdout)
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, told.set)
    publisher = Publisher(publication)
    try:
        # Whatever it waits for, a block, the daemon, its answers: who wants it to end need not.
        if not await _unless(told, publisher.__aenter__()):
            return
        if not await _unless(told, _work(publisher, blocks, display)):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await publisher.end()
                    await _show(publisher, display)
    finally:
        await publisher.aclose()
        display.close()


async def _unless(told: asyncio.Event, work: Coroutine[Any, Any, object]) -> bool:
    """Do something; give it up when told to stop. Return whether it was done."""
    doing, waiting = asyncio.create_task(work), asyncio.create_task(told.wait())
    both: set[asyncio.Task[Any]] = {doing, waiting}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in both:
            each.cancel()
        await asyncio.wait(both)
    if doing.cancelled():
        return False
    doing.result()
    return True


async def _work(
    publisher: Publisher, blocks: AsyncIterator[bytes], display: JsonLines | TextLines
) -> None:
    showing = asyncio.create_task(_show(publisher, display))
    try:
        async for block in blocks:
            if showing.done():
                break
            await publisher.send(block)
        await publisher.end()
        await showing
    finally:
        showing.cancel()


async def _show(publisher: Publisher, display: JsonLines | TextLines) -> None:
    async for event in publisher:
        display.take(event)
        if event["type"] == "error" and event.get("fatal"):
            raise RefusedError(str(event.get("code")), str(event.get("message")))


def _spoken(recording: Recorded) -> tuple[int, AsyncIterator[bytes]]:
    """Return a recording at the pace of its sound."""
    rate = recording.rate

    async def blocks() -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        began, position = loop.time(), 0
        for block in recording.blocks(_BLOCK_SECONDS):
            position += len(block)
            # A block can be sent when its last sample would have been spoken.
            await asyncio.sleep(max(0.0, began + position / rate - loop.time()))
            yield block.astype("<f4").tobytes()

    return rate, blocks()


def _microphone() -> tuple[int, AsyncIterator[bytes]]:
    try:
        import sounddevice
    except OSError:
        raise OSError("PortAudio is missing: 'apt install libportaudio2'") from None

    if not any(each["max_input_channels"] for each in sounddevice.query_devices()):
        raise OSError("there is no microphone: PortAudio lists no input device")

    async def blocks() -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[bytes] = asyncio.Queue(_WAITING_BLOCKS)

        def put(block: bytes) -> None:
            with contextlib.suppress(asyncio.QueueFull):  # the daemon finds the gap by its clock
                heard.put_nowait(block)

        def capture(block: Any, frames: int, clock: Any, status: Any) -> None:
            loop.call_soon_threadsafe(put, bytes(block))

        try:
            stream = sounddevice.RawInputStream(
                samplerate=_MICROPHONE_RATE,
                channels=1,
                dtype="float32",
                blocksize=round(_MICROPHONE_RATE * _BLOCK_SECONDS),
                callback=capture,
            )
            stream.start()
        except (ValueError, sounddevice.PortAudioError) as error:
            raise OSError(f"the microphone cannot be opened: {error}") from None
        try:
            while True:
                yield await heard.get()
        finally:
            # To stop it would be to wait for what a dead device still has to deliver.
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)

    return _MICROPHONE_RATE, blocks()
