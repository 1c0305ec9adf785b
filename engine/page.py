"""The web page's files, read once from the package and served as they are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from importlib import resources
from urllib.parse import unquote

from websockets.datastructures import Headers
from websockets.http11 import Response

__all__ = ["Page"]

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".ts": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
}
_GUARDS = {
    # Nothing but the page's own files, and nothing at all from another host.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class _File:
    type: str
    body: bytes
    tag: str


class Page:
    """Every file under ``clients/web`` by its name; no path reaches the file system."""

    def __init__(self) -> None:
        self._files = {}
        for entry in (resources.files("affectd.clients") / "web").iterdir():
            suffix = "." + entry.name.rpartition(".")[2]
            if suffix in _TYPES:
                body = entry.read_bytes()
                tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
                self._files["/" + entry.name] = _File(_TYPES[suffix], body, tag)
        self._files["/"] = self._files["/index.html"]

    def __contains__(self, path: str) -> bool:
        """Whether there is such a file; the path may have a query."""
        return _name(path) in self._files

    def answer(self, path: str, *, method: str = "GET", known: str | None = None) -> Response:
        """Return the answer to a plain request.

        Args:
            path: The request's, with its query.
            method: The request's; only GET and HEAD are allowed.
            known: Its ``If-None-Match`` header.
        """
        if method not in ("GET", "HEAD"):
            allowed = {"Allow": "GET, HEAD"}
            return _answer(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD\n", allowed)
        file = self._files.get(_name(path))
        if file is None:
            return _answer(HTTPStatus.NOT_FOUND, b"there is no such file\n", {}, method)
        headers = {**_GUARDS, "ETag": file.tag, "Cache-Control": "no-cache"}
        if known == file.tag:
            return _answer(HTTPStatus.NOT_MODIFIED, b"", headers, method)
        headers["Content-Type"] = file.type
        return _answer(HTTPStatus.OK, file.body, headers, method)


def _name(path: str) -> str:
    return unquote(path.partition("?")[0])


def _answer(
    status: HTTPStatus, body: bytes, headers: dict[str, str], method: str = "GET"
) -> Response:
    fields = {
        "Date": formatdate(usegmt=True),
        "Connection": "close",
        "Content-Length": str(len(body)),
        "Content-Type": "text/plain; charset=utf-8",
        **headers,
    }
    return Response(status.value, status.phrase, Headers(fields), b"" if method == "HEAD" else body)
