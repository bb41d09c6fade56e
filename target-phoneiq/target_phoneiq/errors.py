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
