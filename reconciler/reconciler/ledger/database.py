"""One open database: its engine, its identity, its lease and its transactions."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, TypeVar, cast

from sqlalchemy import Connection, insert, inspect, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    NoResultFound,
    OperationalError,
    ProgrammingError,
)

from reconciler.commands import command, job
from reconciler.errors import DamagedLedgerError, LedgerError
from reconciler.ledger import postgresql, sqlite
from reconciler.ledger.lease import Lease
from reconciler.ledger.migrations import OLDEST, migrate
from reconciler.ledger.sets import inserted_rows, put_rows, quick
from reconciler.ledger.tables import SCHEMA_VERSION, counters, meta, metadata

logger = logging.getLogger(__name__)

_Method = TypeVar("_Method", bound=Callable[..., Any])

#: Backups of a ledger that are kept.
KEPT_BACKUPS: Final = 5
#: Whole tries of a transaction that met another worker's.
_TRIES: Final = 5
#: SQLSTATE of a deadlock, and of a transaction that others have overtaken.
_MET_ANOTHER: Final = frozenset({"40P01", "40001"})


def repeatable(method: _Method) -> _Method:
    """Let a method, one transaction, begin again where it met another worker's transaction.

    Whoever waits for rows that the other one has, and has rows that the other one waits for, is
    asked by the database to try again.
    """

    @wraps(method)
    def tried(*args: Any, **options: Any) -> Any:
        for _ in range(_TRIES - 1):
            try:
                return method(*args, **options)
            except LedgerError as error:  # noqa: PERF203
                met = getattr(error.__cause__, "orig", None)
                if getattr(met, "sqlstate", None) not in _MET_ANOTHER:
                    raise
        return method(*args, **options)

    return cast("_Method", tried)


_BACKENDS: Final[dict[str, ModuleType]] = {"sqlite": sqlite, "postgresql": postgresql}
#: The tables that a ledger has once it is made.
_TABLES: Final = " ".join(table.name for table in metadata.sorted_tables)
_META: Final = quick("SELECT key, value FROM meta")
#: New rows after which the database counts its rows again; four times as many after each time.
_GROWN: Final = 20_000


class Database:
    """An open ledger database.

    Args:
        url: SQLAlchemy URL. A missing SQLite file is made, readable by its owner only; a database
            on a server has to be there.
        make: Whether a ledger is made where there is none.

    Raises:
        LedgerError: It cannot be opened, a newer version made it, or there is none.
    """

    def __init__(self, url: str, *, make: bool = True) -> None:
        self._url = make_url(url)
        self._backend = _BACKENDS[self._url.get_backend_name()]
        if not make and self._backend.is_absent(self._url):
            raise self._none()
        self._engine = self._backend.make_engine(self._url)
        self._writer = self._backend.for_writing(self._engine)
        self._reader = self._backend.for_reading(self._engine)
        self._lease: Lease | None = None
        self._grown = 0
        self._enough = _GROWN
        try:
            self._open(make=make)
        except BaseException:
            self.close()
            raise

    def _open(self, *, make: bool) -> None:
        try:
            values = self._read_meta()
            if "ledger_id" not in values and not make:
                raise self._none()
            if values:
                _check_version(values, may_migrate=make)
            if values and _version(values) < SCHEMA_VERSION and self._backend is sqlite:
                # A server has its own backups.
                self.id = values["ledger_id"]
                logger.info(
                    "the ledger is brought up to date; a backup of it as it was: %s",
                    self.back_up(KEPT_BACKUPS),
                )
            if values.get("tables") != _TABLES or _version(values) < SCHEMA_VERSION:
                try:
                    values = self._make()
                except (IntegrityError, ProgrammingError):
                    # Two runs make the same ledger in the same moment; the other one was first.
                    values = self._make()
        except DBAPIError as error:
            raise self._failed("opened", error) from None
        self.id = values["ledger_id"]
        #: What hashes of forgotten records are made with; it moves along with them.
        self.salt = values.get("salt", self.id)
        #: The look-up indexes that it had when it was opened.
        self.indexed = values.get("indexed")

    def _read_meta(self) -> dict[str, str]:
        """What the ledger says about itself; nothing where it is not made yet."""
        with self._reader.connect() as connection:
            try:
                return read_meta(connection)
            except (OperationalError, ProgrammingError):
                if connection.invalidated:
                    raise
                # To ask for the table first would cost more than everything else here.
                connection.rollback()
                return read_meta(connection) if inspect(connection).has_table(meta.name) else {}

    def _make(self) -> dict[str, str]:
        """Make the tables that are missing, and bring those of an older version up to date."""
        with self._writer.begin() as connection:
            there = set(inspect(connection).get_table_names())
            missing = [table for table in metadata.sorted_tables if table.name not in there]
            if meta in missing:
                meta.create(connection)
                missing.remove(meta)
            values = _identified(connection)
            if _version(values) < SCHEMA_VERSION:
                migrate(connection, _version(values))
                values["schema_version"] = str(SCHEMA_VERSION)
                put_rows(
                    connection, meta, [{"key": "schema_version", "value": str(SCHEMA_VERSION)}]
                )
            metadata.create_all(connection, missing, checkfirst=False)
            _count_from_one(connection)
            put_rows(connection, meta, [{"key": "tables", "value": _TABLES}])
        return values

    def _none(self) -> LedgerError:
        return LedgerError(
            f"there is no ledger {self._backend.named(self._url)}; the first run makes it: {job()}"
        )

    def _said(self, error: DBAPIError) -> str:
        """What an error says, without anybody's data and without the password."""
        text = " ".join(str(self._backend.said(error)).split())
        password = self._url.password
        return text.replace(str(password), "***") if password else text

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def copy_to(self, path: Path) -> None:
        """Write a copy of the database, as of this moment, to a new SQLite file.

        Nobody has to wait for it: a reader keeps no writer away. It takes as long as to read all
        tables once.

        Raises:
            LedgerError: There is no space for it, or the database cannot be read any more.
        """
        try:
            self._backend.copy_to(self._engine, path)
        except DBAPIError as error:
            raise self._failed("copied", error) from error

    def back_up(self, keep: int, folder: Path | None = None) -> Path:
        """Write a backup, and remove older ones of this ledger.

        Args:
            keep: How many backups are kept, this one included.
            folder: Where they are; `backups` beside the ledger's file by default.

        Returns:
            The backup, an SQLite ledger that only its owner can read.

        Raises:
            LedgerError: It cannot be written.
        """
        folder = folder or self._backend.backup_folder(self._url)
        moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%fZ")
        path = folder / f"ledger-{self.id[:8]}-{moment}.db"
        unfinished = path.with_suffix(".unfinished")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                self.copy_to(unfinished)
                unfinished.rename(path)
            finally:
                unfinished.unlink(missing_ok=True)
            for old in sorted(folder.glob(f"ledger-{self.id[:8]}-*.db"))[:-keep]:
                old.unlink()
        except OSError as error:
            raise LedgerError(f"a backup cannot be written to {folder}: {error.strerror}") from None
        return path

    def keep_salt(self, salt: str) -> None:
        """Go on with another ledger's salt."""
        with self.transaction() as connection:
            put_rows(connection, meta, [{"key": "salt", "value": salt}])
        self.salt = salt

    def shred(self) -> None:
        """Have what was deleted cleared from the database's files, as far as it can.

        Raises:
            LedgerError: It cannot be done now; says what is left.
        """
        self._backend.shred(self._engine)

    @contextmanager
    def lease(self, holder: str) -> Iterator[Lease]:
        """Hold the ledger, or a share in it, once the lease is taken.

        Args:
            holder: Who holds it, for people to read.
        """
        try:
            with Lease(self._writer, holder) as held:
                self._lease = held
                try:
                    yield held
                finally:
                    self._lease = None
        except DBAPIError as error:
            raise self._unwritable(error) from error

    @property
    def held(self) -> Lease | None:
        """The lease that is held."""
        return self._lease

    def take_numbers(self, name: Literal["row", "layout"], count: int) -> int:
        """Take numbers that no other worker gets.

        Args:
            name: What is numbered.
            count: How many are taken.

        Returns:
            The first of them.
        """
        with self.transaction() as connection:
            first: int = connection.execute(
                update(counters)
                .where(counters.c.name == name)
                .values(next=counters.c.next + count)
                .returning(counters.c.next - count)
            ).scalar_one()
            return first

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Write, as long as this run holds the lease.

        Raises:
            LeaseHeldError: Another run took the lease over; nothing is committed.
            LedgerError: The database cannot be written: it is full, gone, or was written by
                someone else in between.
        """
        try:
            with self._writer.begin() as connection:
                if self._lease is not None and self._lease.is_taken:
                    self._lease.assert_held(connection)
                yield connection
                self._grown += inserted_rows(connection)
            if self._grown >= self._enough:
                self._backend.take_statistics(self._engine)
                self._grown = 0
                self._enough *= 4
        except DBAPIError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: DBAPIError) -> LedgerError:
        return self._failed(
            "written", error, ". Once it can, run the job again: it goes on from what is stored"
        )

    def _failed(self, what: str, error: DBAPIError, advice: str = "") -> LedgerError:
        """What a database error means."""
        damage = self._backend.damage(error)
        if damage is not None:
            return DamagedLedgerError(damage)
        return LedgerError(f"the ledger cannot be {what}: {self._said(error)}{advice}")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read, as of one moment.

        Raises:
            LedgerError: The database cannot be read any more.
        """
        try:
            with self._reader.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise self._failed("read", error) from error
        except NoResultFound as error:
            raise DamagedLedgerError("a row that another one names is not there") from error


def _count_from_one(connection: Connection) -> None:
    known = set(connection.scalars(select(counters.c.name)))
    if new := sorted({"row", "layout"} - known):
        connection.execute(insert(counters), [{"name": name, "next": 1} for name in new])


def read_meta(connection: Connection) -> dict[str, str]:
    """All that the ledger remembers about itself, as it is stored."""
    return {row.key: row.value for row in connection.execute(_META)}


def _identified(connection: Connection) -> dict[str, str]:
    """What the ledger says about itself; a new one gets its name."""
    values = read_meta(connection)
    if "ledger_id" not in values:
        values = {"ledger_id": uuid.uuid4().hex, "schema_version": str(SCHEMA_VERSION)}
        connection.execute(
            insert(meta), [{"key": key, "value": value} for key, value in values.items()]
        )
    _check_version(values, may_migrate=True)
    return values


def _version(values: Mapping[str, str]) -> int:
    try:
        return int(values.get("schema_version", 0))
    except ValueError:
        raise DamagedLedgerError("its schema version is no number") from None


def _check_version(values: Mapping[str, str], *, may_migrate: bool) -> None:
    """Refuse a ledger of a schema version that this reconciler cannot use.

    Raises:
        LedgerError: Names both versions and the way out.
    """
    found = _version(values)
    if found == SCHEMA_VERSION or (may_migrate and OLDEST <= found < SCHEMA_VERSION):
        return
    if found > SCHEMA_VERSION:
        advice = "install the newer reconciler that made it"
    elif found >= OLDEST:
        advice = f"the next run brings it up to date: {job()}"
    else:
        advice = (
            "take the pairs along: export with the older reconciler that made it, then "
            f"{command('import')} with this one, into a ledger_url of its own"
        )
    raise LedgerError(
        f"the ledger has schema version {found}, this reconciler knows {SCHEMA_VERSION}: {advice}"
    )
