"""What is PostgreSQL's own: a server that several hosts share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, Table, create_engine, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.schema import CreateIndex

from reconciler.errors import LedgerError
from reconciler.ledger import sqlite
from reconciler.ledger.sets import insert_rows
from reconciler.ledger.tables import LATE_INDEXES, metadata, pairs, phone_numbers, records, writes

#: What libpq is told unless the URL says otherwise. A server that is gone is noticed within a
#: minute, instead of within two hours. Nothing of a session outlives a transaction, so that a
#: pooler may stand in between.
_OPTIONS: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "application_name": "contact-sync",
}

#: Tables of which the server has to know more than how large they are. Others are read by key.
_PLANNED: Final = (records, phone_numbers, pairs, writes)
#: Rows that are copied at a time.
_COPIED: Final = 10_000


def make_engine(url: URL) -> Engine:
    """An engine for a database that is there; its tables need not be.

    Raises:
        LedgerError: psycopg is not installed, or the URL has parts that nobody knows.
    """
    options = {name: value for name, value in _OPTIONS.items() if name not in url.query}
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            hide_parameters=True,
            connect_args={**options, "prepare_threshold": None},
        )
    except ImportError:
        raise LedgerError(
            "a ledger on PostgreSQL needs psycopg: install contact-sync-reconciler[postgresql] "
            "(in meltano.yml: the mapper's pip_url)"
        ) from None
    except ArgumentError as error:
        raise LedgerError(f"the ledger cannot be opened: {error}") from None


def for_writing(engine: Engine) -> Engine:
    """The engine of transactions that write.

    Only who holds the lease writes records, and each commit holds the lease's row: nothing has to
    be stricter than READ COMMITTED.
    """
    return engine.execution_options(isolation_level="READ COMMITTED")


def for_reading(engine: Engine) -> Engine:
    """The engine of transactions that read, each as of one moment."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def named(url: URL) -> str:
    """Where the ledger is, for people to read."""
    return f"in database {url.database or url.username} on {url.host or 'this host'}"


def is_absent(url: URL) -> bool:  # noqa: ARG001
    """Whether there is certainly no ledger: only the server knows."""
    return False


#: Classes of SQLSTATE whose messages may repeat a value: data exceptions, constraints.
_WITH_VALUES: Final = ("22", "23")
#: SQLSTATEs of damaged tables and indexes.
_DAMAGED: Final = frozenset({"XX001", "XX002"})


def backup_folder(url: URL) -> Path:  # noqa: ARG001
    """Where backups go unless the operator says otherwise: into the folder of the project."""
    return Path("backups")


def said(error: DBAPIError) -> str:
    """What an error says, without anybody's data: that is in its details, and in some messages."""
    state = getattr(error.orig, "sqlstate", None)
    if state is not None and state.startswith(_WITH_VALUES):
        return f"the server refused a value (SQLSTATE {state})"
    primary = getattr(getattr(error.orig, "diag", None), "message_primary", None)
    return str(primary or error.orig)


def damage(error: DBAPIError) -> str | None:
    """What is wrong with the database, or None where an error says nothing of the kind."""
    if getattr(error.orig, "sqlstate", None) in _DAMAGED:
        return "the server cannot read all of its tables"
    return None


def copy_to(engine: Engine, path: Path) -> None:
    """Copy the tables row by row, as of this moment, to a new SQLite file."""
    target = sqlite.make_engine(make_url(f"sqlite:///{path}"))
    try:
        with (
            for_reading(engine).connect() as source,
            sqlite.for_writing(target).begin() as connection,
        ):
            metadata.create_all(connection)
            for table in metadata.sorted_tables:
                names = [column.name for column in table.columns]
                found = source.execution_options(yield_per=_COPIED).execute(select(table))
                for rows in found.partitions():
                    insert_rows(connection, table, names, [tuple(row) for row in rows])
            for index in LATE_INDEXES:
                connection.execute(CreateIndex(index))
    finally:
        target.dispose()


def take_statistics(engine: Engine) -> None:
    """Count rows and values: else the server takes tables that were just filled for empty."""
    with for_writing(engine).begin() as connection:
        connection.exec_driver_sql(f"ANALYZE {_names(engine, _PLANNED)}")


def shred(engine: Engine) -> None:
    """Let the server clear the space of what was deleted.

    What it has written to its log, to backups and to standby servers is out of reach.

    Raises:
        LedgerError: It does not let us.
    """
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"VACUUM {_names(engine, metadata.sorted_tables)}")
    except DBAPIError as error:
        raise LedgerError(
            "everything is deleted, but traces may be left in the database's files until it is "
            f"vacuumed, which was refused: {said(error)}"
        ) from None


def _names(engine: Engine, tables: Iterable[Table]) -> str:
    quote = engine.dialect.identifier_preparer.quote
    return ", ".join(quote(table.name) for table in tables)
