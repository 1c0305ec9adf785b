"""Unit tests of a client's messages; the sockets around them are tested with the server."""

from __future__ import annotations

import pytest
from tests.engine.parcels import Emotion, Utterance, event

from affectd.engine.hub import Hub
from affectd.engine.protocol import JSON, MSGPACK, ErrorCode, encode
from affectd.engine.publisher_settings import PublisherSettings
from affectd.engine.publishing import Publishers
from affectd.engine.requests import RequestError, Requests


def requests(subprotocol: str = JSON, hub: Hub | None = None) -> Requests:
    if hub is None:
        hub = Hub()
        hub.publish([event(1), event(2, Emotion), event(3, Utterance), event(1, stream="other")])
    return Requests(
        hub,
        hub.join(),
        Publishers(PublisherSettings(), begin=lambda source, seq, voice: False),
        epoch="now",
        streams=lambda: ("mic", "other"),
        subprotocol=subprotocol,
    )


def resume(subprotocol: str = JSON, **changes: object) -> str | bytes:
    message = {"type": "resume", "epoch": "now", "stream": "mic", "after": 0, **changes}
    return encode(message, subprotocol)


@pytest.mark.parametrize("subprotocol", [JSON, MSGPACK])
def test_resuming_gives_the_final_events_of_the_stream_after_a_number(subprotocol: str) -> None:
    numbers = [parcel.event.seq for parcel in requests(subprotocol).take(resume(subprotocol))]
    assert numbers == [1, 3]
    later = requests(subprotocol).take(resume(subprotocol, after=1))
    assert [parcel.event.seq for parcel in later] == [3]


def test_each_stream_is_resumed_once_a_connection() -> None:
    connection = requests()
    connection.take(resume())
    assert len(connection.take(resume(stream="other"))) == 1
    with pytest.raises(RequestError, match="has resumed stream 'mic' already"):
        connection.take(resume())


def test_streams_that_are_no_longer_known_are_no_fault_and_said_to_be_lost() -> None:
    connection = requests()
    for number in range(1_000):
        [lost] = connection.take(resume(stream=f"gone-{number}", after=7))
        assert (lost.message["code"], lost.message["fatal"]) == ("history_lost", False)
        assert f"'gone-{number}'" in lost.message["message"]
    assert len(connection.take(resume())) == 2
    for number in range(8_192 - 1_001):
        connection.take(resume(stream=f"more-{number}"))
    with pytest.raises(RequestError, match="or 8192 others"):
        connection.take(resume(stream="one more"))


def test_a_stream_that_has_said_nothing_yet_lacks_nothing() -> None:
    assert requests(hub=Hub()).take(resume()) == []


def test_what_is_kept_no_longer_is_said_first() -> None:
    hub = Hub()
    hub.publish(event(seq) for seq in range(1, 1_001))
    parcels = requests(hub=hub).take(resume(after=7))
    first = parcels[0].message
    assert (first["type"], first["code"], first["fatal"]) == ("error", "history_lost", False)
    assert f"up to number {parcels[1].event.seq - 1}" in first["message"]
    assert requests(hub=hub).take(resume(after=999))[0].event.seq == 1_000


@pytest.mark.parametrize(
    ("subprotocol", "frame", "code", "says"),
    [
        (MSGPACK, "{}", ErrorCode.TEXT_FRAME, "takes binary frames"),
        (JSON, b"\x80", ErrorCode.BINARY_FRAME, "takes text frames"),
        (JSON, "{", ErrorCode.MALFORMED_MESSAGE, "not JSON"),
        (MSGPACK, b"\xc1", ErrorCode.MALFORMED_MESSAGE, "not MessagePack"),
        (
            JSON,
            '{"type":"shout"}',
            ErrorCode.UNKNOWN_MESSAGE,
            "'shout'; known are 'hello', ",
        ),
        (JSON, resume(epoch="then"), ErrorCode.UNKNOWN_EPOCH, "this epoch is now"),
        (JSON, resume(stream="x" * 257), ErrorCode.MALFORMED_MESSAGE, "'stream' as texts"),
        (JSON, resume(after="1"), ErrorCode.MALFORMED_MESSAGE, "'after' as a whole number"),
        (JSON, '{"type":"subscribe"}', ErrorCode.MALFORMED_MESSAGE, "'streams' as a list"),
        (JSON, '{"type":"subscribe","streams":[1]}', ErrorCode.MALFORMED_MESSAGE, "as a list"),
        (JSON, '{"type":"end"}', ErrorCode.MALFORMED_MESSAGE, "what a 'hello' began"),
        (JSON, resume(after=True), ErrorCode.MALFORMED_MESSAGE, "'after' as a whole number"),
    ],
)
def test_what_is_wrong_has_its_code(
    subprotocol: str, frame: str | bytes, code: ErrorCode, says: str
) -> None:
    with pytest.raises(RequestError, match=says) as fault:
        requests(subprotocol).take(frame)
    assert fault.value.code is code
