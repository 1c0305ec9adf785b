"""What is answered to a client that asks for what there is not."""

from __future__ import annotations

from affectd.engine.protocol import ErrorCode

__all__ = ["RequestError"]


class RequestError(ValueError):
    """A client's message is wrong.

    Args:
        code: The stable name of the fault.
        message: For people.
        retry_after: Seconds until another attempt may fare better; 0 where none will.
    """

    def __init__(self, code: ErrorCode, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after

    @property
    def fatal(self) -> bool:
        """Whether the connection ends with it."""
        return self.code is ErrorCode.TOO_FAST
