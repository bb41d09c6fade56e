"""When a write that does not arrive is parked."""

from __future__ import annotations

from typing import Final

#: A write that its side has refused in so many runs is parked.
RUNS_TRIED: Final = 3


def is_parked(refused: int, *, was_delivered: bool) -> bool:
    """Whether a write that its side does not show is not sent again.

    Args:
        refused: Earlier runs whose writes were delivered and did not show it.
        was_delivered: Whether those of the last run that sent it were delivered. A target that
            crashed says nothing about what its side accepts.
    """
    return refused + was_delivered >= RUNS_TRIED
