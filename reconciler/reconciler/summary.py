"""What one run did, in one line for people and one for machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from reconciler.settings import Pipe


@dataclass
class Summary:
    """The counts of one run.

    Attributes:
        pipe: The run's pipe.
        part: The streams or the shard that it was for, where others were for the rest.
        read: Records that the tap delivered.
        changed: Those of them that are new or differ from what the ledger held.
        paired: Pairs made.
        name_mismatches: Those of them, made by phone, of people with different full names.
        created: Creates emitted.
        updated: Updates emitted.
        deleted: Deletes emitted.
        confirmed: Earlier writes whose values the tap showed.
        skipped: What takes no part now on the side that was read, by reason.
        conflicts: Conflicts whose loser is on the side that was written to, by resolution.
        unconfirmed: Writes emitted more than once that the tap still does not show.
        seconds: From the start of the run.
    """

    pipe: Pipe
    part: str | None = None
    read: int = 0
    changed: int = 0
    paired: int = 0
    name_mismatches: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    confirmed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    conflicts: Counter[str] = field(default_factory=Counter)
    unconfirmed: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The counts for the machine-readable line and the run history."""
        return {
            "pipe": self.pipe,
            **({"part": self.part} if self.part else {}),
            "read": self.read,
            "changed": self.changed,
            "paired": self.paired,
            **({"name_mismatches": self.name_mismatches} if self.name_mismatches else {}),
            "created": self.created,
            "updated": self.updated,
            "deleted": self.deleted,
            "confirmed": self.confirmed,
            "skipped": self.skipped,
            "conflicts": dict(sorted(self.conflicts.items())),
            "unconfirmed": self.unconfirmed,
            "seconds": round(self.seconds, 1),
        }

    def as_line(self) -> str:
        """The counts for people."""
        parts = [
            f"{value:,} {name}"
            for name, value in self.as_dict().items()
            if isinstance(value, int) and (value or name in {"read", "changed"})
        ]
        for name, counts in (("skipped", self.skipped), ("conflicts", self.conflicts)):
            if counts:
                detail = ", ".join(f"{count:,} {key}" for key, count in sorted(counts.items()))
                parts.append(f"{sum(counts.values()):,} {name} ({detail})")
        name = f"{self.pipe} {self.part}" if self.part else self.pipe
        return f"{name}: {', '.join(parts)}, {self.seconds:.1f} s"
