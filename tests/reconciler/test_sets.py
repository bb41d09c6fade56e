"""Statements over many rows use the indexes that are there."""

from __future__ import annotations

import pytest
from reconciler.ledger.database import Database
from reconciler.ledger.sets import among, insert_rows, update_rows
from reconciler.ledger.tables import observations, pairs, records, writes
from sqlalchemy import and_, or_, select
from sqlalchemy.dialects import sqlite


@pytest.mark.parametrize(
    "where",
    [
        among(records.c.row, [1, 2]),
        and_(records.c.side == "salesforce", among(records.c.id, ["003", "00Q"])),
        or_(among(records.c.row, [1]), records.c.row == 2),
    ],
)
def test_among_many_values_is_looked_up(tmp_path, where):
    statement = select(records.c.row).where(where).compile(dialect=sqlite.dialect())
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    with database.reading() as connection:
        values = tuple("[]" for _ in statement.params)
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    database.close()
    assert not [step.detail for step in plan if step.detail.startswith("SCAN records")]


_CONTACT = ("salesforce", "Contact", None, False)
_LEAD = ("phoneiq", "Lead", "no_valid_phone", True)


@pytest.mark.parametrize(
    ("table", "columns", "rows"),
    [
        (records, ("side", "object", "skip", "deleted"), [_CONTACT]),
        (records, ("side", "object", "skip", "deleted"), [_CONTACT, _LEAD]),
        (observations, ("body", "numbers", "run"), [(b"\0\xff", b"", 1), (b"\x90", b"a", 2)]),
        (pairs, ("layout", "baseline"), [(None, None), (1, b"\x80")]),
        (writes, ("side", "action", "changes", "stamp"), [("phoneiq", "create", None, None)]),
    ],
)
def test_rows_are_stored_as_they_are_given(tmp_path, table, columns, rows):
    # More than what one statement inserts.
    number = range(1, 151)
    needed = {"name": "", "created_at": "", "layout": 1, "run": 1, "tries": 1, "why": "phone"}
    unique = (
        "id",
        "source_row",
        "salesforce_row",
        "phoneiq_row",
        next(iter(table.primary_key)).name,
    )
    needed = {
        name: value
        for name, value in needed.items()
        if name in set(table.c.keys()).difference(columns)
    }
    named = [name for name in unique if name in table.c]
    given = [rows[at % len(rows)] for at in number]
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    with database.transaction() as connection:
        insert_rows(
            connection,
            table,
            (*columns, *needed, *named),
            [
                (*row, *needed.values(), *(str(at) if name == "id" else at for name in named))
                for at, row in zip(number, given, strict=True)
            ],
        )
        stored = select(*(table.c[name] for name in columns)).order_by(*table.primary_key)
        assert connection.execute(stored).all() == given
        update_rows(
            connection,
            table,
            named[-1],
            columns,
            [(*row, at) for at, row in zip(number, reversed(given), strict=True)],
        )
        assert connection.execute(stored).all() == given[::-1]
    database.close()
