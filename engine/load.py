"""What is done when the model cannot keep up: longer hops, announced, and undone after calm."""

from __future__ import annotations

from typing import Literal

__all__ = ["LoadGovernor"]

_LONGEST_HOP_SECONDS = 2.0
_CALM_SECONDS = 10.0
_REPEATED_SECONDS = 5.0


class LoadGovernor:
    """Lengthens a stream's hop while windows are given up, and shortens it again after calm.

    Args:
        hop_seconds: The hop where there is room.
    """

    def __init__(self, hop_seconds: float) -> None:
        self._normal = hop_seconds
        self.hop_seconds = hop_seconds
        """The hop to use now."""
        self.dropped = 0
        """Windows given up since the last change of state."""
        self._degraded = False
        self._changed_at = 0.0
        self._announced_at = 0.0

    def window(self, superseded: int, now: float) -> Literal["degraded", "recovered"] | None:
        """Note that a window came through.

        Args:
            superseded: Older ones that were given up for it.
            now: Seconds of the engine's clock.

        Returns:
            What has to be announced, if anything: every change of the hop, and every few seconds
            that windows are still given up although it cannot get longer.
        """
        if superseded:
            self.dropped += superseded
            self._changed_at = now
            longer = min(self.hop_seconds * 2, max(_LONGEST_HOP_SECONDS, self._normal))
            told_lately = self._degraded and now - self._announced_at < _REPEATED_SECONDS
            if longer == self.hop_seconds and told_lately:
                return None
            self.hop_seconds = longer
            self._degraded = True
            self._announced_at = now
            return "degraded"
        if self._degraded and now - self._changed_at >= _CALM_SECONDS:
            self._changed_at = self._announced_at = now
            self.hop_seconds = max(self.hop_seconds / 2, self._normal)
            self._degraded = self.hop_seconds > self._normal
            return "degraded" if self._degraded else "recovered"
        return None

    def announce(self) -> int:
        """Return how many windows were given up since the last announcement."""
        dropped, self.dropped = self.dropped, 0
        return dropped
