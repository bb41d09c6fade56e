"""The sandbox's clock: real time, moved by whoever wants to see tomorrow."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone


class Clock:
    """Time in the sandbox. It runs as real time does, from wherever it was moved to."""

    def __init__(self) -> None:
        self._offset = timedelta(0)

    def now(self) -> datetime:
        """Return the sandbox's time in UTC, with microseconds."""
        return datetime.now(timezone.utc) + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock by `seconds` (a negative number moves it back)."""
        self._offset += timedelta(seconds=seconds)

    def set(self, moment: datetime) -> None:
        """Move the clock to `moment`, which must have a time zone."""
        self._offset = moment - datetime.now(timezone.utc)

    def reset(self) -> None:
        """Go back to real time."""
        self._offset = timedelta(0)


def rfc3339(moment: datetime) -> str:
    """Write a time, which must be in UTC, with microseconds and a `Z`."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
