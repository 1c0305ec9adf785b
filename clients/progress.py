"""How far a client has come in a stream: what it has, and from where it would go on."""

from __future__ import annotations

__all__ = ["Progress"]

_REMEMBERED = 1024


class Progress:
    """Which events of one stream were received.

    Events are numbered without a hole, but a client does not get all of them: provisional ones
    are not sent again after a loss. So there is a mark up to which nothing final is missing, and
    a bounded set of what came beyond it. Events that are sent again may follow newer ones.

    Args:
        first: Number of the first event received; what was before it is not asked for.
    """

    def __init__(self, first: int) -> None:
        self.mark = first - 1
        """Every final event up to this number was received, or came before the client did."""
        self._beyond: set[int] = set()

    def take(self, seq: int) -> bool:
        """Note an event, and return whether it is new."""
        if seq <= self.mark or seq in self._beyond:
            return False
        self._beyond.add(seq)
        if len(self._beyond) > _REMEMBERED:
            # More than any daemon keeps: what is missing before it cannot be had any more.
            self.mark = min(self._beyond) - 1
        while self.mark + 1 in self._beyond:
            self.mark += 1
            self._beyond.remove(self.mark)
        return True
