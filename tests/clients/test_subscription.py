"""Unit: the subscriber's side of the protocol, with neither socket nor clock."""

from __future__ import annotations

from typing import Any

import pytest

from affectd.clients.address import Address
from affectd.clients.refusal import (
    ConnectionLostError,
    NotAffectdError,
    RefusedError,
    UnreachableError,
)
from affectd.clients.subscription import Loss, Subscription
from affectd.engine.protocol import JSON, MSGPACK, decode, encode

HELLO = {"type": "hello", "stream": "", "seq": 0, "epoch": "one", "streams": ["demo"]}
SLOW = {"type": "error", "stream": "", "code": "slow_client", "message": "m", "fatal": True}
FULL = {**SLOW, "code": "too_many_clients"}


def subscription(**options: Any) -> Subscription:
    options = {"jitter": lambda: 1.0, **options}
    return Subscription(Address("ws://127.0.0.1:1"), **options)


def greeted(core: Subscription, **changes: object) -> list[dict[str, Any]]:
    """Connect and greet; return what the client answers."""
    core.connected()
    turn = core.receive(encode({**HELLO, **changes}, MSGPACK))
    return [decode(reply) for reply in turn.replies]


def event(seq: int, kind: str = "utterance", stream: str = "demo") -> bytes | str:
    return encode({"type": kind, "stream": stream, "seq": seq}, MSGPACK)


def test_an_unknown_format_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'xml' is unknown; allowed is 'msgpack' or 'json'"):
        subscription(format="xml")


def test_the_handshake_asks_for_one_encoding_bounds_frames_and_leaves_proxies_out() -> None:
    handshake = subscription(format="json").handshake
    assert handshake["subprotocols"] == [JSON]
    assert handshake["max_size"] < 2**20
    assert handshake["compression"] is None
    assert handshake["proxy"] is None
    assert Subscription(Address("ws://192.0.2.1")).handshake["proxy"] is True


def test_after_a_loss_it_resumes_every_stream_where_nothing_is_missing() -> None:
    core = subscription()
    assert greeted(core) == []
    for seq, stream in ((3, "demo"), (4, "demo"), (9, "mic")):
        assert core.receive(event(seq, stream=stream)).event
    core.interrupted(ConnectionResetError())
    assert greeted(core) == [
        {"type": "resume", "epoch": "one", "stream": "demo", "after": 4},
        {"type": "resume", "epoch": "one", "stream": "mic", "after": 9},
    ]
    assert core.receive(event(7)).event, "a live event may come before what was missed"
    core.interrupted(ConnectionResetError())
    assert greeted(core)[0]["after"] == 4, "5 and 6 are still missing"
    assert [core.receive(event(seq)).event is not None for seq in (5, 6, 7, 8)] == [
        True,
        True,
        False,
        True,
    ]


def ended(seq: int, stream: str) -> bytes | str:
    event = {"type": "device", "stream": stream, "seq": seq, "state": "ended", "detail": ""}
    return encode(event, MSGPACK)


def test_a_stream_that_is_over_is_forgotten() -> None:
    core = subscription()
    greeted(core)
    for number in range(5_000):
        assert core.receive(event(1, stream=f"stream-{number}")).event
        failed = {**SLOW, "code": "source_failed", "stream": f"stream-{number}", "seq": 2}
        assert core.receive(
            ended(2, f"stream-{number}") if number % 2 else encode(failed, MSGPACK)
        ).event
    core.receive(event(1))
    core.interrupted(ConnectionResetError())
    assert [each["stream"] for each in greeted(core)] == ["demo"]


def test_a_stream_that_ended_while_nobody_listened_is_asked_for_once_more() -> None:
    core = subscription()
    greeted(core, streams=["demo", "hall"])
    for seq in (1, 2):
        core.receive(event(seq, stream="hall"))
    core.interrupted(ConnectionResetError())
    assert [each["stream"] for each in greeted(core)] == ["hall"]
    assert core.receive(event(3, stream="hall")).event
    assert core.receive(ended(4, "hall")).event
    assert not core.receive(event(3, stream="hall")).event, "sent live and again"
    core.interrupted(ConnectionResetError())
    assert greeted(core) == []
    assert core.receive(event(9, stream="hall")).event, "someone else took the name"


def test_a_stream_that_begins_again_is_resumed_again() -> None:
    core = subscription()
    greeted(core)
    core.receive(event(1, stream="hall"))
    core.interrupted(ConnectionResetError())
    assert [each["stream"] for each in greeted(core)] == ["hall"]
    started = {"type": "device", "stream": "hall", "seq": 7, "state": "started", "detail": ""}
    assert core.receive(encode(started, MSGPACK)).event
    core.interrupted(ConnectionResetError())
    assert [each["stream"] for each in greeted(core)] == ["hall"]


def test_a_new_epoch_starts_anew() -> None:
    core = subscription()
    greeted(core)
    core.receive(event(90))
    core.interrupted(ConnectionResetError())
    assert greeted(core, epoch="two") == []
    assert core.receive(event(1)).event


def test_pauses_grow_to_five_seconds_and_start_over_after_a_greeting() -> None:
    losses: list[Loss] = []
    core = subscription(on_loss=losses.append)
    greeted(core)
    pauses = [core.interrupted(ConnectionRefusedError(111, "refused")) for _ in range(7)]
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert [loss.pause_seconds for loss in losses] == pauses
    greeted(core)
    assert core.interrupted(ConnectionResetError()) == 0.25


def test_jitter_spreads_clients_over_half_the_pause() -> None:
    core = subscription(jitter=lambda: 0.0)
    greeted(core)
    assert core.interrupted(ConnectionResetError()) == 0.125


def test_nothing_is_tried_again_before_the_first_greeting() -> None:
    with pytest.raises(UnreachableError, match="does 'affectd run' run there"):
        subscription().interrupted(ConnectionRefusedError(111, "refused"))


def test_without_reconnecting_a_loss_is_raised_and_a_goodbye_ends() -> None:
    core = subscription(reconnect=False)
    greeted(core)
    assert core.receive(event(0, "bye", "")).last
    with pytest.raises(UnreachableError):
        core.interrupted(ConnectionResetError())


def test_with_reconnecting_a_goodbye_is_one_event_more() -> None:
    core = subscription()
    greeted(core)
    turn = core.receive(event(0, "bye", ""))
    assert turn.event
    assert not turn.last


def test_a_source_that_has_ended_will_not_be_waited_for() -> None:
    core = subscription()
    greeted(core)
    assert core.receive(encode({"type": "bye", "stream": "", "reason": "ended"}, MSGPACK)).last


@pytest.mark.parametrize("code", ["slow_client", "too_many_clients"])
def test_a_refusal_that_passes_is_tried_again(code: str) -> None:
    core = subscription()
    greeted(core)
    assert core.receive(encode({**SLOW, "code": code}, MSGPACK)).event
    core.interrupted(ConnectionResetError())
    core.connected()
    with pytest.raises(RefusedError) as caught:
        core.receive(encode(FULL, MSGPACK))
    assert core.interrupted(caught.value) > 0


@pytest.mark.parametrize("code", ["frame_too_large", "malformed_message", "from_tomorrow"])
def test_any_other_refusal_is_raised_with_its_code(code: str) -> None:
    core = subscription()
    greeted(core)
    with pytest.raises(RefusedError, match=code) as caught:
        core.receive(encode({**SLOW, "code": code}, MSGPACK))
    assert caught.value.code == code
    with pytest.raises(RefusedError):
        core.interrupted(caught.value)


def test_the_failure_of_a_stream_is_an_event() -> None:
    core = subscription()
    greeted(core)
    failure = {**SLOW, "code": "source_failed", "stream": "demo", "seq": 4}
    assert core.receive(encode(failure, MSGPACK)).event == failure


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1",
        "{",
        '"text"',
        encode({"type": "utterance", "stream": "demo", "seq": 1}, MSGPACK),
        encode({"type": "hello"}, MSGPACK),
        encode({"type": "hello", "epoch": 7}, MSGPACK),
    ],
)
def test_what_no_affectd_would_say_first_is_no_affectd(frame: bytes | str) -> None:
    core = subscription()
    core.connected()
    with pytest.raises(NotAffectdError, match=r"no affectd|speaks neither"):
        core.receive(frame)


def test_silence_before_the_greeting_is_no_affectd_and_afterwards_is_fine() -> None:
    core = subscription()
    core.connected()
    assert core.patience
    with pytest.raises(NotAffectdError, match="says nothing"):
        core.interrupted(TimeoutError())
    greeted(core)
    assert core.patience is None


def test_types_and_fields_of_tomorrow_are_handed_on() -> None:
    core = subscription()
    greeted(core)
    message = {"type": "prosody", "stream": "demo", "seq": 1, "pitch_hz": 180}
    assert core.receive(encode(message, MSGPACK)).event == message


def test_every_error_is_an_os_error_or_a_value_error() -> None:
    assert issubclass(ConnectionLostError, OSError)
    assert issubclass(RefusedError, OSError)
