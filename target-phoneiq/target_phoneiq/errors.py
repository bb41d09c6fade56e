"""How the target ends when it cannot go on."""

from __future__ import annotations

import logging
from typing import IO, Any

import click


class StopError(click.ClickException):
    """Ends the target with one logged message and exit code 1, wherever it is raised."""

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002
        """Log the message."""
        logging.getLogger("target-phoneiq").error(self.message)


class InputError(StopError):
    """A message of the input breaks the rules of Singer, or asks for what cannot be done."""


class SignalError(StopError):
    """Ends the target where a signal asks for it, with the signal's exit code."""

    def __init__(self, signum: int) -> None:
        """Say it.

        Args:
            signum: The signal.
        """
        super().__init__(f"stopped by signal {signum}; what is not confirmed comes again")
        self.exit_code = 128 + signum  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002
        """Log the message: nothing is wrong."""
        logging.getLogger("target-phoneiq").warning(self.message)
