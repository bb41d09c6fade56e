"""What is SQLite's own: a file of the owner's, and one writer at a time."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from reconciler.errors import LedgerError

logger = logging.getLogger(__name__)

#: Seconds that one process waits for the others before it gives up, and between two tries.
_PATIENCE: Final = 30.0
_PAUSE: Final = 0.01
#: Permissions of others than a file's owner.
_OTHERS: Final = 0o077


def make_engine(url: URL) -> Engine:
    """An engine whose connections wait for each other; a missing file is made.

    Raises:
        LedgerError: The file cannot be made.
    """
    path = Path(url.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A file that is there is not opened: to close it would end the locks that other
        # connections of this process have on it (https://sqlite.org/howtocorrupt.html, 2.2).
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise LedgerError(f"the ledger cannot be opened: {error}") from None
    _keep_private(path)
    # The connection that was used last: its cache holds what comes next, while each commit empties
    # the caches of all others.
    engine = create_engine(url, hide_parameters=True, pool_use_lifo=True)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # SQLAlchemy says BEGIN itself: the driver's own would leave reads outside.
        connection.isolation_level = None
        cursor = connection.cursor()
        _write_ahead(cursor)
        for pragma in (
            "synchronous = NORMAL",
            f"busy_timeout = {_PATIENCE * 1000:.0f}",
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


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Let readers and a writer work at the same time.

    A file that is new may be opened by several in one moment. SQLite then refuses to change its
    journal mode at once: its busy timeout does not count there.
    """
    last = time.monotonic() + _PATIENCE
    while not _has_changed_mode(cursor, may_fail=time.monotonic() < last):
        time.sleep(_PAUSE)


def _has_changed_mode(cursor: sqlite3.Cursor, *, may_fail: bool) -> bool:
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if may_fail and "locked" in str(error):
            return False
        raise
    return True


def _keep_private(path: Path) -> None:
    """Let only the owner read the ledger's files: one that was put back may have lost its mode."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        file = path.with_name(path.name + suffix)
        try:
            found = file.stat()
            if not found.st_mode & _OTHERS:
                continue
            if found.st_uid == os.geteuid():
                file.chmod(0o600)
                continue
        except OSError:
            continue
        logger.warning(
            "others can read %s, which holds people's data, and it is not ours to change: let its "
            "owner type chmod 600",
            file,
        )


def for_writing(engine: Engine) -> Engine:
    """The engine of transactions that write."""
    return engine.execution_options(writes=True)


def for_reading(engine: Engine) -> Engine:
    """The engine of transactions that read; a transaction of SQLite sees one moment."""
    return engine


def named(url: URL) -> str:
    """Where the ledger is, for people to read."""
    return f"at {url.database}"


def is_absent(url: URL) -> bool:
    """Whether there is certainly no ledger."""
    return not Path(url.database or "").is_file()


#: Errors that say nothing of what is stored.
_HARMLESS: Final = re.compile(
    "database (table )?is locked|database schema is locked|disk I/O error|database or disk is full|"
    "attempt to write a readonly database|unable to open database file|out of memory|"
    "locking protocol|access permission denied|no such (table|column): [a-z_.]+"
)
_DAMAGE: Final = re.compile(
    "database disk image is malformed|file is not a database|malformed database schema|"
    "Could not decode to UTF-8"
)


def backup_folder(url: URL) -> Path:
    """Where backups go unless the operator says otherwise."""
    return Path(url.database or "").parent / "backups"


def said(error: DBAPIError) -> str:
    """What an error says, without anybody's data: some repeat the value that they are about."""
    found = _HARMLESS.match(str(error.orig))
    return found[0] if found else f"SQLite's {type(error.orig).__name__}"


def damage(error: DBAPIError) -> str | None:
    """What is wrong with the file, or None where an error says nothing of the kind."""
    found = _DAMAGE.match(str(error.orig))
    if found is None:
        return None
    if found[0] == "file is not a database":
        return "its file is no SQLite database"
    return "SQLite cannot read all of its file"


def copy_to(engine: Engine, path: Path) -> None:
    """Copy the file as of this moment, page by page, to a new one of the owner's own."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    source, target = engine.raw_connection(), sqlite3.connect(path)
    try:
        driver: Any = source.driver_connection
        driver.backup(target)
    except sqlite3.Error as error:
        raise DBAPIError(None, None, error) from error
    finally:
        target.close()
        source.close()


def take_statistics(engine: Engine) -> None:
    """Do nothing: SQLite's plans do not depend on how many rows there are."""


def shred(engine: Engine) -> None:
    """Write the file anew without what was deleted, and empty the log beside it.

    Raises:
        LedgerError: Someone else reads the ledger right now.
    """
    try:
        with engine.connect() as connection:
            connection.connection.cursor().execute("VACUUM")
            connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except DBAPIError as error:
        raise LedgerError(
            "everything is deleted, but traces may be left in the ledger's file: it cannot be "
            f"written anew ({said(error)}). Once nobody else reads it: sqlite3 FILE VACUUM"
        ) from None
