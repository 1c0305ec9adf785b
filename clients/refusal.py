"""Why there are no events: what can go wrong between a client and a daemon, in one line each."""

from __future__ import annotations

import os
import socket

from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    WebSocketException,
)

from affectd.engine.protocol import ErrorCode

__all__ = [
    "AccessRefusedError",
    "ConnectionLostError",
    "NotAffectdError",
    "RefusedError",
    "SubscriptionError",
    "UnreachableError",
    "refusal_of",
]

_TOO_BIG = 1009
_PASSING_STATUSES = (502, 503, 504)
_PASSING_CODES = (ErrorCode.TOO_MANY_CLIENTS, ErrorCode.SLOW_CLIENT)


class SubscriptionError(ConnectionError):
    """No events can be had; an `OSError` with one line for a person."""

    passing = False
    """Whether the next attempt may fare better."""


class UnreachableError(SubscriptionError):
    """Nothing answers at the address."""

    passing = True


class ConnectionLostError(SubscriptionError):
    """The connection broke without a goodbye."""

    passing = True


class AccessRefusedError(SubscriptionError):
    """The daemon does not let this client in: its token is missing or wrong."""


class NotAffectdError(SubscriptionError):
    """Something answers, but no affectd."""


class RefusedError(SubscriptionError):
    """The daemon ended the connection with an ``error`` event.

    Args:
        code: One of `ErrorCode`, or a newer daemon's.
        message: What the daemon says about it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"the daemon refuses: {message} ({code})")
        self.code = code
        self.passing = code in _PASSING_CODES


def refusal_of(error: Exception, address: str) -> SubscriptionError:
    """Say what an exception of a socket or of `websockets` means.

    Args:
        error: As it was raised.
        address: What was connected to, as it may be shown.
    """
    if isinstance(error, SubscriptionError):
        return error
    if isinstance(error, ConnectionClosed):
        return _closed(error, address)
    if isinstance(error, InvalidStatus):
        return _answered(error, address)
    if isinstance(error, InvalidMessage) and isinstance(error.__cause__, EOFError):
        # As a daemon does that is just going.
        return UnreachableError(f"{address} hung up before it answered")
    if isinstance(error, InvalidHandshake | WebSocketException):
        return NotAffectdError(f"what answers at {address} is no affectd: {_reason(error)}")
    if isinstance(error, TimeoutError):
        return UnreachableError(f"{address} does not answer: {_reason(error, 'it takes too long')}")
    return UnreachableError(
        f"nothing answers at {address} ({_reason(error)}): does 'affectd run' run there?"
    )


def _closed(error: ConnectionClosed, address: str) -> SubscriptionError:
    if error.sent and error.sent.code == _TOO_BIG:
        return NotAffectdError(f"{address} sends frames that are too large for an event")
    why = error.rcvd.reason if error.rcvd and error.rcvd.reason else "the connection broke"
    return ConnectionLostError(f"{address} is gone: {why}")


def _answered(error: InvalidStatus, address: str) -> SubscriptionError:
    status = error.response.status_code
    if status in (401, 403):
        said = (error.response.body or b"").decode("utf-8", "replace").strip()
        why = said.splitlines()[0][:200] if said else f"HTTP {status}"
        return AccessRefusedError(
            f"{address} does not let this client in: {why} (a token is given in AFFECTD_TOKEN)"
        )
    if status in _PASSING_STATUSES:
        return UnreachableError(f"{address} answers with HTTP {status}: the daemon is not there")
    return NotAffectdError(f"what answers at {address} is no affectd: it sent HTTP {status}")


def _reason(error: Exception, otherwise: str = "") -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        # asyncio writes the address into this text, which we show already; a resolver's number
        # is none of the system's.
        resolver = isinstance(error, socket.gaierror)
        text = error.strerror if resolver or not error.errno else os.strerror(error.errno)
    return " ".join(text.split()) or otherwise or type(error).__name__
