"""Unit: what the events amount to, without a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from affectd.clients.overview import Overview
from affectd.clients.subscription import Loss

HELLO: dict[str, Any] = {
    "type": "hello",
    "epoch": "one",
    "server": "affectd 1",
    "model": "crnn",
    "labels": ["happy", "sad"],
    "streams": ["demo"],
}


def overview(*events: dict[str, Any]) -> Overview:
    view = Overview("ws://127.0.0.1:1")
    for event in ({**HELLO}, *events):
        view.take(event)
    return view


def result(kind: str, end: float, **more: Any) -> dict[str, Any]:
    scores = {"happy": 0.25, "sad": 0.75}
    base = {"type": kind, "stream": "demo", "seq": 1, "start": end - 1, "end": end, "label": "sad"}
    return {**base, "scores": scores, "confidence": 0.75, "age_ms": 8.0, **more}


def device(state: str) -> dict[str, Any]:
    return {"type": "device", "stream": "demo", "state": state, "detail": "", "captured_at": 0.0}


def test_streams_and_labels_are_known_from_the_greeting() -> None:
    view = overview()
    assert view.status == "connected"
    assert view.streams["demo"].labels == ("happy", "sad")


def test_the_newest_result_is_shown_and_only_utterances_are_kept() -> None:
    stream = overview(result("emotion", 1), result("utterance", 2), result("emotion", 3)).streams
    assert stream["demo"].result is not None
    assert stream["demo"].result["end"] == 3
    assert [each["end"] for each in stream["demo"].utterances] == [2]


def test_an_utterance_sent_again_does_not_replace_the_present() -> None:
    stream = overview(result("emotion", 9), result("utterance", 2)).streams["demo"]
    assert stream.result is not None
    assert stream.result["end"] == 9


def test_the_age_is_that_of_provisional_results() -> None:
    ages = [result("emotion", end, age_ms=float(end)) for end in range(1, 101)]
    assert overview(*ages, result("utterance", 101, age_ms=400.0)).age_ms == (100.0, 95.0)
    assert overview().age_ms is None


def test_speech_begins_and_ends_and_a_loss_ends_it() -> None:
    start = {"type": "speech", "stream": "demo", "state": "start"}
    view = overview(start)
    assert view.streams["demo"].speaking
    view.lose(Loss("ws://127.0.0.1:1 is gone", 0.5))
    assert not view.streams["demo"].speaking
    assert (view.status, view.notice) == ("gone", "ws://127.0.0.1:1 is gone")
    view.take(HELLO)
    assert (view.status, view.notice) == ("connected", "")


def load(state: str) -> dict[str, Any]:
    return {**device(state), "type": "load", "dropped": 2, "hop_seconds": 0.5}


def test_a_stream_that_is_over_is_neither_ill_nor_late_nor_speaking() -> None:
    start = {"type": "speech", "stream": "demo", "state": "start"}
    stream = overview(start, device("silent"), load("degraded"), device("ended")).streams["demo"]
    assert "the source has ended" in stream.over
    assert not stream.failed
    assert (stream.device, stream.load, stream.notices, stream.speaking) == ("", "", {}, False)


def test_an_error_that_ends_a_stream_is_a_failure() -> None:
    error = {"type": "error", "stream": "demo", "fatal": True, "code": "bad_audio"}
    stream = overview({**error, "message": "sample 7 is nan"}).streams["demo"]
    assert stream.failed
    assert "sample 7 is nan" in stream.over


def test_what_is_over_can_be_forgotten_and_its_utterances_still_be_told() -> None:
    view = overview(result("utterance", 2, captured_at=0.0))
    view.forget("demo")
    assert "demo" in view.streams, "it lives"
    view.take(device("ended"))
    view.forget("demo")
    view.forget("demo")
    assert not view.streams
    assert [line.split()[2] for line in view.lines()] == ["sad"]


def test_a_stream_that_begins_again_is_shown_from_its_beginning() -> None:
    view = overview(result("emotion", 90), result("utterance", 91), device("ended"))
    view.take(device("started"))
    view.take(result("emotion", 1))
    stream = view.streams["demo"]
    assert not stream.over
    assert stream.result is not None
    assert stream.result["end"] == 1
    assert [each["end"] for each in stream.utterances] == [91]


@pytest.mark.parametrize(("bad", "good"), [("lost", "restored"), ("silent", "sounding")])
def test_a_notice_stays_until_it_is_over(bad: str, good: str) -> None:
    view = overview(device(bad))
    assert view.streams["demo"].notices
    view.take(device(good))
    assert not view.streams["demo"].notices


def test_a_new_epoch_forgets_the_old_streams() -> None:
    view = overview(result("utterance", 2))
    view.take({**HELLO, "epoch": "two", "streams": ["mic"]})
    assert list(view.streams) == ["mic"]


def test_what_is_unknown_changes_nothing() -> None:
    view = overview({"type": "prosody", "stream": "demo", "pitch_hz": 180})
    assert view.streams["demo"].result is None
    assert not view.streams["demo"].notices


def test_the_memory_is_bounded() -> None:
    view = overview(*(result("utterance", end) for end in range(500)))
    assert len(view.streams["demo"].utterances) == 64
    assert view.utterances == 500


def test_who_joins_in_the_middle_knows_that_someone_speaks() -> None:
    speech = {"type": "speech", "stream": "demo", "start": 0.0}
    assert overview(result("emotion", 2)).streams["demo"].speaking
    late = overview({**speech, "state": "end", "end": 3.0}, result("emotion", 2.5))
    assert not late.streams["demo"].speaking, "a result may follow the end of its speech"


def test_the_last_utterances_are_told_in_lines() -> None:
    many = [result("utterance", float(end), captured_at=0.0) for end in range(1, 71)]
    lines = overview(*many).lines()
    assert lines[0] == "(6 earlier)"
    assert lines[-1].endswith("1:09.0 to 1:10.0")
    assert len(lines) == 65
