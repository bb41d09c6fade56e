"""How a ledger of an older schema version becomes one of the current version.

Each step is a list of statements that SQLite and PostgreSQL both take. Tables that are new need no
statement: whatever is missing is made when the ledger is opened. Steps are never edited once they
are released.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

#: By schema version, the statements that lead to it from the version before.
STEPS: Final[dict[int, tuple[str, ...]]] = {
    4: (
        "ALTER TABLE records ADD COLUMN reference_run INTEGER",
        "ALTER TABLE records ADD COLUMN full_name BOOLEAN NOT NULL DEFAULT FALSE",
        "ALTER TABLE records ADD COLUMN merged_away BOOLEAN NOT NULL DEFAULT FALSE",
        "ALTER TABLE runs ADD COLUMN token TEXT",
        "ALTER TABLE records ADD COLUMN missing BOOLEAN NOT NULL DEFAULT false",
        "ALTER TABLE runs ADD COLUMN batches INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN delivered BOOLEAN DEFAULT false NOT NULL",
        "ALTER TABLE writes ADD COLUMN refused INTEGER DEFAULT 0 NOT NULL",
        "ALTER TABLE writes ADD COLUMN target_row INTEGER",
        "ALTER TABLE writes ADD COLUMN shown TEXT",
        """
        UPDATE writes SET target_row = (
            SELECT phoneiq_row FROM pairs
            WHERE salesforce_row = writes.source_row AND pairs.run <= writes.run
        ) WHERE changes IS NOT NULL
        """,
        """
        UPDATE writes SET target_row = (
            SELECT salesforce_row FROM pairs
            WHERE phoneiq_row = writes.source_row AND pairs.run <= writes.run
        ) WHERE changes IS NOT NULL AND target_row IS NULL
        """,
    ),
}
#: The oldest schema version that can be brought up to date.
OLDEST: Final = min(STEPS) - 1


def migrate(connection: Connection, found: int) -> None:
    """Bring the tables of an older schema version up to date.

    Args:
        connection: The transaction.
        found: The schema version that the ledger has.
    """
    for version in range(found + 1, max(STEPS) + 1):
        for statement in STEPS[version]:
            connection.exec_driver_sql(statement)
