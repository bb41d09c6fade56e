"""Commands in messages, as the user who reads them has to type them."""

from __future__ import annotations

import os
from typing import Final

#: Set in every process that Meltano starts.
STARTED_BY_MELTANO: Final = "MELTANO_USER_AGENT"
_ENVIRONMENT: Final = "MELTANO_ENVIRONMENT"


def command(text: str) -> str:
    """One of the operator's commands.

    Args:
        text: Its name and arguments, such as `explain ID`.

    Returns:
        The whole command: through Meltano, in the environment of this process, where Meltano has
        started it (`contact-sync` is then on no PATH); else of `contact-sync` itself.
    """
    if STARTED_BY_MELTANO not in os.environ:
        return f"contact-sync {text}"
    return f"{_meltano()} invoke reconciler:{text}"


def job(*options: str) -> str:
    """The command that runs the job, in the environment of this process.

    Args:
        options: Of `meltano run`, such as `--full-refresh`.
    """
    return " ".join((_meltano(), "run", *options, "contact-sync"))


def _meltano() -> str:
    environment = os.environ.get(_ENVIRONMENT)
    return f"meltano --environment {environment}" if environment else "meltano"
