"""Unit tests of how many streams are let in."""

from __future__ import annotations

import pytest
from tests.engine.fake_classifier import fake_metadata

from affectd.engine.capacity import Capacity, StreamCost, stream_cost
from affectd.engine.session import SessionSettings


@pytest.mark.parametrize(
    ("window", "second", "result", "hop", "share", "cores", "streams"),
    [
        (0.002, 0.001, 0.0001, 0.25, 1.0, 8, 100),  # the model's thread is full first
        (0.002, 0.012, 0.001, 0.25, 1.0, 8, 50),  # the interpreter is
        (0.001, 0.004, 0.001, 0.25, 1.0, 1, 37),  # the one processor is
        (0.002, 0.001, 0.0001, 0.25, 0.5, 8, 200),
        (0.002, 0.001, 0.0001, 0.5, 1.0, 8, 200),
        (5.0, 0.001, 0.0001, 0.25, 1.0, 1, 1),
    ],
)
def test_the_first_resource_that_is_full_decides(
    window: float,
    second: float,
    result: float,
    hop: float,
    share: float,
    cores: int,
    streams: int,
) -> None:
    capacity = Capacity(window, StreamCost(second, result), hop, talking_share=share, cores=cores)
    assert capacity.streams == streams


def test_a_stream_is_measured_on_this_machine() -> None:
    cost = stream_cost(fake_metadata(), SessionSettings())
    assert 0 < cost.second_seconds < 1
    assert 0 < cost.result_seconds < 1
