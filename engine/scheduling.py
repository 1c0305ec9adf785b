"""Which windows run next, and how many at once: the most urgent first, and none of them late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Costs", "Waiting", "choose"]


@dataclass(frozen=True, slots=True)
class Costs:
    """How long the model takes, as it was measured when it was warmed up.

    Args:
        seconds: Of one run, by the frames of a window and the windows of a batch. Every number of
            frames has the same sizes of batches, 1 among them.
        mixed: Whether windows of different lengths share a batch, padded to the same frames.
    """

    seconds: Mapping[int, Mapping[int, float]]
    mixed: bool = False

    def frames(self, needed: int) -> int:
        """Return the number of frames that a window of this length is run with."""
        return next(frames for frames in sorted(self.seconds) if frames >= needed)

    def window_seconds(self) -> float:
        """Return what a window of full length costs in the batch that is cheapest for it."""
        batches = self.seconds[max(self.seconds)]
        return min(seconds / batch for batch, seconds in batches.items())

    def batch(self, frames: int, waiting: int, slack_seconds: float) -> int:
        """Return how many windows to run at once.

        Args:
            frames: As `frames` returned it.
            waiting: How many there are, at least one.
            slack_seconds: How long the most urgent one may take.

        Returns:
            The largest batch that leaves nobody late; where even one window would be, the one in
            which a window costs least.
        """
        batches = {n: cost for n, cost in self.seconds[frames].items() if n <= waiting}
        in_time = [n for n, cost in batches.items() if cost <= slack_seconds]
        return max(in_time) if in_time else min(batches, key=lambda n: batches[n] / n)


class Waiting(Protocol):
    """What waits for the model."""

    @property
    def frames(self) -> int:
        """Valid frames."""

    @property
    def deadline(self) -> float:
        """When its result is late, in seconds of the engine's clock."""


def choose(waiting: Sequence[Waiting], costs: Costs, now: float) -> list[int]:
    """Return the places of the windows to run next, the most urgent first.

    Those that are not as long as the most urgent one are left for the next run, and where lengths
    are mixed those that need other frames: on a processor a batch of one length needs neither
    padding nor masks, which cost more there than company gains.

    Args:
        waiting: At least one.
        costs: As measured.
        now: Seconds of the engine's clock.
    """
    order = sorted(range(len(waiting)), key=lambda place: waiting[place].deadline)
    urgent = waiting[order[0]]
    frames = costs.frames(urgent.frames)
    alike = [
        place
        for place in order
        if waiting[place].frames == urgent.frames
        or (costs.mixed and costs.frames(waiting[place].frames) == frames)
    ]
    return alike[: costs.batch(frames, len(alike), urgent.deadline - now)]
