"""The records of the sandbox's Salesforce, in one SQLite file.

One table an object, one column a field that is not compound, the number of the record as primary
key. One connection behind one lock: the API, the admin calls and the loader can share a store from
any thread, and memory stays flat whatever the number of records.
"""

from __future__ import annotations

# ruff: noqa: S608  Names in statements come from the schema, values are always parameters.
import json
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from sandbox.salesforce import ids
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.loading import Loader
from sandbox.salesforce.records import parse_json, record_number, render
from sandbox.salesforce.rows import Rows, matching
from sandbox.salesforce.schema import ACCOUNT, Field, SObject, find_object
from sandbox.salesforce.tables import LAYOUT, create_tables, drop_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from os import PathLike

# Aliases, because inside the store `list` is the call that lists records.
Row = tuple[Any, ...]
RowList = list[Row]
RecordList = list[dict[str, Any]]


class ResetError(Exception):
    """The records that a piece of work was about are gone: the store was reset meanwhile."""


class Clock(Protocol):
    """What the store needs of the sandbox's clock."""

    def now(self) -> datetime:
        """Return the sandbox's present time, in UTC."""
        ...


class SalesforceStore:
    """Contacts, Leads and Accounts as Salesforce keeps them.

    Field values go in and come out as the REST API has them (ids of 18 characters, datetimes as
    text, compound addresses as objects). A database that exists is opened as it is.

    Args:
        path: The SQLite file.
        clock: Gives the time that changes carry, whole seconds.

    Raises:
        sqlite3.DatabaseError: The file is no such database, or of another version of the sandbox.
    """

    def __init__(self, path: str | PathLike[str], clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._resets = 0
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA cache_size = -32768")
        (layout,) = self._db.execute("PRAGMA user_version").fetchone()
        if layout == 0:
            with self._transaction():
                create_tables(self._db)
        elif layout != LAYOUT:
            self._db.close()
            raise sqlite3.DatabaseError(f"{path} is of another version of the sandbox")

    # For tests, demos and the admin API

    def create(self, name: str, fields: Mapping[str, Any]) -> str:
        """Create a record by the API's rules and return its id.

        Raises:
            SalesforceError: Salesforce would refuse it.
        """
        sobject = find_object(name)
        values = parse_json(sobject, fields)
        with self.writing() as rows:
            return ids.make(sobject.name, rows.insert(sobject, values))

    def edit(self, name: str, record_id: str, fields: Mapping[str, Any]) -> None:
        """Change fields of a record by the API's rules.

        Raises:
            SalesforceError: Salesforce would refuse it.
        """
        sobject = find_object(name)
        values = parse_json(sobject, fields)
        with self.writing() as rows:
            rows.update(sobject, record_number(sobject, record_id), values)

    def delete(self, name: str, record_id: str) -> None:
        """Move a record to the recycle bin, where only queryAll sees it.

        Raises:
            SalesforceError: Salesforce would refuse it.
        """
        sobject = find_object(name)
        with self.writing() as rows:
            rows.delete(sobject, record_number(sobject, record_id))

    def get(self, name: str, record_id: str) -> dict[str, Any]:
        """Return all fields of a record, deleted or not.

        Raises:
            SalesforceError: NOT_FOUND where there is no such record.
        """
        sobject = find_object(name)
        found = self.fetch(sobject, [record_number(sobject, record_id)])
        if not found:
            raise SalesforceError("NOT_FOUND", "The requested resource does not exist")
        return render(sobject, found[0])

    def list(
        self,
        name: str,
        *,
        include_deleted: bool = False,
        limit: int | None = None,
        after_id: str | None = None,
    ) -> RecordList:
        """Return records with all fields, in the order of their ids.

        Args:
            name: The object.
            include_deleted: With those in the recycle bin.
            limit: At most so many; None for all.
            after_id: Only those after this one.

        Raises:
            SalesforceError: The object or the id is none.
        """
        sobject = find_object(name)
        after = record_number(sobject, after_id) if after_id else 0
        alive = "" if include_deleted else " AND IsDeleted = 0"
        found = self.read(
            f"SELECT {_columns(sobject)} FROM {sobject.name} WHERE Id > ?{alive}"
            " ORDER BY Id LIMIT ?",
            (after, -1 if limit is None else limit),
        )
        return [render(sobject, row) for row in found]

    def count(self, name: str, *, include_deleted: bool = False) -> int:
        """Return how many records an object has."""
        where = "" if include_deleted else " WHERE IsDeleted = 0"
        ((number,),) = self.read(f"SELECT COUNT(*) FROM {find_object(name).name}{where}")
        return int(number)

    def merge(self, name: str, winner: str, losers: Sequence[str]) -> None:
        """Merge one or two records into another; they end as deleted, with its id as master.

        Raises:
            SalesforceError: Salesforce would refuse it.
        """
        sobject = find_object(name)
        numbers = [record_number(sobject, each) for each in (winner, *losers)]
        with self.writing() as rows:
            rows.merge(sobject, numbers[0], numbers[1:])

    def convert(self, lead_id: str, account_id: str | None = None) -> dict[str, str]:
        """Convert a Lead into a Contact, and an Account where none is given.

        Returns:
            ``contact_id`` and ``account_id``.

        Raises:
            SalesforceError: Salesforce would refuse it.
        """
        lead = record_number(find_object("Lead"), lead_id)
        account = record_number(ACCOUNT, account_id) if account_id else None
        with self.writing() as rows:
            contact, account = rows.convert(lead, account)
        return {
            "contact_id": ids.make("Contact", contact),
            "account_id": ids.make("Account", account),
        }

    def reset(self) -> None:
        """Delete everything; the next ids are the first ones again."""
        with self._lock, self._transaction():
            self._resets += 1
            drop_tables(self._db)
            create_tables(self._db)

    def load(self, name: str, records: Iterable[Mapping[str, Any]]) -> int:
        """Add many records as given, fast and past the rules, and return how many.

        Read-only fields may be set: ``IsDeleted``, ``CreatedDate``, ``SystemModstamp``,
        ``IsConverted`` and so on. ``Id`` may be too (`ids.make` gives one); without it the records
        get the next free ids in order. Dates that are absent are the clock's. An Account
        with ``IsPersonAccount`` gets its shadow Contact, with the next free Contact id.

        Args:
            name: The object.
            records: The records' fields by API name; consumed as it goes.

        Raises:
            SalesforceError: A value is too long or of the wrong type.
            KeyError: The object has no such field.
            sqlite3.IntegrityError: An id or a unique value is there already.
        """
        sobject = find_object(name)
        with self._lock, self._transaction():
            return Loader(self._db, self.now()).load(sobject, records)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # For the API

    @property
    def resets(self) -> int:
        """How often the store was reset: long work remembers it and hands it to `writing`."""
        return self._resets

    @contextmanager
    def writing(self, *, resets: int | None = None) -> Iterator[Rows]:
        """Open a transaction for record changes; an exception undoes all of it.

        Args:
            resets: What `resets` was when the work began, for work of many transactions.

        Raises:
            ResetError: The store was reset since.
        """
        with self._lock, self._transaction():
            if resets is not None and resets != self._resets:
                raise ResetError
            yield Rows(self._db, self.now())

    def now(self) -> int:
        """Return the clock's time in whole seconds since 1970."""
        return int(self._clock.now().timestamp())

    def read(self, statement: str, parameters: Sequence[Any] = ()) -> RowList:
        """Return the rows of a SELECT."""
        with self._lock:
            return self._db.execute(statement, parameters).fetchall()

    def stream(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """Yield the rows of a SELECT without holding them all; nobody else is served meanwhile."""
        with self._lock:
            yield from self._db.execute(statement, parameters)

    def fetch(self, sobject: SObject, numbers: Sequence[int]) -> RowList:
        """Return the columns of records, in the order of `SObject.columns` and of the numbers."""
        return self.read(
            f"SELECT {_columns(sobject, 'record.')} FROM json_each(?) AS page"
            f" CROSS JOIN {sobject.name} AS record ON record.Id = page.value ORDER BY page.key",
            (json.dumps(list(numbers)),),
        )

    def matching(self, sobject: SObject, field: Field, value: Any) -> Sequence[int]:
        """Return the numbers of the records, not deleted, with a value in an external id field."""
        with self._lock:
            return matching(self._db, sobject, field, value)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _columns(sobject: SObject, prefix: str = "") -> str:
    return ", ".join(prefix + field.name for field in sobject.columns)
