"""What goes over the wire: the events, and their two encodings. No socket is touched here.

Clients depend on this module alone, so it imports nothing but the standard library and msgpack.
``docs/protocol.md`` describes every field for those who write a client in another language.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, ClassVar, Literal

import msgpack

__all__ = [
    "DEFAULT_PORT",
    "HIGHEST_RATE",
    "JSON",
    "LOWEST_RATE",
    "MAX_CLIENT_FRAME_BYTES",
    "MSGPACK",
    "SAMPLE_BYTES",
    "SUBPROTOCOLS",
    "Abstention",
    "Accepted",
    "Bye",
    "Device",
    "Emotion",
    "Error",
    "ErrorCode",
    "Event",
    "Gap",
    "Hello",
    "Load",
    "MalformedMessageError",
    "Mel",
    "Result",
    "SampleFormat",
    "Speech",
    "Utterance",
    "about_connection",
    "decode",
    "encode",
]

DEFAULT_PORT = 8765

MSGPACK = "affectd.v1.msgpack"
JSON = "affectd.v1.json"
SUBPROTOCOLS = (MSGPACK, JSON)
"""In the order the server prefers them; who offers none is answered in JSON."""

MAX_CLIENT_FRAME_BYTES = 65_536
"""What a client may send in one frame. A second of 48 kHz float32 would be 192,000 bytes: audio
comes in blocks far shorter than that."""

SampleFormat = Literal["s16le", "f32le"]
SAMPLE_BYTES: dict[SampleFormat, int] = {"s16le": 2, "f32le": 4}
"""How audio may be written that a client sends, and how long a sample of it is."""
LOWEST_RATE, HIGHEST_RATE = 8_000, 96_000
"""Hz, of audio that a client sends."""


class Abstention(StrEnum):
    """Why a result names no emotion."""

    TOO_SHORT = "too_short"
    NOISY = "noisy"
    NOT_SPEECH = "not_speech"
    UNCERTAIN = "uncertain"


class ErrorCode(StrEnum):
    """Stable names of what can go wrong; the message beside them may change."""

    UNKNOWN_SUBPROTOCOL = "unknown_subprotocol"
    FRAME_TOO_LARGE = "frame_too_large"
    TEXT_FRAME = "text_frame"
    BINARY_FRAME = "binary_frame"
    MALFORMED_MESSAGE = "malformed_message"
    UNKNOWN_MESSAGE = "unknown_message"
    UNKNOWN_EPOCH = "unknown_epoch"
    HISTORY_LOST = "history_lost"
    UNSUPPORTED_AUDIO = "unsupported_audio"
    STREAM_TAKEN = "stream_taken"
    TOO_MANY_STREAMS = "too_many_streams"
    ODD_AUDIO = "odd_audio"
    TOO_FAST = "too_fast"
    TOO_MANY_CLIENTS = "too_many_clients"
    SLOW_CLIENT = "slow_client"
    BAD_AUDIO = "bad_audio"
    VOICE_UNAVAILABLE = "voice_unavailable"
    SOURCE_FAILED = "source_failed"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event carries."""

    type: ClassVar[str]
    """Its name on the wire."""
    provisional: ClassVar[bool] = False
    """Whether a newer event of the same stream makes this one worthless."""

    stream: str
    """Name of the stream; empty where an event concerns the connection."""
    seq: int
    """Number of the event in its stream, from 1; 0 in `Mel`, and where there is no stream."""
    start: float
    end: float
    """What the event speaks of, in seconds since the stream began."""
    captured_at: float
    """When the last sample was captured, in seconds of the engine's monotonic clock. On the wire
    it is UTC."""

    def to_wire(self, *, utc_offset: float = 0.0) -> dict[str, Any]:
        """Return the event as plain values.

        Args:
            utc_offset: UTC less the engine's clock, in seconds.
        """
        message: dict[str, Any] = {"type": self.type}
        if (names := _NAMES.get(type(self))) is None:
            names = _NAMES[type(self)] = tuple(each.name for each in fields(self))
        for name in names:
            message[name] = getattr(self, name)
        message["captured_at"] = round(self.captured_at + utc_offset, 6)
        message["start"], message["end"] = round(self.start, 4), round(self.end, 4)
        return message


_NAMES: dict[type[Event], tuple[str, ...]] = {}
"""The fields of each type, because to list them takes as long as to encode them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(Event):
    """The first event of a connection: who speaks, and what can be expected."""

    type: ClassVar[str] = "hello"

    server: str
    """Name and version of the daemon."""
    epoch: str
    """Changes with every start of the daemon; sequence numbers hold within one."""
    model: str
    labels: tuple[str, ...]
    streams: tuple[str, ...]
    hop_seconds: float
    window_seconds: float
    voice_baseline: bool = False
    """Whether every stream is heard beside its voice's own running baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech(Event):
    """Someone began or ceased to speak."""

    type: ClassVar[str] = "speech"

    state: Literal["start", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Event):
    """What a model heard."""

    label: str | None
    """The emotion shown, or `None` where the engine abstains."""
    abstained: Abstention | None
    """Why it abstains."""
    confidence: float
    """Calibrated probability of the leading label, 0 to 1, abstaining or not."""
    scores: Mapping[str, float]
    """Calibrated probability of every label; they add up to 1."""
    valence: float
    arousal: float
    """Means of the labels' published coordinates, each within ±1, weighted by `scores`: derived
    from the posterior, not measured on their own."""
    snr_db: float
    """How far the speech stands above its background."""
    age_ms: float | None = None
    """Milliseconds from the capture of the last sample to the moment this event was encoded."""
    stages_ms: Mapping[str, float] | None = None
    """The same, split by stage."""
    voice_utterances: int | None = None
    """How many utterances of the voice its baseline knew; `None` without a baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emotion(Result):
    """Provisional: how the speech of the last seconds sounds."""

    type: ClassVar[str] = "emotion"
    provisional: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance(Result):
    """Final: how an utterance sounded as a whole."""

    type: ClassVar[str] = "utterance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Event):
    """Audio is missing between `start` and `end`."""

    type: ClassVar[str] = "gap"

    reason: Literal["overrun", "overflow", "device", "publisher"]
    """``overrun``: the engine was too slow; ``overflow``: the system was; ``device``: the device
    was away; ``publisher``: the publisher was, or sent what cannot be audio."""
    lost_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Device(Event):
    """The audio device or the publisher changed its state."""

    type: ClassVar[str] = "device"

    state: Literal["started", "lost", "restored", "silent", "sounding", "clipping", "ended"]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(Event):
    """The engine cannot keep up, or can again."""

    type: ClassVar[str] = "load"

    state: Literal["degraded", "voice_only", "recovered"]
    dropped: int
    """Windows given up since the last such event because a newer one had come."""
    hop_seconds: float
    """Distance between windows from now on; 0 where none come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mel(Event):
    """A few frames of the mel spectrogram, for those who asked to see them. It is not numbered."""

    type: ClassVar[str] = "mel"
    provisional: ClassVar[bool] = True

    frames: int
    bands: int
    low_db: float
    high_db: float
    data: str
    """Base64 of a byte for each band of each frame in turn: 0 for `low_db` and below, 255 for
    `high_db` and above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Error(Event):
    """Something failed."""

    type: ClassVar[str] = "error"

    code: ErrorCode
    message: str
    fatal: bool
    """Whether the connection, or the stream named, ends with this event."""
    lost: int = 0
    """Events that were dropped for this client, with `ErrorCode.SLOW_CLIENT`."""
    retry_after: float = 0.0
    """Seconds until another attempt may fare better, with `ErrorCode.TOO_MANY_STREAMS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(Event):
    """The answer to a publisher's ``hello``: its audio is heard from now on."""

    type: ClassVar[str] = "accepted"

    name: str
    """Name of its stream."""
    key: str
    """Shows, after a loss of the connection, that the stream is its own."""
    rate: int
    format: str
    resumed: bool
    """Whether a stream goes on, instead of a new one beginning."""
    grace_seconds: float
    """How long the stream waits for its publisher after a loss."""
    voice_baseline: bool = False
    """Whether the stream is heard beside its voice's own baseline."""
    voice: str = ""
    """Whose that is, where the publisher named somebody; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bye(Event):
    """The last event of a connection: the daemon goes, and not because of the client."""

    type: ClassVar[str] = "bye"

    reason: str = field(default="shutdown")
    """``shutdown``: it was stopped; ``ended``: its source has ended."""


def about_connection() -> dict[str, Any]:
    """Return the common fields of an event that concerns a connection and no stream."""
    return {"stream": "", "seq": 0, "start": 0.0, "end": 0.0, "captured_at": time.monotonic()}


class MalformedMessageError(ValueError):
    """A frame holds no message."""


def encode(message: Mapping[str, Any], subprotocol: str) -> bytes | str:
    """Return a message as a frame: bytes for MessagePack, text for JSON."""
    if subprotocol == MSGPACK:
        return msgpack.packb(message)  # type: ignore[no-any-return]
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def decode(frame: bytes | str) -> dict[str, Any]:
    """Return the message of a frame, whichever encoding it has.

    Raises:
        MalformedMessageError: it is neither MessagePack (bytes) nor JSON (text), or no map with a
            ``type``.
    """
    try:
        message = _from_json(frame) if isinstance(frame, str) else msgpack.unpackb(frame)
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        kind = "JSON" if isinstance(frame, str) else "MessagePack"
        raise MalformedMessageError(f"not {kind}: {error or type(error).__name__}") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise MalformedMessageError("a message is a map with a text under 'type'")
    return message


def _from_json(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
