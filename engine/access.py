"""Who may connect: pages from elsewhere and strangers without the token may not."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

__all__ = ["AccessRules", "is_loopback"]

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class AccessRules:
    """Decides on a handshake from its headers and path.

    A browser connects to any address that a page names, also to ``127.0.0.1``: without a look at
    the origin, every page on the web could listen. Browsers name it with every WebSocket. Plain
    requests may lack it, so where no token guards them the ``Host`` must be a known one too: a
    page whose own name was made to resolve to this machine cannot choose that header.

    Args:
        token: What a client must show, as ``Authorization: Bearer …`` or as ``?token=…`` where a
            browser cannot set headers; empty for no token.
        origins: Further hosts whose pages may connect.
    """

    def __init__(self, *, token: str = "", origins: Sequence[str] = ()) -> None:
        self._token = token.encode()
        self._origins = {*_LOCAL_NAMES, *map(str.lower, origins)}

    def refusal(
        self,
        path: str,
        *,
        origin: str | None,
        authorization: str | None,
        host: str | None = None,
        public: bool = False,
    ) -> str:
        """Return why a handshake is refused, or an empty text.

        Args:
            path: The request's path with its query.
            origin: The ``Origin`` header.
            authorization: The ``Authorization`` header.
            host: The ``Host`` header.
            public: Whether no token is asked for.
        """
        if origin is not None and _host(origin) not in self._origins:
            return f"pages from {origin} may not connect; allow their host with --origin"
        if not self._token and host is not None and _host("//" + host) not in self._origins:
            return f"this is not {host}; allow that name with --origin"
        if self._token and not public and not self._shows_token(path, authorization or ""):
            return "the token is missing or wrong"
        return ""

    def _shows_token(self, path: str, authorization: str) -> bool:
        scheme, _, shown = authorization.partition(" ")
        if scheme.lower() != "bearer":
            shown = parse_qs(urlsplit(path).query).get("token", [""])[0]
        # The time of this comparison tells nothing about how much of the token was right.
        return hmac.compare_digest(shown.strip().encode(errors="replace"), self._token)


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""
