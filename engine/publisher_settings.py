"""Limits of those who send audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval

__all__ = ["PublisherSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherSettings:
    """Limits of those who send audio."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    largest_streams: Annotated[int, Interval(ge=0, le=100_000)] = 4_096
    """Published streams at once; with 0 nobody may publish."""
    admission: Literal["measured", "all"] = "measured"
    """Whether a stream beyond what the machine was measured to carry is refused; with ``all`` the
    steps of overload alone look after it."""
    ahead_seconds: Annotated[float, Interval(ge=0.1, le=60)] = 2.0
    """How far ahead of real time audio is taken; beyond that it is left unread."""
    fast_seconds: Annotated[float, Interval(ge=0.1, le=600)] = 10.0
    """Who must be held back for this long without a break is refused."""
    stall_seconds: Annotated[float, Interval(ge=0.1, le=60)] = 1.0
    """Who sends nothing for this long is reported as lost."""
    talking_share: Annotated[float, Interval(ge=0.01, le=1)] = 1.0
    """How much of the time a stream is expected to talk: with less than 1 more streams are let
    in than the machine carries if all talk at once; then `load` is announced."""
    grace_seconds: Annotated[float, Interval(ge=0, le=600)] = 10.0
    """How long a stream waits for its publisher after a loss of the connection."""
