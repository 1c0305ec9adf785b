"""Where a daemon is: the address and token a client is given, checked before anything is tried."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from affectd.engine.protocol import DEFAULT_PORT

__all__ = ["ADDRESS_HELP", "DEFAULT_ADDRESS", "Address", "AddressError"]

DEFAULT_ADDRESS = f"ws://127.0.0.1:{DEFAULT_PORT}"
ADDRESS_HELP = "The daemon's: PORT, HOST, HOST:PORT or ws://…"


class AddressError(ValueError):
    """An address or token cannot be one; the message shows it and what is allowed."""


@dataclass(frozen=True, slots=True)
class Address:
    """A daemon's WebSocket address, and what it is to be shown."""

    url: str
    """Begins with ``ws://`` or ``wss://``; ``HOST``, ``HOST:PORT``, ``:PORT``, ``PORT`` and the
    address of the page, which begins with ``http``, are made into such a one."""
    token: str = ""
    """Sent as ``Authorization: Bearer …``; empty for none."""

    def __post_init__(self) -> None:
        """Check both.

        Raises:
            AddressError: the address is no WebSocket address, or no header can carry the token.
        """
        object.__setattr__(self, "url", _spelt_out(self.url))
        url = self.url
        if not url.isprintable() or " " in url:
            raise AddressError(f"address {url!r} holds a space or a control character")
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 - reading it is what checks it
        except ValueError as error:
            raise AddressError(f"address {url!r} is malformed: {error}") from None
        if parts.scheme not in ("ws", "wss"):
            raise AddressError(
                f"address {url!r} must begin with ws:// or wss://, as in {DEFAULT_ADDRESS}, or be "
                "a PORT, a HOST or HOST:PORT"
            )
        if not parts.hostname:
            raise AddressError(f"address {url!r} names no host; one is {DEFAULT_ADDRESS}")
        if parts.username is not None or parts.fragment:
            raise AddressError(
                f"address {url!r} holds a user name or a fragment; only host, port, path and query "
                "are allowed, and a token goes into AFFECTD_TOKEN"
            )
        if not (self.token.isascii() and self.token.isprintable()):
            raise AddressError("the token may hold printable ASCII characters only")

    @property
    def headers(self) -> dict[str, str]:
        """What the handshake says beside the address."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def shown(self) -> str:
        """The address without its query, which may hold a token."""
        return self.url.partition("?")[0]

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine's own, which no proxy can reach for us."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def _spelt_out(url: str) -> str:
    scheme, found, rest = url.partition("://")
    if found:
        return {"http": "ws", "https": "wss"}.get(scheme, scheme) + found + rest
    if port := re.fullmatch(r":?(\d+)", url):
        return f"ws://127.0.0.1:{port[1]}"
    if re.fullmatch(r"[\w.-]+", url):
        return f"ws://{url}:{DEFAULT_PORT}"
    return f"ws://{url}" if re.fullmatch(r"([\w.-]+|\[[\da-fA-F:.]+\]):\d+", url) else url
