"""Statements over many rows, each in the way that is fastest on its database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    Table,
    TextClause,
    bindparam,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, UserDefinedType

from reconciler.ledger.tables import Code

#: Rows that one statement inserts; columns times these are less than SQLite's 32,766 parameters.
_TOGETHER: Final = 100
_encode: Final = msgspec.json.Encoder().encode
_INSERTED: Final = "inserted rows"


#: As each database writes them, so that a condition is the same as that of an index.
_WORDS: Final = {
    name: bindparam(name, value, type_=Boolean(), literal_execute=True)
    for name, value in (("yes", True), ("no", False))
}


def quick(statement: str) -> TextClause:
    """A statement of every run, as text: to compile one takes longer than what it does.

    Args:
        statement: SQL that all databases take, with `:yes` and `:no` for true and false.
    """
    words = [word for name, word in _WORDS.items() if f":{name}" in statement]
    return text(statement).bindparams(*words)


def insert_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows; see also `inserted_rows`.

    Args:
        connection: The transaction.
        table: The table.
        columns: The columns that are given; the others get their defaults.
        rows: Values in the order of the columns.
    """
    if not rows:
        return
    connection.info[_INSERTED] = connection.info.get(_INSERTED, 0) + len(rows)
    quote = connection.dialect.identifier_preparer.quote
    into = f"{quote(table.name)} ({', '.join(map(quote, columns))})"
    if connection.dialect.name == "sqlite":
        _insert_into_sqlite(connection, table, into, columns, rows)
        return
    cursor: Any = connection.connection.cursor()
    with cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
        for row in _bound(table, columns, rows):
            copy.write_row(row)


def _insert_into_sqlite(
    connection: Connection,
    table: Table,
    into: str,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    by_column = list(zip(columns, zip(*rows, strict=True), strict=True))
    places = [_place(values) for _, values in by_column]
    place = f"({', '.join(places)})"
    given = [one for one, at in zip(by_column, places, strict=True) if at == "?"]
    bound = _bound_to_sqlite(table, given)
    # Several at once: a statement costs as much as what it does for a row.
    whole = len(bound) - len(bound) % _TOGETHER
    if whole:
        many = f"INSERT INTO {into} VALUES {', '.join([place] * _TOGETHER)}"  # noqa: S608
        connection.exec_driver_sql(
            many,
            [
                tuple(chain.from_iterable(bound[start : start + _TOGETHER]))
                for start in range(0, whole, _TOGETHER)
            ],
        )
    if whole < len(bound):
        one = f"INSERT INTO {into} VALUES {place}"  # noqa: S608
        connection.exec_driver_sql(one, bound[whole:])


def _place(values: tuple[Any, ...]) -> str:
    """What stands for a column's values: itself where all are the same None or boolean."""
    first = values[0]
    if first is None or isinstance(first, bool):
        literal = "NULL" if first is None else str(int(first))
        return literal if values.count(first) == len(values) else "?"
    return "?"


def inserted_rows(connection: Connection) -> int:
    """How many rows `insert_rows` has inserted since this was last asked of the connection."""
    return int(connection.info.pop(_INSERTED, 0))


def update_rows(
    connection: Connection,
    table: Table,
    key: str,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """Update columns of rows, each row to values of its own.

    Args:
        connection: The transaction.
        table: The table.
        key: The column that names a row.
        columns: The columns to set.
        rows: Values in the order of the columns, then the key's value.
    """
    if not rows:
        return
    quote = connection.dialect.identifier_preparer.quote
    name = quote(table.name)
    if connection.dialect.name == "sqlite":
        values = ", ".join(f"{quote(column)} = ?" for column in columns)
        connection.exec_driver_sql(
            f"UPDATE {name} SET {values} WHERE {quote(key)} = ?",  # noqa: S608
            _bound_to_sqlite(table, zip((*columns, key), zip(*rows, strict=True), strict=True)),
        )
        return
    rows = _bound(table, columns, rows)
    names = [*columns, key]
    arrays = ", ".join(f"%s::{_array_type(table.c[one])}" for one in names)
    values = ", ".join(f"{quote(one)} = given.{quote(one)}" for one in columns)
    connection.exec_driver_sql(
        f"UPDATE {name} SET {values} FROM unnest({arrays}) "  # noqa: S608
        f"AS given ({', '.join(map(quote, names))}) WHERE {name}.{quote(key)} = given.{quote(key)}",
        tuple(list(one) for one in zip(*rows, strict=True)),
    )


def _bound_to_sqlite(
    table: Table, columns: Iterable[tuple[str, tuple[Any, ...]]]
) -> list[tuple[Any, ...]]:
    """Rows as SQLite stores them, from the name and the values of each column.

    Its driver looks for an adapter of each None, boolean and bytes, which takes longer than all
    else about a row; not of numbers, texts and byte arrays.
    """
    bound: list[Iterable[Any]] = []
    for name, values in columns:
        kind = table.c[name].type
        if isinstance(kind, Code):
            bound.append(map(kind.numbers.__getitem__, values))
        elif isinstance(kind, Boolean):
            bound.append(map(int, values))
        elif isinstance(kind, LargeBinary):
            bound.append([None if value is None else bytearray(value) for value in values])
        else:
            bound.append(values)
    return list(zip(*bound, strict=True))


def _bound(
    table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> Sequence[tuple[Any, ...]]:
    """Rows as they are stored: the driver gets them without the types of the columns."""
    for place, name in enumerate(columns):
        kind = table.c[name].type
        if isinstance(kind, Code):
            numbers = kind.numbers
            after = place + 1
            rows = [(*row[:place], numbers[row[place]], *row[after:]) for row in rows]
    return rows


def put_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or replace what is there with the same primary key.

    Unlike a delete and an insert, two transactions may do it at the same time.

    Args:
        connection: The transaction.
        table: The table.
        rows: Value by column, all with the same columns.
    """
    if not rows:
        return
    made = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
    key = [column.name for column in table.primary_key]
    values = {name: made.excluded[name] for name in rows[0] if name not in key}
    statement = (
        made.on_conflict_do_update(index_elements=key, set_=values)
        if values
        else made.on_conflict_do_nothing(index_elements=key)
    )
    connection.execute(statement, list(rows))


def among(column: ColumnElement[Any] | Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether a column has one of many values; a statement with it is compiled only once."""
    given = list(values)
    return _Among(column, bindparam(None, given, type_=_Many(column.type)))


class _Array(UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TEXT"


class _Many(TypeDecorator[Any]):
    """A list as one parameter: JSON for SQLite, an array for PostgreSQL."""

    impl = _Array
    cache_ok = True

    def __init__(self, of: Any = None) -> None:
        super().__init__()
        self.numeric = isinstance(of, Integer)

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return _encode(value).decode() if dialect.name == "sqlite" else value


class _Among(FunctionElement[bool]):
    """`column IN (values)` with one parameter for all values."""

    type = Boolean()
    inherit_cache = True
    name = "among"

    def self_group(self, against: Any = None) -> Any:  # noqa: ARG002
        """Stay as it is: compared with 1, as other booleans on SQLite, it would use no index."""
        return self


@compiles(_Among, "sqlite")
def _among_sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(one, **options) for one in element.clauses)
    return f"({column} IN (SELECT value FROM json_each({values})))"  # noqa: S608


@compiles(_Among, "postgresql")
def _among_postgresql(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(one, **options) for one in element.clauses)
    kind = _array_type(next(iter(element.clauses)))
    return f"({column} = ANY (CAST({values} AS {kind})))"


def clock() -> ColumnElement[float]:
    """Seconds since 1970 on the database's clock: the clocks of hosts differ."""
    return _Clock()


class _Clock(FunctionElement[float]):
    type = Float()
    inherit_cache = True
    name = "clock"


@compiles(_Clock, "sqlite")
def _clock_sqlite(_: _Clock, __: SQLCompiler, **___: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(_Clock, "postgresql")
def _clock_postgresql(_: _Clock, __: SQLCompiler, **___: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)"


def _array_type(column: Any) -> str:
    if isinstance(column.type, Boolean):
        return "boolean[]"
    if isinstance(column.type, LargeBinary):
        return "bytea[]"
    if isinstance(column.type, Integer | Code):
        return "bigint[]"
    return "text[]"
