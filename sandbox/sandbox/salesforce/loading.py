"""Many records at once, as given and past the rules: how demo data gets into a store."""

from __future__ import annotations

# ruff: noqa: S608  Names in statements come from the schema, values are always parameters.
from itertools import islice
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.schema import (
    ACCOUNT,
    CONTACT,
    PERSON_FIELDS,
    PERSON_RECORD_TYPE,
    parse_datetime,
)
from sandbox.salesforce.tables import create_indexes, drop_indexes, made_fields

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.salesforce.schema import Field, SObject

LOAD_CHUNK = 10_000


class Loader:
    """Loads on one open transaction.

    Args:
        connection: The database, inside a transaction.
        now: Seconds since 1970 for dates that a record does not give.
    """

    def __init__(self, connection: sqlite3.Connection, now: int) -> None:
        self._db = connection
        self._now = now

    def load(self, sobject: SObject, records: Iterable[Mapping[str, Any]]) -> int:
        """Add records and return how many; see `SalesforceStore.load`."""
        source = iter(records)
        loaded = 0
        # Indexes built after the rows cost half of what they cost row by row.
        empty = self._next_number(sobject) == 1
        if empty:
            drop_indexes(self._db, sobject)
        while chunk := list(islice(source, LOAD_CHUNK)):
            self._load_chunk(sobject, chunk)
            loaded += len(chunk)
        if empty:
            create_indexes(self._db, sobject)
        return loaded

    def _load_chunk(self, sobject: SObject, chunk: list[Mapping[str, Any]]) -> None:
        names = {name for record in chunk for name in record} - made_fields(sobject)
        columns = {
            name: _stored_column(sobject[name], [record.get(name) for record in chunk])
            for name in sorted(names)
        }
        for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
            times = columns.get(name) or [None] * len(chunk)
            columns[name] = [self._now if time is None else time for time in times]
        for name, values in columns.items():
            default = sobject[name].default
            if default is not None:
                columns[name] = [default if value is None else value for value in values]
        if sobject is ACCOUNT and any(columns.get("IsPersonAccount", ())):
            self._load_persons(columns)
        self._insert_many(sobject, columns)

    def _load_persons(self, columns: dict[str, list[Any]]) -> None:
        """Complete the Person Accounts among a chunk of Accounts and add their Contacts."""
        size = len(columns["IsPersonAccount"])
        persons = [at for at in range(size) if columns["IsPersonAccount"][at]]
        # The two halves name each other, so both need their ids before either is stored.
        columns.setdefault("Id", [None] * size)
        given = max((number for number in columns["Id"] if number is not None), default=0)
        account = max(self._next_number(ACCOUNT), given + 1)
        contact = self._next_number(CONTACT)
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
