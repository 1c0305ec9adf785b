"""What a person sees of a long run: bars with the time left, and a line per epoch."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["RunProgress"]


class RunProgress:
    """Bars for feature extraction and for one or several training runs; a context manager.

    It observes `affectd.models.training.train`. Where the output is no terminal only lines are
    printed: one per epoch, and one where something that takes a while begins to be made ready.
    Everything goes to standard error.
    """

    def __init__(self) -> None:
        self.console = Console(stderr=True, soft_wrap=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._preparations: dict[str, TaskID] = {}
        self._run: TaskID | None = None
        self._name = "training"
        self._epoch = self._epochs = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self.console.print(line, highlight=False, markup=False)

    def preparing(self, what: str, done: int, of: int) -> None:
        """Show how much is done of something that is made ready: features, an encoder."""
        if what not in self._preparations:
            self._preparations[what] = self._bars.add_task(what, total=of)
            if not self.console.is_terminal and done < of:
                self.say(f"{what}: {of} to be made ready")
        self._bars.update(self._preparations[what], completed=done)
        if done >= of:
            # The next of this name is another one, as features for another front end are.
            del self._preparations[what]

    def run_started(self, name: str) -> None:
        """Begin another run; its bar stands below the others'."""
        self._name, self._run = name, None

    def epoch_started(self, epoch: int, *, epochs: int, steps: int) -> None:
        """Show which epoch runs, counted from 1, of how many, and its number of batches."""
        self._epoch, self._epochs = epoch, epochs
        done = (epoch - 1) * steps
        if self._run is None:
            self._run = self._bars.add_task(self._name, total=epochs * steps, completed=done)
        self._bars.update(self._run, completed=done)

    def batch_done(self, loss: float) -> None:
        """Show one more batch."""
        assert self._run is not None
        description = f"{self._name} epoch {self._epoch}/{self._epochs}, loss {loss:.3f}"
        self._bars.update(self._run, advance=1, description=description)

    def epoch_done(self, figures: Mapping[str, float]) -> None:
        """Print an epoch's figures."""
        shown = "  ".join(f"{name} {value:.2f}" for name, value in figures.items())
        self.say(f"{self._name} epoch {self._epoch}/{self._epochs}: {shown}")
