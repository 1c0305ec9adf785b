"""Unit: addresses and tokens are checked before anything is tried."""

from __future__ import annotations

import pytest

from affectd.clients.address import Address, AddressError


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "must begin with ws:// or wss://"),
        ("ftp://127.0.0.1:8765", "must begin with ws:// or wss://"),
        ("host:port", "must begin with ws:// or wss://"),
        ("/live", "must begin with ws:// or wss://"),
        ("ws://", "names no host"),
        ("ws://:8765", "names no host"),
        ("ws://host:65536", "malformed"),
        ("ws://host:port", "malformed"),
        ("ws://[::1", "malformed"),
        ("ws://a host", "a space or a control character"),
        ("ws://host\r\nX-Header: 1", "a space or a control character"),
        ("ws://me:secret@host", "a user name"),
        ("ws://host/#part", "a fragment"),
    ],
)
def test_what_is_no_address_is_named_with_what_is_allowed(url: str, message: str) -> None:
    with pytest.raises(AddressError, match=message) as caught:
        Address(url)
    assert repr(url) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        (":9123", "ws://127.0.0.1:9123"),
        ("9123", "ws://127.0.0.1:9123"),
        ("localhost", "ws://localhost:8765"),
        ("192.168.0.7:9123", "ws://192.168.0.7:9123"),
        ("[::1]:9123", "ws://[::1]:9123"),
        ("http://127.0.0.1:8765/", "ws://127.0.0.1:8765/"),
        ("https://affect.example/live?stream=a", "wss://affect.example/live?stream=a"),
    ],
)
def test_what_people_type_and_copy_is_spelt_out(typed: str, url: str) -> None:
    assert Address(typed).url == url


@pytest.mark.parametrize("token", ["a\nb", "käse", "\x00"])
def test_a_token_that_no_header_carries_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(AddressError, match="printable ASCII") as caught:
        Address("ws://host", token)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("ws://127.0.0.1:8765", True),
        ("ws://localhost:1", True),
        ("ws://[::1]:8765", True),
        ("ws://192.168.0.7:8765", False),
        ("wss://affect.example/live", False),
    ],
)
def test_only_this_machine_is_loopback(url: str, loopback: bool) -> None:
    assert Address(url).is_loopback is loopback


def test_what_is_shown_holds_no_token() -> None:
    assert Address("ws://host:1/a?token=secret").shown == "ws://host:1/a"
    assert Address("ws://host", "secret").headers == {"Authorization": "Bearer secret"}
    assert Address("ws://host").headers == {}
