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
        note: Keeps the arguments of `said` where other commands find them.
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
                # Standard output is the pipe's.
                redirect_stdout=False,
                redirect_stderr=False,
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
        left = _left(moment - self._began, done, of)
        self._note({"phase": phase, "done": done, "of": of, "seconds_left": left})
        if self._bar is None:
            logger.info("%s: %s", self._pipe, said(phase, done, of, left))

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


def said(phase: str, done: int, of: int | None, seconds_left: int | None) -> str:
    """How far a run is, in words."""
    whole = f"{done:,} of {of:,} {phase}" if of else f"{done:,} {phase}"
    if seconds_left is None:
        return whole
    if seconds_left >= 90:
        return f"{whole}, about {seconds_left / 60:.0f} min left"
    return f"{whole}, about {seconds_left} s left"


def _left(seconds: float, done: int, of: int | None) -> int | None:
    """An estimate, or None where there is nothing to go by."""
    if not of or not done or done >= of:
        return None
    return round(seconds * (of - done) / done)
