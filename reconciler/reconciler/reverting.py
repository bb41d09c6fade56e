"""Undoing a sync in PhoneIQ: what it created goes, what it wrote gets its values back.

Level-triggered like everything else: each run sends what PhoneIQ still shows to be left, so a
revert can be interrupted and run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from reconciler.ledger import Ledger
from reconciler.model import PHONEIQ, Change, Write

#: `delete`: only what the sync created; `restore`: also the values that it has overwritten.
Revert: TypeAlias = Literal["delete", "restore"]


def revert_writes(ledger: Ledger, revert: Revert) -> Iterator[list[Write]]:
    """The writes that are left of a revert, in chunks."""
    ledger.removals.mark_made()
    for contacts in ledger.removals.made():
        yield [Write.delete(PHONEIQ, one.object, one.id) for one in contacts]
    if revert != "restore":
        return
    for contacts in ledger.removals.written():
        yield [
            Write.update(PHONEIQ, one.object, one.id, changes)
            for one in contacts
            if (
                changes := {
                    field: Change(one.fields.get(field), value, "restored", value)
                    for field, value in one.originals.items()
                    if one.fields.get(field) != value
                }
            )
        ]
