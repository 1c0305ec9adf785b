"""How fast a publisher may send."""

from __future__ import annotations

from typing import Any

import pytest

from affectd.engine.publication import Publication
from affectd.engine.publisher import PublisherSource
from affectd.engine.publisher_settings import PublisherSettings
from affectd.engine.refusal import RequestError

RATE = 16_000


def publication(**settings: Any) -> Publication:
    source = PublisherSource("mic", RATE, "s16le")
    return Publication(source, PublisherSettings(**settings), release=lambda _: None)


def test_the_pace_counts_what_was_sent_against_the_clock() -> None:
    mic = publication(ahead_seconds=1, fast_seconds=5)
    now = mic._heard_at
    second = bytes(2 * RATE)
    assert mic.hear(second, now) == 0
    assert mic.hear(second, now) == pytest.approx(1)
    assert mic.hear(second, now + 2) == 0
    # What the network held up may come in a burst.
    for number in range(6):
        assert mic.hear(second, now + 10 + number / 100) == 0
    mic.hear(second, now + 11)
    for number in range(50):
        assert mic.hear(second, now + 11 + number / 10) > 0
    with pytest.raises(RequestError, match="ahead of real time"):
        mic.hear(second, now + 16)


def test_a_frame_counts_as_two_and_a_half_milliseconds_at_least() -> None:
    mic = publication(ahead_seconds=1, fast_seconds=5)
    now = mic._heard_at
    for number in range(400):
        assert mic.hear(bytes(2), now + number / RATE) == 0
    assert mic.hear(bytes(2), now + 400 / RATE) == 0
    assert sum(mic.hear(bytes(2), now + 0.025) for _ in range(40)) > 0
    for number in range(5 * RATE):
        assert mic.hear(bytes(2), now + 0.025 + number / RATE) > 0
    with pytest.raises(RequestError, match="ahead of real time"):
        mic.hear(bytes(2), now + 5.1)


async def test_frames_as_short_as_a_browsers_are_not_too_fast() -> None:
    mic = publication(ahead_seconds=1, fast_seconds=5)
    mic.begin(48_000, "s16le", now := mic._heard_at)
    for number in range(10_000):
        assert mic.hear(bytes(256), now + number * 128 / 48_000) == 0
    mic.end()
