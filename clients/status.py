"""How a daemon fares, asked over plain HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from affectd.clients.address import Address

__all__ = ["fetch_status"]

_PATIENCE_SECONDS = 10.0
_LONGEST_REASON = 1_000
"""Bytes."""


def fetch_status(address: Address) -> dict[str, Any]:
    """Return what the daemon answers at ``/status``.

    Raises:
        OSError: it cannot be reached, refuses, or does not answer as a daemon does.
    """
    parts = urlsplit(address.url)
    scheme = "https" if parts.scheme == "wss" else "http"
    url = parts._replace(scheme=scheme, path="/status").geturl()
    request = urllib.request.Request(url, headers=address.headers)  # noqa: S310 - http, as above
    # As for the events: no proxy can reach this machine's own address for us.
    proxies = urllib.request.ProxyHandler({} if address.is_loopback else None)
    opener = urllib.request.build_opener(proxies)
    try:
        with opener.open(request, timeout=_PATIENCE_SECONDS) as answer:
            status: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            reason = error.read(_LONGEST_REASON).decode("utf-8", "replace").strip()
        if error.headers.get_content_type() != "text/plain":
            raise OSError(
                f"what answers at {address.shown} is no affectd: it sent HTTP {error.code}"
            ) from None
        raise OSError(f"{address.shown} refuses: {reason or error.reason}") from None
    except urllib.error.URLError as error:
        why = getattr(error.reason, "strerror", None) or error.reason
        raise OSError(
            f"no daemon answers at {address.shown} ({why}): does 'affectd run' run there?"
        ) from None
    except (TimeoutError, ValueError) as error:
        raise OSError(f"{address.shown} does not answer as a daemon does: {error}") from None
    return status
