"""Unit tests of how many streams are let in."""

from __future__ import annotations

import pytest
from tests.engine.fake_classifier import fake_metadata

from affectd.engine.capacity import Capacity, session_cost
from affectd.engine.session import SessionSettings


@pytest.mark.parametrize(
    ("window", "session", "hop", "share", "cores", "streams"),
    [
        (0.002, 0.001, 0.25, 1.0, 8, 100),  # the model's thread is full first
        (0.002, 0.016, 0.25, 1.0, 8, 50),  # the sessions' is
        (0.002, 0.008, 0.25, 1.0, 1, 50),  # the one processor is
        (0.002, 0.001, 0.25, 0.5, 8, 200),
        (0.002, 0.001, 0.5, 1.0, 8, 200),
        (5.0, 0.001, 0.25, 1.0, 1, 1),
    ],
)
def test_the_first_resource_that_is_full_decides(
    window: float, session: float, hop: float, share: float, cores: int, streams: int
) -> None:
    capacity = Capacity(window, session, hop, talking_share=share, cores=cores)
    assert capacity.streams == streams


def test_a_session_is_measured_on_this_machine() -> None:
    assert 0 < session_cost(fake_metadata(), SessionSettings()) < 1
