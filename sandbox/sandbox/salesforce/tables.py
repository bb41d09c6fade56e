"""The tables behind the objects, and their indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.salesforce.schema import CONTACT, OBJECTS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from sandbox.salesforce.schema import Field, SObject

# Counts up when a table changes; a file with another one is not opened.
LAYOUT = 1

_COLUMN_TYPES = {
    **dict.fromkeys(("boolean", "datetime", "reference", "int"), "INTEGER"),
    **dict.fromkeys(("currency", "double"), "REAL"),
}
_FULL_NAME = (
    "TEXT GENERATED ALWAYS AS (TRIM(COALESCE(FirstName, '') || ' ' || COALESCE(LastName, '')))"
    " VIRTUAL"
)


def create_tables(connection: sqlite3.Connection) -> None:
    """Create the tables of all objects and mark the file with the layout."""
    for sobject in OBJECTS.values():
        columns = ", ".join(_definition(sobject, each) for each in sobject.columns)
        connection.execute(f"CREATE TABLE {sobject.name} ({columns})")
        create_indexes(connection, sobject)
    connection.execute(f"PRAGMA user_version = {LAYOUT}")


def drop_tables(connection: sqlite3.Connection) -> None:
    """Drop the tables of all objects."""
    for sobject in OBJECTS.values():
        connection.execute(f"DROP TABLE {sobject.name}")


def create_indexes(connection: sqlite3.Connection, sobject: SObject) -> None:
    """Create the indexes of one object."""
    for name, unique, column in _indexes(sobject):
        where = ""
        if unique:
            where = f" WHERE {column} IS NOT NULL AND IsDeleted = 0"
        elif column != "SystemModstamp":
            where = f" WHERE {column.partition(' ')[0]} IS NOT NULL"
        connection.execute(
            f"CREATE {'UNIQUE ' if unique else ''}INDEX {name} ON {sobject.name} ({column}){where}"
        )


def drop_indexes(connection: sqlite3.Connection, sobject: SObject) -> None:
    """Drop the indexes of one object."""
    for name, _, _ in _indexes(sobject):
        connection.execute(f"DROP INDEX {name}")


def _definition(sobject: SObject, field: Field) -> str:
    if field.type == "id":
        return "Id INTEGER PRIMARY KEY"
    if field.name in made_fields(sobject):
        return f"{field.name} {_FULL_NAME}"
    default = "" if field.default is None else f" NOT NULL DEFAULT {_literal(field.default)}"
    return f"{field.name} {_COLUMN_TYPES.get(field.type, 'TEXT')}{default}"


def _literal(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def made_fields(sobject: SObject) -> frozenset[str]:
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
