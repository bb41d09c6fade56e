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
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from sandbox.salesforce import ids
from sandbox.salesforce.errors import SalesforceError, not_writable
from sandbox.salesforce.rows import Rows, Values, matching
from sandbox.salesforce.schema import (
    ACCOUNT,
    CONTACT,
    OBJECTS,
    PERSON_FIELDS,
    PERSON_RECORD_TYPE,
    Field,
    SObject,
    find_object,
    parse_datetime,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from os import PathLike

# Aliases, because inside the store `list` is the call that lists records.
Row = tuple[Any, ...]
RowList = list[Row]
RecordList = list[dict[str, Any]]
ValueList = list[Any]

LOAD_CHUNK = 10_000
_LAYOUT = 1

_COLUMN_TYPES = {
    **dict.fromkeys(("boolean", "datetime", "reference", "int"), "INTEGER"),
    **dict.fromkeys(("currency", "double"), "REAL"),
}
_FULL_NAME = (
    "TEXT GENERATED ALWAYS AS (TRIM(COALESCE(FirstName, '') || ' ' || COALESCE(LastName, '')))"
    " VIRTUAL"
)


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
        ValueError: The file was written by a version of the sandbox with another layout.
    """

    def __init__(self, path: str | PathLike[str], clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA cache_size = -32768")
        (layout,) = self._db.execute("PRAGMA user_version").fetchone()
        if layout == 0:
            self._create_tables()
        elif layout != _LAYOUT:
            self._db.close()
            raise ValueError(
                f"{path} was written by another version of the sandbox; start with --fresh"
            )

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
        with self._lock:
            for sobject in OBJECTS.values():
                self._db.execute(f"DROP TABLE IF EXISTS {sobject.name}")
            self._create_tables()

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
        source = iter(records)
        loaded = 0
        with self._lock, self._transaction():
            # Indexes built after the rows cost half of what they cost row by row.
            empty = self.count(name, include_deleted=True) == 0
            if empty:
                self._drop_indexes(sobject)
            while chunk := list(islice(source, LOAD_CHUNK)):
                self._load_chunk(sobject, chunk)
                loaded += len(chunk)
            if empty:
                self._create_indexes(sobject)
        return loaded

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # For the API

    @contextmanager
    def writing(self) -> Iterator[Rows]:
        """Open a transaction for record changes; an exception undoes all of it."""
        with self._lock, self._transaction():
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

    # Tables

    def _create_tables(self) -> None:
        with self._transaction():
            for sobject in OBJECTS.values():
                columns = ", ".join(_column(sobject, each) for each in sobject.columns)
                self._db.execute(f"CREATE TABLE {sobject.name} ({columns})")
                self._create_indexes(sobject)
            self._db.execute(f"PRAGMA user_version = {_LAYOUT}")

    def _create_indexes(self, sobject: SObject) -> None:
        for name, unique, column in _indexes(sobject):
            where = ""
            if unique:
                where = f" WHERE {column} IS NOT NULL AND IsDeleted = 0"
            elif column != "SystemModstamp":
                where = f" WHERE {column.partition(' ')[0]} IS NOT NULL"
            self._db.execute(
                f"CREATE {'UNIQUE ' if unique else ''}INDEX {name} ON {sobject.name} ({column})"
                + where
            )

    def _drop_indexes(self, sobject: SObject) -> None:
        for name, _, _ in _indexes(sobject):
            self._db.execute(f"DROP INDEX {name}")

    def _load_chunk(self, sobject: SObject, chunk: Sequence[Mapping[str, Any]]) -> None:
        now = self.now()
        names = {name for record in chunk for name in record} - _made_fields(sobject)
        columns = {
            name: _stored_column(sobject[name], [record.get(name) for record in chunk])
            for name in sorted(names)
        }
        for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
            times = columns.get(name) or [None] * len(chunk)
            columns[name] = [now if time is None else time for time in times]
        for name, values in columns.items():
            default = sobject[name].default
            if default is not None:
                columns[name] = [default if value is None else value for value in values]
        if sobject is ACCOUNT and any(columns.get("IsPersonAccount", ())):
            self._load_persons(columns)
        self._insert_many(sobject, columns)

    def _load_persons(self, columns: dict[str, ValueList]) -> None:
        """Complete the Person Accounts among a chunk of Accounts and add their Contacts."""
        size = len(columns["IsPersonAccount"])
        persons = [at for at in range(size) if columns["IsPersonAccount"][at]]
        # The two halves name each other, so both need their ids before either is stored.
        columns.setdefault("Id", [None] * size)
        account, contact = self._next_number(ACCOUNT), self._next_number(CONTACT)
        for at in range(size):
            if columns["Id"][at] is None:
                columns["Id"][at] = account
                account += 1
        for name in ("Name", "RecordTypeId", "PersonContactId"):
            columns.setdefault(name, [ACCOUNT[name].default] * size)
        for at in persons:
            names = (columns.get(name, [None] * size)[at] for name in ("FirstName", "LastName"))
            columns["Name"][at] = " ".join(name for name in names if name)
            columns["RecordTypeId"][at] = PERSON_RECORD_TYPE
            columns["PersonContactId"][at] = contact
            contact += 1
        shadows = {
            "Id": [columns["PersonContactId"][at] for at in persons],
            "AccountId": [columns["Id"][at] for at in persons],
            "IsPersonAccount": [1] * len(persons),
        }
        shared = {name: name for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp")}
        shared["IsDeleted"] = "IsDeleted"
        for name, to in {**PERSON_FIELDS, **shared}.items():
            if name in columns:
                shadows[to] = [columns[name][at] for at in persons]
        self._insert_many(CONTACT, shadows)

    def _next_number(self, sobject: SObject) -> int:
        (highest,) = self._db.execute(f"SELECT MAX(Id) FROM {sobject.name}").fetchone()
        return 1 + (highest or 0)

    def _insert_many(self, sobject: SObject, columns: Mapping[str, Sequence[Any]]) -> None:
        self._db.executemany(
            f"INSERT INTO {sobject.name} ({', '.join(columns)})"
            f" VALUES ({', '.join('?' * len(columns))})",
            zip(*columns.values(), strict=True),
        )


def record_number(sobject: SObject, record_id: str) -> int:
    """Return the number of a record from its id.

    Raises:
        SalesforceError: MALFORMED_ID where it is no id of this object.
    """
    return sobject["Id"].reference(record_id)


def parse_json(sobject: SObject, fields: Mapping[str, Any]) -> Values:
    """Return the stored form of a record that a client sent as JSON.

    Raises:
        SalesforceError: INVALID_FIELD, JSON_PARSER_ERROR: the request makes no sense. Others: this
            record is refused.
    """
    known: dict[str, tuple[Field, Any]] = {}
    for name, value in fields.items():
        if name == "attributes":
            continue
        field = sobject.find(name)
        if field is None:
            raise SalesforceError(
                "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}"
            )
        known[field.name] = (field, value)
    check_writable(field for field, _ in known.values())
    return {name: field.from_json(value) for name, (field, value) in known.items()}


def check_writable(fields: Iterable[Field]) -> None:
    """Check that no field is read-only.

    Raises:
        SalesforceError: INVALID_FIELD_FOR_INSERT_UPDATE.
    """
    read_only = [field.name for field in fields if field.read_only]
    if read_only:
        raise not_writable(read_only)


def render(sobject: SObject, row: Sequence[Any]) -> dict[str, Any]:
    """Return a record, given by its columns, as the REST API shows all of its fields."""
    stored = {
        field.name: field.to_json(value)
        for field, value in zip(sobject.columns, row, strict=True)
    }  # fmt: skip
    return {
        field.name: address(field, stored) if field.compound else stored[field.name]
        for field in sobject.fields
    }


def address(field: Field, stored: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a compound address made of its parts, None where all of them are null."""
    parts = {key: stored[name] for key, name in field.parts}
    if not any(parts.values()):
        return None
    return {
        "city": parts["city"],
        "country": parts["country"],
        "geocodeAccuracy": None,
        "latitude": None,
        "longitude": None,
        "postalCode": parts["postalCode"],
        "state": parts["state"],
        "street": parts["street"],
    }


def _columns(sobject: SObject, prefix: str = "") -> str:
    return ", ".join(prefix + field.name for field in sobject.columns)


def _column(sobject: SObject, field: Field) -> str:
    if field.type == "id":
        return "Id INTEGER PRIMARY KEY"
    if field.name in _made_fields(sobject):
        return f"{field.name} {_FULL_NAME}"
    default = "" if field.default is None else f" NOT NULL DEFAULT {_literal(field.default)}"
    return f"{field.name} {_COLUMN_TYPES.get(field.type, 'TEXT')}{default}"


def _literal(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _made_fields(sobject: SObject) -> frozenset[str]:
    """Return the columns that the database computes itself."""
    return frozenset({"Name"}) if sobject["Name"].read_only else frozenset()


def _indexes(sobject: SObject) -> Iterator[tuple[str, bool, str]]:
    yield f"{sobject.name}_SystemModstamp", False, "SystemModstamp"
    for field in sobject.columns:
        if field.id_lookup:
            collation = "" if field.unique else " COLLATE NOCASE"
            yield f"{sobject.name}_{field.name}", field.unique, f"{field.name}{collation}"
    if sobject is CONTACT:
        yield "Contact_AccountId", False, "AccountId"


def _stored_column(field: Field, values: list[Any]) -> list[Any]:
    if not field.is_text:
        return [_stored(field, value) for value in values]
    stored = [None if value is None else value.strip() or None for value in values]
    longest = max((value for value in stored if value is not None), key=len, default=None)
    if longest is not None:
        # One check for the column: the longest of all is the one that may be too long.
        field.check_length(longest)
    return stored


def _stored(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if field.type == "datetime":
        if not isinstance(value, str):
            return int(value.timestamp())
        seconds = parse_datetime(value)
        return field.from_text(value) if seconds is None else int(seconds)
    return field.from_json(value)
