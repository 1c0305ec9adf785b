"""What a client may ask for, and what is wrong with what it sent. No socket is touched here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from affectd.engine.hub import Hub, parcel_of
from affectd.engine.outbox import Outbox, Parcel
from affectd.engine.protocol import (
    JSON,
    MSGPACK,
    Accepted,
    Error,
    ErrorCode,
    MalformedMessageError,
    about_connection,
    decode,
)
from affectd.engine.publication import Publication
from affectd.engine.publishing import Publishers
from affectd.engine.refusal import RequestError

__all__ = ["RequestError", "Requests"]

_KNOWN = ("hello", "subscribe", "resume", "end", "spectrogram")
_LARGEST_SUBSCRIPTION = 1_024
_LARGEST_RESUMPTION = 8_192
_LONGEST_NAME = 256


class Requests:
    """The messages of one connection.

    Args:
        hub: Keeps the final events, and knows who hears what.
        outbox: What waits for this client.
        publishers: Those who send audio.
        epoch: The daemon's.
        streams: Returns the names of the streams there are.
        subprotocol: The connection's.

    Attributes:
        publication: The stream that this client sends, once it does.
    """

    def __init__(
        self,
        hub: Hub,
        outbox: Outbox,
        publishers: Publishers,
        *,
        epoch: str,
        streams: Callable[[], Collection[str]],
        subprotocol: str,
    ) -> None:
        self._hub = hub
        self._outbox = outbox
        self._publishers = publishers
        self._epoch = epoch
        self._streams = streams
        self._resumed: set[str] = set()
        self._subscribed = False
        self._subprotocol = subprotocol
        self.publication: Publication | None = None

    def take(self, frame: str | bytes) -> list[Parcel]:
        """Return the events that a message asks for.

        Raises:
            RequestError: it is no message of this sub-protocol, or asks for what there is not.
        """
        if self.publication is None:
            if isinstance(frame, str) and self._subprotocol == MSGPACK:
                text = f"{MSGPACK} takes binary frames, this one is text"
                raise RequestError(ErrorCode.TEXT_FRAME, text)
            if isinstance(frame, bytes) and self._subprotocol == JSON:
                text = f"{JSON} takes text frames, this one is binary; audio follows a 'hello'"
                raise RequestError(ErrorCode.BINARY_FRAME, text)
        try:
            message = decode(frame)
        except MalformedMessageError as error:
            raise RequestError(ErrorCode.MALFORMED_MESSAGE, str(error)) from None
        kind = message["type"]
        if kind == "resume":
            return self._resume(message)
        if kind == "subscribe":
            self._subscribe(message)
        elif kind == "hello":
            self._hello(message)
        elif kind == "end":
            self._end()
        elif kind == "spectrogram":
            self._spectrogram(message)
        else:
            known = ", ".join(map(repr, _KNOWN[:-1]))
            text = f"type {kind[:40]!r}; known are {known} and {_KNOWN[-1]!r}"
            raise RequestError(ErrorCode.UNKNOWN_MESSAGE, text)
        return []

    def _hello(self, message: dict[str, Any]) -> None:
        if self.publication:
            text = "this connection publishes already; another stream needs another connection"
            raise RequestError(ErrorCode.MALFORMED_MESSAGE, text)
        self.publication, answer = self._publishers.open(message)
        if not self._subscribed:
            self._hub.subscribe(self._outbox, {self.publication.name})
        # In the queue, so that it comes before the stream's first event.
        self._outbox.put(parcel_of(Accepted(**about_connection(), **answer)))

    def _end(self) -> None:
        if not self.publication:
            raise RequestError(ErrorCode.MALFORMED_MESSAGE, "'end' ends what a 'hello' began")
        self.publication.end()

    def _subscribe(self, message: dict[str, Any]) -> None:
        names = message.get("streams")
        if (
            not isinstance(names, list)
            or len(names) > _LARGEST_SUBSCRIPTION
            or not all(isinstance(name, str) and len(name) <= _LONGEST_NAME for name in names)
        ):
            text = f"'subscribe' needs 'streams' as a list of at most {_LARGEST_SUBSCRIPTION} texts"
            raise RequestError(ErrorCode.MALFORMED_MESSAGE, text)
        self._subscribed = True
        self._hub.subscribe(self._outbox, None if "*" in names else set(names))

    def _spectrogram(self, message: dict[str, Any]) -> None:
        if not isinstance(message.get("on"), bool):
            raise RequestError(
                ErrorCode.MALFORMED_MESSAGE, "'spectrogram' needs 'on': true or false"
            )
        self._hub.show_mel(self._outbox, message["on"])

    def _resume(self, message: dict[str, Any]) -> list[Parcel]:
        epoch, stream, after = (message.get(key) for key in ("epoch", "stream", "after"))
        if (
            not isinstance(stream, str)
            or len(stream) > _LONGEST_NAME
            or not isinstance(after, int)
            or isinstance(after, bool)
        ):
            text = "'resume' needs 'epoch' and 'stream' as texts and 'after' as a whole number"
            raise RequestError(ErrorCode.MALFORMED_MESSAGE, text)
        if epoch != self._epoch:
            text = (
                f"the daemon was restarted: this epoch is {self._epoch}, nothing is kept of others"
            )
            raise RequestError(ErrorCode.UNKNOWN_EPOCH, text)
        if stream in self._resumed or len(self._resumed) >= _LARGEST_RESUMPTION:
            # Each costs the event loop time that the other clients wait for.
            text = (
                f"this connection has resumed stream {stream[:40]!r} already, or "
                f"{_LARGEST_RESUMPTION} others"
            )
            raise RequestError(ErrorCode.MALFORMED_MESSAGE, text)
        self._resumed.add(stream)
        history = self._hub.history
        if stream not in history:
            # No fault of the client, which cannot know how long a stream is kept after its end.
            silent = after <= 0 and stream in self._streams()
            return [] if silent else [_lost(f"nothing of stream {stream!r} is kept any more")]
        parcels = history.after(stream, after)
        if (forgotten := history.forgotten(stream)) > after:
            text = f"final events of stream {stream!r} up to number {forgotten} are no longer kept"
            parcels.insert(0, _lost(text))
        return parcels


def _lost(message: str) -> Parcel:
    code = ErrorCode.HISTORY_LOST
    return parcel_of(Error(**about_connection(), code=code, message=message, fatal=False))
