"""How threads wake the worker, without a lock and from machine code too."""

from __future__ import annotations

import contextlib
import os
import select

__all__ = ["Doorbell"]


class Doorbell:
    """A pipe that one thread waits on and any other may ring.

    Ringing is one ``write`` of one byte to `write_fd`, so that a capture callback compiled to
    machine code can do it through libc.
    """

    def __init__(self) -> None:
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self.write_fd, False)
        self._poll = select.poll()
        self._poll.register(self._read_fd, select.POLLIN)

    def ring(self) -> None:
        """Wake whoever waits, now or next."""
        with contextlib.suppress(BlockingIOError):  # then it rings already
            os.write(self.write_fd, b"\0")

    def wait(self, seconds: float) -> None:
        """Return when it rang since the last return, or after this time."""
        if self._poll.poll(seconds * 1000):
            with contextlib.suppress(BlockingIOError):
                os.read(self._read_fd, 65_536)

    def close(self) -> None:
        """Give the file descriptors back."""
        os.close(self._read_fd)
        os.close(self.write_fd)
