"""One open database: its engine, its identity, its lease and its transactions."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, delete, event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, OperationalError

from reconciler.errors import LedgerError
from reconciler.ledger.lease import Lease
from reconciler.ledger.tables import SCHEMA_VERSION, meta, metadata


class Database:
    """An open ledger database.

    Args:
        url: SQLAlchemy URL. A missing SQLite file is made, readable by its owner only.

    Raises:
        LedgerError: It cannot be opened, or a newer version made it.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._writer = self._engine.execution_options(writes=True)
        self._lease: Lease | None = None
        try:
            with self._writer.begin() as connection:
                meta.create(connection, checkfirst=True)
                self.id = _identify(connection)
                #: What hashes of forgotten records are made with; it moves along with them.
                self.salt = (
                    connection.scalar(select(meta.c.value).where(meta.c.key == "salt")) or self.id
                )
                metadata.create_all(connection)
        except DatabaseError as error:
            raise LedgerError(f"the ledger cannot be opened: {error.orig}") from None

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def copy_to(self, path: Path) -> None:
        """Write a copy of the database, as of this moment, to a new file of the owner's own."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        source = self._engine.raw_connection()
        target = sqlite3.connect(path)
        try:
            driver = source.driver_connection
            if driver is None:
                raise LedgerError("the ledger's connection is gone")
            driver.backup(target)
        finally:
            target.close()
            source.close()

    def keep_salt(self, salt: str) -> None:
        """Go on with another ledger's salt."""
        with self.transaction() as connection:
            connection.execute(delete(meta).where(meta.c.key == "salt"))
            connection.execute(insert(meta).values(key="salt", value=salt))
        self.salt = salt

    def shred(self) -> None:
        """Write the file anew without what was deleted, and empty the log beside it.

        Raises:
            LedgerError: Someone else reads the ledger right now.
        """
        try:
            with self._engine.connect() as connection:
                connection.connection.cursor().execute("VACUUM")
                connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except DatabaseError as error:
            raise LedgerError(
                "everything is deleted, but traces may be left in the ledger's file: it cannot be "
                f"written anew ({error}). Once nobody else reads it: sqlite3 FILE VACUUM"
            ) from None

    @contextmanager
    def lease(self, holder: str) -> Iterator[None]:
        """Hold the ledger for one run.

        Args:
            holder: Who holds it, for people to read.

        Raises:
            LeaseHeldError: Another run holds it.
        """
        with Lease(self._writer, holder) as held:
            self._lease = held
            try:
                yield
            finally:
                self._lease = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Write, as long as this run holds the lease.

        Raises:
            LeaseHeldError: Another run took the lease over; nothing is committed.
            LedgerError: The database cannot be written, for want of space perhaps.
        """
        try:
            with self._writer.begin() as connection:
                if self._lease is not None:
                    self._lease.assert_held(connection)
                yield connection
        except OperationalError as error:
            raise LedgerError(f"the ledger cannot be written: {error.orig}") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read, as of one moment."""
        with self._engine.connect() as connection:
            yield connection


def _identify(connection: Connection) -> str:
    values = {row.key: row.value for row in connection.execute(select(meta))}
    if "ledger_id" not in values:
        values = {"ledger_id": uuid.uuid4().hex, "schema_version": str(SCHEMA_VERSION)}
        connection.execute(
            insert(meta), [{"key": key, "value": value} for key, value in values.items()]
        )
    if int(values["schema_version"]) != SCHEMA_VERSION:
        raise LedgerError(
            f"the ledger has schema version {values['schema_version']}, this reconciler knows "
            f"{SCHEMA_VERSION}: install the newer reconciler that made it"
        )
    return str(values["ledger_id"])


def _engine(url: str) -> Engine:
    """An engine whose connections wait for each other, on a file of the owner's own."""
    path = Path(make_url(url).database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise LedgerError(f"the ledger cannot be opened: {error}") from None
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # SQLAlchemy says BEGIN itself: the driver's own would leave reads outside.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "busy_timeout = 30000",
            "cache_size = -65536",
            "temp_store = FILE",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that will write takes its turn at once: one that has read before it
        # writes fails where another has written in between.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
