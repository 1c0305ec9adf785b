"""The subscriber's side of the protocol, without a socket: greeting, resuming, and giving up."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from affectd.clients.address import Address
from affectd.clients.progress import Progress
from affectd.clients.refusal import (
    ConnectionLostError,
    NotAffectdError,
    RefusedError,
    refusal_of,
)
from affectd.engine.protocol import (
    JSON,
    MSGPACK,
    SUBPROTOCOLS,
    Bye,
    Device,
    Error,
    Hello,
    MalformedMessageError,
    decode,
    encode,
)

__all__ = ["Format", "Loss", "Subscription", "Turn", "is_last"]

Format = Literal["msgpack", "json"]

_SUBPROTOCOLS = {"msgpack": MSGPACK, "json": JSON}
# An event takes one or two kilobytes; a greeting grows with the number of streams.
_LARGEST_FRAME_BYTES = 262_144
_OPEN_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_GREETING_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Loss:
    """The connection is gone, and will be tried again."""

    reason: str
    pause_seconds: float
    """How long until the next attempt."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What follows from one frame."""

    event: dict[str, Any] | None
    """The event to hand on, if it is new."""
    replies: tuple[bytes | str, ...] = ()
    """Frames to send."""
    last: bool = False
    """Whether nothing comes after it."""


class Subscription:
    """What a subscriber knows and does, over any number of connections.

    The shell around it connects with `handshake`, calls `connected`, gives every frame to
    `receive`, and every exception to `interrupted`.

    Args:
        address: The daemon's.
        format: Which encoding to ask for.
        reconnect: Whether to go on after a loss or a goodbye.
        on_loss: Told about every loss that will be tried to mend.
        jitter: Returns a number within 0 and 1, so that many clients do not return at once.
    """

    def __init__(
        self,
        address: Address,
        *,
        format: Format = "msgpack",  # noqa: A002 - named as people know it
        reconnect: bool = True,
        on_loss: Callable[[Loss], None] = lambda _: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if format not in _SUBPROTOCOLS:
            allowed = " or ".join(map(repr, _SUBPROTOCOLS))
            raise ValueError(f"format {format!r} is unknown; allowed is {allowed}")
        self.address = address
        self._subprotocol = _SUBPROTOCOLS[format]
        self._reconnect = reconnect
        self._on_loss = on_loss
        self._jitter = jitter
        self._epoch = ""
        self._progress: dict[str, Progress] = {}
        self._resumed: set[str] = set()  # on this connection: older events may follow newer ones
        self._leaving: set[str] = set()  # asked for once more, and gone from the daemon
        self._connected = False
        self._greeted = False
        self._attempts = 0

    @property
    def handshake(self) -> dict[str, Any]:
        """What `websockets` needs to know to connect, be it asynchronous or not."""
        return {
            "uri": self.address.url,
            "subprotocols": [self._subprotocol],
            "additional_headers": self.address.headers,
            "compression": None,
            "max_size": _LARGEST_FRAME_BYTES,
            "open_timeout": _OPEN_SECONDS,
            "close_timeout": _CLOSE_SECONDS,
            "user_agent_header": "affectd",
            "proxy": None if self.address.is_loopback else True,
        }

    @property
    def patience(self) -> float | None:
        """Seconds to wait for the next frame; `None` for as long as it takes."""
        return None if self._greeted else _GREETING_SECONDS

    def connected(self) -> None:
        """Note that the handshake succeeded."""
        self._connected = True
        self._greeted = False

    def receive(self, frame: bytes | str) -> Turn:
        """Take a frame.

        Raises:
            RefusedError: it says that the daemon ends the connection for a fault.
            NotAffectdError: no affectd would have sent it.
        """
        try:
            event = decode(frame)
        except MalformedMessageError as error:
            raise NotAffectdError(
                f"what answers at {self.address.shown} is no affectd: {error}"
            ) from None
        kind = event["type"]
        if kind == Error.type and event.get("fatal") and not event.get("stream"):
            refused = RefusedError(str(event.get("code")), str(event.get("message")))
            if not (refused.passing and self._reconnect and self._greeted):
                raise refused
        if not self._greeted:
            return self._greet(event)
        if kind == Bye.type:
            # A source that has ended will not go on; a daemon that was stopped may come back.
            return Turn(event, last=not self._reconnect or event.get("reason") == "ended")
        return Turn(event if self._is_new(event) else None)

    def interrupted(self, error: Exception) -> float:
        """Return how many seconds to wait before the next attempt.

        Args:
            error: What a socket, `websockets` or `receive` raised.

        Raises:
            SubscriptionError: there is no point in another one, or none is wanted.
        """
        shown = self.address.shown
        if self._connected and not self._greeted and isinstance(error, TimeoutError):
            error = NotAffectdError(f"what answers at {shown} is no affectd: it says nothing")
        refusal = refusal_of(error, shown)
        if self._connected and not self._greeted and isinstance(refusal, ConnectionLostError):
            refusal = NotAffectdError(f"what answers at {shown} is no affectd: it hung up")
            refusal.passing = bool(self._epoch)  # it was one before
        self._connected = self._greeted = False
        if not (refusal.passing and self._reconnect and self._epoch):
            raise refusal from None
        longest = min(_FIRST_PAUSE_SECONDS * 2.0**self._attempts, _LONGEST_PAUSE_SECONDS)
        self._attempts = min(self._attempts + 1, 16)
        pause = longest * (1 + self._jitter()) / 2
        self._on_loss(Loss(str(refusal), pause))
        return pause

    def _greet(self, event: dict[str, Any]) -> Turn:
        epoch = event.get("epoch")
        if event["type"] != Hello.type or not isinstance(epoch, str) or not epoch:
            allowed = " or ".join(SUBPROTOCOLS)
            raise NotAffectdError(
                f"what answers at {self.address.shown} speaks neither {allowed}: "
                f"it began with {event['type'][:40]!r}"
            )
        self._greeted = True
        self._attempts = 0
        if epoch != self._epoch:
            self._epoch = epoch
            self._progress.clear()
            self._leaving.clear()
        for stream in self._leaving:
            self._progress.pop(stream, None)
        # Who ended meanwhile is asked for its last events now, and then never again.
        self._resumed = set(self._progress)
        self._leaving = self._resumed.difference(event.get("streams") or ())
        return Turn(event, tuple(self._resume(stream) for stream in self._progress))

    def _resume(self, stream: str) -> bytes | str:
        after = self._progress[stream].mark
        message = {"type": "resume", "epoch": self._epoch, "stream": stream, "after": after}
        return encode(message, self._subprotocol)

    def _is_new(self, event: dict[str, Any]) -> bool:
        stream, seq = event.get("stream"), event.get("seq")
        if not stream or not isinstance(stream, str) or not isinstance(seq, int):
            return True  # it concerns the connection
        if stream not in self._progress:
            self._progress[stream] = Progress(seq)
        new = self._progress[stream].take(seq)
        if event.get("state") == "started":
            self._leaving.discard(stream)
        if is_last(event) and stream not in self._resumed:
            del self._progress[stream]
        return new


def is_last(event: Mapping[str, Any]) -> bool:
    """Return whether a stream is over with an event."""
    kind = event.get("type")
    fatal = kind == Error.type and event.get("fatal")
    return bool(fatal) or (kind == Device.type and event.get("state") == "ended")
