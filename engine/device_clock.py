"""When the samples of a sound device were captured, and whether some never came."""

from __future__ import annotations

from collections import deque

__all__ = ["DeviceClock"]

_WATCHED_SECONDS = 0.5
_STAMPS_SECONDS = 0.01
_TRACKING = 0.02


class DeviceClock:
    """Smooths the time stamps of a device's blocks and finds the audio that is missing.

    Time stamps jitter by tens of milliseconds, because sound servers deliver in bursts; the
    sample count does not. So the time of a block is predicted from the count, and the prediction
    slowly follows the earliest stamp of the last half second, since no two crystals agree. A
    block that is late is no loss: what follows catches up. Where even that earliest one lies more
    than `gap_seconds` behind the prediction, that much audio is missing. PortAudio's overflow flag
    cannot be relied on for this: on some systems it never fires.

    Args:
        rate: Sampling rate, Hz.
        gap_seconds: How much must be missing to be called so.
        largest_correction_seconds: How far one stamp may move the prediction.
    """

    def __init__(
        self,
        rate: int,
        *,
        gap_seconds: float = 0.1,
        largest_correction_seconds: float = 0.005,
    ) -> None:
        self._rate = rate
        self._gap_seconds = gap_seconds
        self._largest_correction = largest_correction_seconds
        self._offset: float | None = None
        self._samples = 0
        self._stamps: deque[float] = deque()
        """Of the last half second, at most one in 10 ms."""
        self._earliest: deque[tuple[float, float]] = deque()
        """Of the last half second, stamps and their offsets, ascending in both: what a newer one
        undercuts can never again be the earliest."""

    def skip(self, samples: int) -> None:
        """Note samples that were captured but overwritten before they were read."""
        self._samples += samples

    def push(self, samples: int, stamped_at: float) -> tuple[float, float]:
        """Take the stamp of the next block.

        Args:
            samples: Length of the block.
            stamped_at: When the system says that its first sample was captured, seconds.

        Returns:
            The smoothed time of the first sample, and the seconds of audio missing before it.
        """
        elapsed = self._samples / self._rate
        self._samples += samples
        if self._offset is None:
            self._offset = stamped_at
        offset = stamped_at - elapsed
        while self._earliest and self._earliest[-1][1] >= offset:
            self._earliest.pop()
        self._earliest.append((stamped_at, offset))
        if not self._stamps or stamped_at - self._stamps[-1] >= _STAMPS_SECONDS:
            self._stamps.append(stamped_at)
        while stamped_at - self._earliest[0][0] > _WATCHED_SECONDS:
            self._earliest.popleft()
        while stamped_at - self._stamps[0] > _WATCHED_SECONDS:
            self._stamps.popleft()
        missing = 0.0
        watched = stamped_at - self._stamps[0] > _WATCHED_SECONDS / 2
        behind = self._earliest[0][1] - self._offset
        if behind > self._gap_seconds:
            if watched:
                missing = behind
                self._offset += behind
                self._earliest.clear()
                self._stamps.clear()
        else:
            limit = self._largest_correction
            self._offset += min(max(_TRACKING * behind, -limit), limit)
        return self._offset + elapsed, missing
