"""What is done when the model cannot keep up: longer hops, then voice activity only, and back."""

from __future__ import annotations

from typing import Literal

__all__ = ["LoadGovernor", "LoadState"]

LoadState = Literal["degraded", "voice_only", "recovered"]

_LONGEST_HOP_SECONDS = 2.0
_CALM_SECONDS = 10.0
_REPEATED_SECONDS = 5.0
_LATE_SECONDS = 0.1
_LATE_WINDOWS = 3


class LoadGovernor:
    """Lengthens a stream's hop while windows are given up or late, and shortens it after calm.

    Where even the longest hop does not help, no window is run at all for a while: who speaks and
    when is still told.

    Args:
        hop_seconds: The hop where there is room.
    """

    def __init__(self, hop_seconds: float) -> None:
        self._normal = hop_seconds
        self.hop_seconds = hop_seconds
        """The hop to use now."""
        self.dropped = 0
        """Windows given up since the last change of state."""
        self.voice_only = False
        """Whether no windows are to be run now."""
        self._degraded = False
        self._late = 0
        self._pressed_since: float | None = None
        self._changed_at = 0.0
        self._announced_at = 0.0

    def window(
        self, superseded: int, now: float, *, waited_seconds: float = 0.0
    ) -> LoadState | None:
        """Note that a window came through.

        Args:
            superseded: Older ones that were given up for it.
            now: Seconds of the engine's clock.
            waited_seconds: How long it waited for the model. One that waits long is an accident;
                several on end are too much work, and are treated as if windows were given up.

        Returns:
            What has to be announced, if anything: every change of the hop, and every few seconds
            that windows are still given up although it cannot get longer.
        """
        self._late = self._late + 1 if waited_seconds > _LATE_SECONDS else 0
        if superseded or self._late >= _LATE_WINDOWS:
            self._late = 0
            self.dropped += superseded
            self._changed_at = now
            longer = min(self.hop_seconds * 2, max(_LONGEST_HOP_SECONDS, self._normal))
            told_lately = self._degraded and now - self._announced_at < _REPEATED_SECONDS
            if longer == self.hop_seconds and told_lately:
                return None
            if longer == self.hop_seconds and self._pressed_since is not None:
                self.voice_only = True
                self._announced_at = now
                return "voice_only"
            if longer == self.hop_seconds:
                self._pressed_since = now
            self.hop_seconds = longer
            self._degraded = True
            self._announced_at = now
            return "degraded"
        if self._pressed_since is not None and now - self._changed_at >= _REPEATED_SECONDS:
            self._pressed_since = None
        if self._degraded and now - self._changed_at >= _CALM_SECONDS:
            self._changed_at = self._announced_at = now
            self.hop_seconds = max(self.hop_seconds / 2, self._normal)
            self._degraded = self.hop_seconds > self._normal
            return "degraded" if self._degraded else "recovered"
        return None

    def tick(self, now: float) -> LoadState | None:
        """Return what has to be announced while no windows come through, if anything."""
        if not self.voice_only or now - self._changed_at < _CALM_SECONDS:
            return None
        self.voice_only = False
        self._pressed_since = None
        self._changed_at = self._announced_at = now
        return "degraded"

    def announce(self) -> int:
        """Return how many windows were given up since the last announcement."""
        dropped, self.dropped = self.dropped, 0
        return dropped
