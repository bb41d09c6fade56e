"""A run in which nothing has changed: it asks little of the ledger, and waits for nobody."""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import closing

import pytest
from reconciler.errors import LedgerError
from reconciler.ledger import Ledger
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.reconciler.job import PIPES

#: Without a look at whether there is anything to plan it would be twice as many.
FEW = 30


@contextlib.contextmanager
def statements():
    """The statements that are executed, but for those that begin a transaction."""
    executed: list[str] = []

    def note(_connection, _cursor, statement, *_):
        if not statement.startswith("BEGIN"):
            executed.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("pipe", PIPES)
def test_where_nothing_has_changed_few_statements_say_so(job, pipe):
    job.pair_up()
    job.settle()
    with statements() as executed:
        assert job.pipe(pipe).code == 0
    assert 0 < len(executed) <= FEW


@pytest.mark.sqlite_only
def test_a_ledger_is_opened_while_another_one_writes(job):
    job.pair_up()
    with closing(sqlite3.connect(job.ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(Ledger(job.ledger_url)) as ledger:
            assert ledger.pairs.count() == 1


@pytest.mark.sqlite_only
def test_a_table_that_an_older_ledger_lacks_is_made(job):
    job.pair_up()
    with closing(sqlite3.connect(job.ledger, isolation_level=None)) as other:
        other.execute("DROP TABLE approved")
        other.execute("UPDATE meta SET value = 'meta records' WHERE key = 'tables'")
    with closing(Ledger(job.ledger_url)) as ledger:
        assert ledger.approvals.left("phoneiq") == []
        assert ledger.pairs.count() == 1


@pytest.mark.sqlite_only
def test_a_lease_that_cannot_be_written_is_one_error(job):
    job.pair_up()
    with closing(Ledger(job.ledger_url)) as ledger:
        with closing(sqlite3.connect(job.ledger, isolation_level=None)) as other:
            other.execute("DROP TABLE lease")
        with pytest.raises(LedgerError, match="the ledger cannot be written"):
            ledger.alone("someone").__enter__()
