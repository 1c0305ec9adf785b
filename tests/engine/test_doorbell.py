"""Unit tests of the doorbell, with real threads."""

from __future__ import annotations

import os
import threading

import pytest

from affectd.engine.doorbell import Doorbell


def test_a_ring_before_the_wait_ends_it() -> None:
    bell = Doorbell()
    bell.ring()
    bell.wait(60)
    bell.close()


def test_a_ring_from_another_thread_ends_the_wait() -> None:
    bell = Doorbell()
    other = threading.Timer(0.05, bell.ring)
    other.start()
    bell.wait(60)
    other.join()
    bell.close()


def test_a_byte_from_machine_code_rings_too() -> None:
    bell = Doorbell()
    os.write(bell.write_fd, b"x")
    bell.wait(60)
    bell.close()


def test_many_rings_are_one_and_none_blocks() -> None:
    bell = Doorbell()
    for _ in range(100_000):
        bell.ring()
    for _ in range(3):
        bell.wait(0)
    rung = threading.Event()
    waiter = threading.Thread(target=lambda: (bell.wait(60), rung.set()))
    waiter.start()
    assert not rung.wait(0.05)
    bell.ring()
    waiter.join(30)
    assert rung.is_set()
    bell.close()


def test_a_wait_without_a_ring_ends_after_its_time() -> None:
    bell = Doorbell()
    bell.wait(0.01)
    bell.close()


def test_close_gives_the_descriptors_back() -> None:
    bell = Doorbell()
    bell.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(bell.write_fd, b"x")
