"""Unit tests of the page's files as they are served."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from affectd.engine.page import Page

PAGE = Page()
FILES = sorted("/" + entry.name for entry in (resources.files("affectd.clients") / "web").iterdir())


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html?x", "text/html; charset=utf-8"),
        ("/affectd.js", "text/javascript; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ],
)
def test_files_have_their_type_and_allow_no_other_host(path: str, kind: str) -> None:
    answer = PAGE.answer(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
    assert int(answer.headers["Content-Length"]) == len(answer.body) > 0
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/%2e%2e/address.py",
        "//etc/passwd",
        "/..%2faddress.py",
        "/web",
        "",
        "/%00",
    ],
)
def test_nothing_else_is_served(path: str) -> None:
    assert path not in PAGE
    assert PAGE.answer(path).status_code == 404


def test_a_head_has_no_body_and_other_methods_are_not_allowed() -> None:
    head = PAGE.answer("/", method="HEAD")
    assert (head.status_code, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) > 0
    refused = PAGE.answer("/", method="POST")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")


def test_what_is_known_is_not_sent_again() -> None:
    tag = PAGE.answer("/page.js").headers["ETag"]
    again = PAGE.answer("/page.js", known=tag)
    assert (again.status_code, again.body) == (304, b"")


@pytest.mark.parametrize("path", FILES)
def test_no_file_names_another_host(path: str) -> None:
    answer = PAGE.answer(path)
    assert answer.status_code == 200
    text = bytes(answer.body).decode()
    # Addresses of the examples, and the name of SVG's elements, which nothing asks for.
    allowed = {"127.0.0.1", "localhost", "www.w3.org"}
    hosts = re.findall(r"(?<=//)[\w.-]+\.\w+|(?<=://)[\w.-]+", text)
    assert set(hosts) <= allowed
