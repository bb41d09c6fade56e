"""Statements over many rows use the indexes that are there."""

from __future__ import annotations

import pytest
from reconciler.ledger.database import Database
from reconciler.ledger.sets import among
from reconciler.ledger.tables import records
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
