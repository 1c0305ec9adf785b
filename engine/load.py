"""What is done when the model cannot keep up: longer hops, announced, and undone after calm."""

from __future__ import annotations

from typing import Literal

__all__ = ["LoadGovernor"]

_LONGEST_HOP_SECONDS = 2.0
_CALM_SECONDS = 10.0


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
        self._changed_at = 0.0

    def window(self, superseded: int, now: float) -> Literal["degraded", "recovered"] | None:
        """Note that a window came through.

        Args:
            superseded: Older ones that were given up for it.
            now: Seconds of the engine's clock.

        Returns:
            The change of state that has to be announced, if any.
        """
        if superseded:
            self.dropped += superseded
            self._changed_at = now
            longer = min(self.hop_seconds * 2, max(_LONGEST_HOP_SECONDS, self._normal))
            if longer == self.hop_seconds:
                return None
            self.hop_seconds = longer
            return "degraded"
        if self.hop_seconds > self._normal and now - self._changed_at >= _CALM_SECONDS:
            self._changed_at = now
            self.hop_seconds = max(self.hop_seconds / 2, self._normal)
            if self.hop_seconds == self._normal:
                return "recovered"
        return None

    def announce(self) -> int:
        """Return how many windows were given up since the last announcement."""
        dropped, self.dropped = self.dropped, 0
        return dropped
