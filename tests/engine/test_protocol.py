"""Unit and property: the events on the wire, what is no message, and the page about them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectd.engine.protocol import (
    JSON,
    MAX_CLIENT_FRAME_BYTES,
    MSGPACK,
    SUBPROTOCOLS,
    Abstention,
    Accepted,
    Bye,
    Device,
    Emotion,
    Error,
    ErrorCode,
    Event,
    Gap,
    Hello,
    Load,
    MalformedMessageError,
    Mel,
    Speech,
    Utterance,
    decode,
    encode,
)
from affectd.engine.server import ServerSettings

EVENTS = (Hello, Speech, Emotion, Utterance, Gap, Device, Load, Mel, Error, Accepted, Bye)
COMMON = {"type", *(each.name for each in fields(Event))}
PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)
messages = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    st.text(st.characters(exclude_categories=["Cs"])),
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values, max_size=5),
)


def utterance(**changes: Any) -> Utterance:
    known: dict[str, Any] = {
        "stream": "demo",
        "seq": 7,
        "start": 1.23456789,
        "end": 2.5,
        "captured_at": 100.0,
        "label": "sad",
        "abstained": None,
        "confidence": 0.75,
        "scores": {"sad": 0.75, "happy": 0.25},
        "valence": -0.5,
        "arousal": 0.1,
        "snr_db": 20.0,
    }
    return Utterance(**{**known, **changes})


@given(messages, st.sampled_from(SUBPROTOCOLS))
def test_a_message_survives_both_encodings(message: dict[str, Any], subprotocol: str) -> None:
    frame = encode(message, subprotocol)
    assert isinstance(frame, bytes if subprotocol == MSGPACK else str)
    assert decode(frame) == message


@pytest.mark.parametrize("subprotocol", SUBPROTOCOLS)
def test_an_event_survives_both_encodings(subprotocol: str) -> None:
    event = utterance(label=None, abstained=Abstention.NOISY)
    message = decode(encode(event.to_wire(), subprotocol))
    assert message["abstained"] == "noisy"
    assert message["label"] is None
    assert set(message) == {"type", *(each.name for each in fields(Utterance))}


def test_on_the_wire_times_are_utc_and_rounded() -> None:
    message = utterance(captured_at=100.123_456_789).to_wire(utc_offset=1_700_000_000.0)
    assert message["type"] == "utterance"
    assert message["captured_at"] == 1_700_000_100.123457
    assert (message["start"], message["end"]) == (1.2346, 2.5)


def test_json_stays_readable_and_refuses_what_json_has_no_number_for() -> None:
    assert encode({"type": "ä"}, JSON) == '{"type":"ä"}'
    for number in (math.nan, math.inf):
        with pytest.raises(ValueError, match="JSON compliant"):
            encode({"type": "x", "age_ms": number}, JSON)


@given(st.binary(max_size=64) | st.text(max_size=64))
def test_a_frame_is_a_message_or_malformed_and_nothing_else(frame: bytes | str) -> None:
    try:
        message = decode(frame)
    except MalformedMessageError:
        return
    assert isinstance(message["type"], str)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        b"",
        "{",
        "[]",
        "null",
        '"text"',
        '{"seq": 1}',
        '{"type": 1}',
        '{"type": null}',
        '{"type": "x", "age_ms": NaN}',
        '{"type": "x", "age_ms": -Infinity}',
        '{"type": "x"} trailing',
        "[" * MAX_CLIENT_FRAME_BYTES,
        '{"type":' * 5_000,
        "1" * 5_000,
        b"\xc1",
        b"\x91" * MAX_CLIENT_FRAME_BYTES,
        b"\x81\xa4type" * 5_000,
        b"\xdf\xff\xff\xff\xff",
        msgpack.packb([1, 2]),
        msgpack.packb({"type": b"x"}),
        msgpack.packb({1: "type"}),
        msgpack.packb({"type": "x"}) + b"\x00",
        msgpack.packb({"type": "x"})[:-1],
        b"\x81\xa4type\xa1\xff",
    ],
    ids=lambda frame: repr(frame[:24]),
)
def test_what_is_no_message_is_malformed(frame: bytes | str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        decode(frame)
    assert "\n" not in str(caught.value)


def test_only_emotions_and_pictures_are_provisional() -> None:
    assert [kind.type for kind in EVENTS if kind.provisional] == ["emotion", "mel"]


def test_events_are_values() -> None:
    assert utterance() == utterance()
    with pytest.raises(AttributeError):
        utterance().seq = 8  # type: ignore[misc]


def test_every_event_is_known_here() -> None:
    def leaves(kind: type[Event]) -> set[type[Event]]:
        below = {leaf for each in kind.__subclasses__() for leaf in leaves(each)}
        return below or {kind}

    # With slots a dataclass is made twice, and the first one stays among the subclasses.
    assert {kind.type for kind in leaves(Event) if hasattr(kind, "type")} == {
        kind.type for kind in EVENTS
    }


def section(heading: str) -> str:
    """Return a section of the page, without the heading."""
    found = re.search(rf"^### {heading}\n(.*?)(?=^##)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"docs/protocol.md has no section {heading!r}"
    return found[1]


def documented(text: str) -> set[str]:
    """Return what the tables headed ``field`` describe."""
    tables = re.findall(r"^\| field \|.*\n\|[-|]+\n((?:\|.*\n)*)", text, re.MULTILINE)
    return set(re.findall(r"^\| `(\w+)` \|", "".join(tables), re.MULTILINE))


def test_the_page_describes_the_common_fields() -> None:
    assert documented(section("Fields of every event")) == COMMON


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.type)
def test_the_page_describes_every_event_with_exactly_its_fields(kind: type[Event]) -> None:
    own = {each.name for each in fields(kind)} - COMMON
    assert documented(section(f"`{kind.type}`")) == own


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.type)
def test_the_page_names_every_state_and_reason(kind: type[Event]) -> None:
    for hint in get_type_hints(kind).values():
        for allowed in get_args(hint) if get_origin(hint) is Literal else ():
            assert f"`{allowed}`" in section(f"`{kind.type}`")


def test_the_page_names_every_error_code_and_abstention() -> None:
    codes = re.findall(r"^\| `(\w+)` \| (?:yes|no|if)", section("`error`"), re.MULTILINE)
    assert sorted(codes) == sorted(ErrorCode)
    for why in Abstention:
        assert f"| `{why}` |" in section("`emotion`")


def test_the_page_names_both_encodings_and_the_limit() -> None:
    for subprotocol in SUBPROTOCOLS:
        assert f"| `{subprotocol}` |" in PAGE
    assert f"| {MAX_CLIENT_FRAME_BYTES:,} bytes |" in PAGE


def test_the_page_names_the_limits_that_may_be_configured() -> None:
    settings = ServerSettings()
    assert f"| {settings.largest_clients:,} (`server.largest_clients`) |" in PAGE
    assert f"| {settings.queue_events} (`server.queue_events`) |" in PAGE
    assert f"| {settings.slow_seconds:g} s (`server.slow_seconds`) |" in PAGE


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.type)
def test_the_page_has_real_examples_with_exactly_the_fields(kind: type[Event]) -> None:
    examples = [each for each in EXAMPLES if each["type"] == kind.type and "seq" in each]
    assert examples
    for example in examples:
        assert list(example) == ["type", *(each.name for each in fields(kind))]


def test_the_examples_on_the_page_are_plausible() -> None:
    messages = {"resume", "spectrogram", "subscribe"}
    assert {each["type"] for each in EXAMPLES} == {*messages, *(kind.type for kind in EVENTS)}
    for example in EXAMPLES:
        if "scores" in example:
            scores = example["scores"]
            assert sum(scores.values()) == pytest.approx(1, abs=1e-3)
            assert example["confidence"] == max(scores.values())
            assert sum(example["stages_ms"].values()) == pytest.approx(example["age_ms"], abs=0.01)
            if example["label"]:
                assert scores[example["label"]] == example["confidence"]
        if "code" in example:
            assert example["code"] in set(ErrorCode)
            assert example["message"] in PAGE
