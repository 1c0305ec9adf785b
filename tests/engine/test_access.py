"""Unit tests of who may connect."""

from __future__ import annotations

import pytest

from affectd.engine.access import AccessRules, is_loopback


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.4", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_only_addresses_of_this_machine_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1", True),
        ("http://[::1]:3000", True),
        ("https://friend.example", True),
        ("https://FRIEND.example:444", True),
        ("https://evil.example", False),
        ("https://localhost.evil.example", False),
        ("https://friend.example.evil.example", False),
        ("null", False),
        ("", False),
        ("file://", False),
        ("http://[broken", False),
    ],
)
def test_pages_from_elsewhere_are_refused(origin: str | None, allowed: bool) -> None:
    rules = AccessRules(origins=["Friend.example"])
    refusal = rules.refusal("/", origin=origin, authorization=None)
    assert (refusal == "") is allowed
    if not allowed:
        assert refusal == f"pages from {origin} may not connect; allow their host with --origin"


@pytest.mark.parametrize(
    ("path", "authorization", "allowed"),
    [
        ("/", "Bearer geheim-ü", True),
        ("/", "bearer  geheim-ü ", True),
        ("/?token=geheim-%C3%BC", None, True),
        ("/events?a=1&token=geheim-%C3%BC", None, True),
        ("/?token=geheim-%C3%BC", "Basic Z2VoZWlt", True),
        ("/?token=geheim-%C3%BC", "Bearer wrong", False),
        ("/", None, False),
        ("/", "Bearer ", False),
        ("/", "geheim-ü", False),
        ("/?token=geheim", None, False),
        ("/?token=", None, False),
        ("/", "Bearer \udcff", False),
    ],
)
def test_strangers_without_the_token_are_refused(
    path: str, authorization: str | None, allowed: bool
) -> None:
    refusal = AccessRules(token="geheim-ü").refusal(path, origin=None, authorization=authorization)
    assert refusal == ("" if allowed else "the token is missing or wrong")


def test_the_token_does_not_open_the_door_to_pages_from_elsewhere() -> None:
    rules = AccessRules(token="geheim")
    assert rules.refusal("/?token=geheim", origin="https://evil.example", authorization=None)


def test_without_a_token_anyone_local_may_connect() -> None:
    assert AccessRules().refusal("/", origin=None, authorization="Bearer what") == ""


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1", "[::1]:8765", "A.example:1"])
def test_a_known_host_may_be_asked_for(host: str) -> None:
    rules = AccessRules(origins=["a.example"])
    assert not rules.refusal("/metrics", origin=None, authorization=None, host=host)


def test_a_name_that_was_made_to_lead_here_is_refused() -> None:
    refusal = AccessRules().refusal("/metrics", origin=None, authorization=None, host="evil.test")
    assert refusal == "this is not evil.test; allow that name with --origin"
