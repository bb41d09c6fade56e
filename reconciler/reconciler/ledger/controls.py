"""What the operator has asked for, and what the ledger remembers about itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import bindparam, delete, select

from reconciler.ledger.database import Database, read_meta
from reconciler.ledger.rows import from_json, to_json
from reconciler.ledger.sets import put_rows
from reconciler.ledger.tables import meta

#: `fingerprint` and `settings`: those that the ledger was last planned with. `active_since`: when
#: the first pass over both sides was confirmed. `paused_at`, `deleted_at`: when the operator asked
#: for it. `planned`: by side, the `rules_fingerprint` of the last plan that was handed out
#: completely. `revert`: `delete` or `restore` while a revert is under way. `approved`: the plan
#: that the next run has to stick to. `told`: the colour that a notification was last sent of.
Control: TypeAlias = Literal[
    "fingerprint",
    "settings",
    "active_since",
    "planned",
    "paused_at",
    "deleted_at",
    "revert",
    "approved",
    "told",
]

_VALUE: Final = select(meta.c.value).where(meta.c.key == bindparam("name"))


class Controls:
    """Named values that outlive a run.

    Args:
        database: The open ledger database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: Control) -> Any:
        """A value, or None where it is not set."""
        with self._database.reading() as connection:
            value = connection.scalar(_VALUE, {"name": name})
        return None if value is None else from_json(value)

    def read(self, *names: Control) -> dict[Control, Any]:
        """Values as of one moment, each None where it is not set."""
        with self._database.reading() as connection:
            held = read_meta(connection)
        return {name: from_json(held[name]) if name in held else None for name in names}

    def set(self, values: Mapping[Control, Any]) -> None:
        """Set values together; None takes one away."""
        with self._database.transaction() as connection:
            gone = [name for name, value in values.items() if value is None]
            if gone:
                connection.execute(delete(meta).where(meta.c.key.in_(gone)))
            put_rows(
                connection,
                meta,
                [
                    {"key": name, "value": to_json(value)}
                    # In one order, for workers that set the same values at the same time.
                    for name, value in sorted(values.items())
                    if value is not None
                ],
            )
