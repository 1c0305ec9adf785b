"""What a client may ask for, and what is wrong with what it sent. No socket is touched here."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from affectd.engine.hub import Hub
from affectd.engine.outbox import Outbox, Parcel
from affectd.engine.protocol import JSON, MSGPACK, ErrorCode, MalformedMessageError, decode

__all__ = ["RequestError", "Requests"]


class RequestError(ValueError):
    """A client's message is wrong; the connection goes on."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Requests:
    """The messages of one connection.

    Args:
        hub: Keeps the final events.
        outbox: The connection's queue.
        epoch: The daemon's.
        streams: The streams there are.
        subprotocol: The connection's.
    """

    def __init__(
        self,
        hub: Hub,
        outbox: Outbox,
        *,
        epoch: str,
        streams: Collection[str],
        subprotocol: str,
    ) -> None:
        self._hub = hub
        self._outbox = outbox
        self._epoch = epoch
        self._not_resumed = set(streams)
        self._subprotocol = subprotocol

    def take(self, frame: str | bytes) -> list[Parcel]:
        """Return the events that a message asks for.

        Raises:
            RequestError: it is no message of this sub-protocol, or asks for what there is not.
        """
        if isinstance(frame, str) and self._subprotocol == MSGPACK:
            text = f"{MSGPACK} takes binary frames, this one is text"
            raise RequestError(ErrorCode.TEXT_FRAME, text)
        if isinstance(frame, bytes) and self._subprotocol == JSON:
            text = f"{JSON} takes text frames, this one is binary"
            raise RequestError(ErrorCode.BINARY_FRAME, text)
        try:
            message = decode(frame)
        except MalformedMessageError as error:
            raise RequestError(ErrorCode.MALFORMED_MESSAGE, str(error)) from None
        if message["type"] == "spectrogram":
            return self._spectrogram(message)
        if message["type"] != "resume":
            text = f"type {message['type'][:40]!r}; known are 'resume' and 'spectrogram'"
            raise RequestError(ErrorCode.UNKNOWN_MESSAGE, text)
        return self._resume(message)

    def _spectrogram(self, message: dict[str, Any]) -> list[Parcel]:
        if not isinstance(message.get("on"), bool):
            raise RequestError(
                ErrorCode.MALFORMED_MESSAGE, "'spectrogram' needs 'on': true or false"
            )
        self._outbox.shows_mel = message["on"]
        return []

    def _resume(self, message: dict[str, Any]) -> list[Parcel]:
        epoch, stream, after = (message.get(key) for key in ("epoch", "stream", "after"))
        if not isinstance(stream, str) or not isinstance(after, int) or isinstance(after, bool):
            text = "'resume' needs 'epoch' and 'stream' as texts and 'after' as a whole number"
            raise RequestError(ErrorCode.MALFORMED_MESSAGE, text)
        if epoch != self._epoch:
            text = (
                f"the daemon was restarted: this epoch is {self._epoch}, nothing is kept of others"
            )
            raise RequestError(ErrorCode.UNKNOWN_EPOCH, text)
        if stream not in self._not_resumed:
            # Each costs the event loop time that the other clients wait for.
            text = f"stream {stream[:40]!r} is unknown, or this connection has resumed it already"
            raise RequestError(ErrorCode.MALFORMED_MESSAGE, text)
        self._not_resumed.discard(stream)
        return self._hub.after(stream, after)
