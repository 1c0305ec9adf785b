"""What is done when the model cannot keep up: longer hops, then voice activity only, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

__all__ = ["LoadGovernor", "LoadSettings", "LoadState"]

LoadState = Literal["degraded", "voice_only", "recovered"]

_LATE_WINDOWS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """What is done about overload, and when it is undone."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    longest_hop_seconds: Annotated[float, Interval(ge=0.1, le=60)] = 2.0
    """How far apart windows may come to lie."""
    late_seconds: Annotated[float, Interval(ge=0.01, le=60)] = 0.1
    """A window that waits longer for the model is late; three on end are too much work."""
    pressed_seconds: Annotated[float, Interval(ge=0.1, le=600)] = 5.0
    """How long the longest hop is given to help, before only the voice is followed."""
    calm_seconds: Annotated[float, Interval(ge=0.1, le=600)] = 10.0
    """How long nothing must be given up or late before one step is undone."""


class LoadGovernor:
    """Lengthens a stream's hop while windows are given up or late, and shortens it after calm.

    Where even the longest hop does not help, no window is run at all for a while: who speaks and
    when is still told.

    Args:
        hop_seconds: The hop where there is room.
        settings: How far it goes, and how soon.
    """

    def __init__(self, hop_seconds: float, settings: LoadSettings | None = None) -> None:
        self._settings = settings or LoadSettings()
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
        settings = self._settings
        self._late = self._late + 1 if waited_seconds > settings.late_seconds else 0
        if superseded or self._late >= _LATE_WINDOWS:
            self._late = 0
            self.dropped += superseded
            self._changed_at = now
            longer = min(self.hop_seconds * 2, max(settings.longest_hop_seconds, self._normal))
            told_lately = self._degraded and now - self._announced_at < settings.pressed_seconds
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
        if self._pressed_since is not None and now - self._changed_at >= settings.pressed_seconds:
            self._pressed_since = None
        if self._degraded and now - self._changed_at >= settings.calm_seconds:
            self._changed_at = self._announced_at = now
            self.hop_seconds = max(self.hop_seconds / 2, self._normal)
            self._degraded = self.hop_seconds > self._normal
            return "degraded" if self._degraded else "recovered"
        return None

    def tick(self, now: float) -> LoadState | None:
        """Return what has to be announced while no windows come through, if anything."""
        if not self.voice_only or now - self._changed_at < self._settings.calm_seconds:
            return None
        self.voice_only = False
        self._pressed_since = None
        self._changed_at = self._announced_at = now
        return "degraded"

    def announce(self) -> int:
        """Return how many windows were given up since the last announcement."""
        dropped, self.dropped = self.dropped, 0
        return dropped
