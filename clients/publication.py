"""What a publisher says and expects, over any number of connections. No socket is touched here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from affectd.clients.address import Address
from affectd.clients.refusal import NotAffectdError, RefusedError, SubscriptionError
from affectd.engine.protocol import (
    HIGHEST_RATE,
    JSON,
    LOWEST_RATE,
    MAX_CLIENT_FRAME_BYTES,
    MSGPACK,
    SAMPLE_BYTES,
    Accepted,
    Device,
    Error,
    Hello,
    MalformedMessageError,
    SampleFormat,
    decode,
    encode,
)

__all__ = ["Publication"]

# What the buffers of arrays say of their samples, as the module struct does.
_CODES = {"s16le": ("h", "<h"), "f32le": ("f", "<f")}
_ARRAYS = {"s16le": "int16", "f32le": "float32"}
_LARGEST_FRAME_BYTES = 262_144
_OPEN_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_LONGEST_FRAME_SECONDS = 0.1


class Publication:
    """One stream, from the side of the client that sends it.

    Args:
        address: The daemon's.
        rate: Sampling rate, Hz.
        format: How the samples are written.
        stream: A name for the stream; the daemon chooses one if it is `None`.
        voice: Whose voice it is, of those that are enrolled where the daemon runs.

    Attributes:
        name: The stream's name, once it is accepted.
        grace_seconds: How long the daemon waits after a loss.
        ended_with: Why nothing more can be sent, once the stream is over.
    """

    def __init__(
        self,
        address: Address,
        *,
        rate: int,
        format: SampleFormat = "s16le",  # noqa: A002 - named as on the wire
        stream: str | None = None,
        voice: str | None = None,
    ) -> None:
        if format not in SAMPLE_BYTES:
            raise ValueError(f"format {format!r} is unknown; allowed are {list(SAMPLE_BYTES)}")
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            allowed = f"{LOWEST_RATE} to {HIGHEST_RATE}"
            raise ValueError(f"rate is {rate} Hz; allowed are {allowed}")
        self.address = address
        self.rate = rate
        self.format = format
        self.name = stream or ""
        self.voice = voice
        self.grace_seconds = 0.0
        self.ended_with: SubscriptionError | None = None
        self._key = ""

    @property
    def handshake(self) -> dict[str, Any]:
        """What `websockets` needs to know to connect."""
        return {
            "uri": self.address.url,
            "subprotocols": [MSGPACK],
            "additional_headers": self.address.headers,
            "compression": None,
            "max_size": _LARGEST_FRAME_BYTES,
            "open_timeout": _OPEN_SECONDS,
            "close_timeout": _CLOSE_SECONDS,
            "user_agent_header": "affectd",
            "proxy": None if self.address.is_loopback else True,
        }

    def hello(self) -> bytes | str:
        """Return the frame that begins the stream, or continues it."""
        message = {"type": Hello.type, "rate": self.rate, "format": self.format}
        if self.name:
            message["stream"] = self.name
        if self.voice:
            message["voice"] = self.voice
        if self._key:
            message["key"] = self._key
        return encode(message, MSGPACK)

    def end(self) -> bytes | str:
        """Return the frame that ends the stream."""
        return encode({"type": "end"}, JSON)

    def frames(self, audio: bytes | memoryview) -> Iterator[bytes]:
        """Cut samples into frames of a size that the daemon takes.

        Raises:
            TypeError: its samples are of another type than the format's.
            ValueError: it holds no whole number of samples, or has more than one channel.
        """
        data = self._bytes_of(audio)
        size = SAMPLE_BYTES[self.format]
        if len(data) % size:
            raise ValueError(
                f"{len(data)} bytes hold no whole number of {self.format} samples of {size} bytes"
            )
        largest = min(MAX_CLIENT_FRAME_BYTES, round(self.rate * _LONGEST_FRAME_SECONDS) * size)
        for start in range(0, len(data), largest):
            yield bytes(data[start : start + largest])

    def _bytes_of(self, audio: bytes | memoryview) -> memoryview:
        try:
            view = memoryview(audio)
        except TypeError:
            raise TypeError(
                f"audio is of type {type(audio).__name__}; needed are bytes, or an array of "
                f"{_ARRAYS[self.format]} for {self.format}"
            ) from None
        # Bytes say nothing of what they hold; an array does.
        if view.format not in ("B", "b", "c", *_CODES[self.format]):
            name = getattr(getattr(audio, "dtype", None), "name", None) or repr(view.format)
            raise TypeError(f"the samples are {name}; {self.format} needs {_ARRAYS[self.format]}")
        if sum(length != 1 for length in view.shape or ()) > 1:
            raise ValueError(f"audio has the shape {view.shape}; needed is mono, (n,)")
        if not view.c_contiguous:
            raise ValueError("audio is no contiguous array; send a copy of it")
        return view.cast("B") if view.nbytes else memoryview(b"")

    def greeted(self, frame: bytes | str) -> bool:
        """Take a frame before the stream is accepted; return whether it is now.

        Raises:
            RefusedError: the daemon does not take it.
            NotAffectdError: no affectd would have sent it.
        """
        event = self._decode(frame)
        if event["type"] == Error.type and not event.get("stream"):
            raise RefusedError(str(event.get("code")), str(event.get("message")))
        if event["type"] != Accepted.type:
            return False
        self.name, self._key = str(event["name"]), str(event["key"])
        self.grace_seconds = float(event.get("grace_seconds", 0.0))
        return True

    def receive(self, frame: bytes | str) -> dict[str, Any]:
        """Take a frame of an accepted stream, and return its event.

        Raises:
            RefusedError: the daemon ends the connection for a fault.
            NotAffectdError: no affectd would have sent it.
        """
        event = self._decode(frame)
        own = event.get("stream") == self.name
        if event["type"] == Error.type and event.get("fatal"):
            refused = RefusedError(str(event.get("code")), str(event.get("message")))
            if not event.get("stream"):
                raise refused
            if own:
                self.ended_with = refused
        if event["type"] == Device.type and own and event.get("state") == "ended":
            self.ended_with = SubscriptionError(f"stream {self.name!r} has ended")
        return event

    def _decode(self, frame: bytes | str) -> dict[str, Any]:
        try:
            return decode(frame)
        except MalformedMessageError as error:
            raise NotAffectdError(
                f"what answers at {self.address.shown} is no affectd: {error}"
            ) from None
