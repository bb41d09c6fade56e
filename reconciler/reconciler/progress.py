"""How far a run is: a bar on a terminal, counted lines elsewhere, a note in the ledger."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

logger = logging.getLogger(__name__)

#: Seconds between two notes; a run that is over before the first one leaves none.
_PACE: Final = 2.0


class Progress:
    """Tells how far a run is.

    Args:
        pipe: The run's pipe.
        note: Keeps phase, done and of where other commands find it.
    """

    def __init__(self, pipe: str, note: Callable[[Mapping[str, Any]], None]) -> None:
        self._pipe = pipe
        self._note = note
        self._phase = ""
        self._began = self._told = time.monotonic()
        self._bar: Bar | None = None
        if sys.stderr.isatty():
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()

    def show(self, phase: str, done: int, of: int | None = None) -> None:
        """Tell how much of a phase is done.

        Args:
            phase: What is being done, such as `stored`.
            done: How many are.
            of: How many there are, or None where nobody knows yet.
        """
        moment = time.monotonic()
        if phase != self._phase:
            self._phase, self._began = phase, moment
            if self._bar is not None:
                for task in self._bar.task_ids:
                    self._bar.remove_task(task)
                self._bar.add_task(f"{self._pipe}: {phase}", total=of)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=of)
        if moment - self._told < _PACE:
            return
        self._told = moment
        self._note({"phase": phase, "done": done, "of": of})
        if self._bar is None:
            left = _left(moment - self._began, done, of)
            whole = f" of {of:,}" if of else ""
            logger.info("%s: %s%s %s%s", self._pipe, f"{done:,}", whole, phase, left)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


def _left(seconds: float, done: int, of: int | None) -> str:
    """An estimate, in words."""
    if not of or not done or done >= of:
        return ""
    left = seconds * (of - done) / done
    return f", about {left / 60:.0f} min left" if left >= 90 else f", about {left:.0f} s left"
