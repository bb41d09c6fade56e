"""From a SOQL tree to SQLite and back to records.

A query is settled in two steps. `Plan.numbers` finds the records, in order; what a client holds
open between two pages is that list, eight bytes a record, so records that change meanwhile are
neither missed nor given twice. `Plan.rows` reads the columns of some of them.
"""

from __future__ import annotations

# ruff: noqa: S608  Names in statements come from the schema, values are always parameters.
import json
import sqlite3
from array import array
from typing import TYPE_CHECKING, Any

from sandbox.salesforce import ids
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.records import address
from sandbox.salesforce.schema import (
    NUMBER_TYPES,
    OBJECTS,
    Field,
    SObject,
    parse_date,
    parse_datetime,
)
from sandbox.salesforce.soql import Comparison, Condition, Group, Literal, Not, Query, parse
from sandbox.salesforce.store import Row, SalesforceStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_OFFSET = 2000
MAX_LIMIT = 2**31 - 1

_LITERAL_NAMES = {"datetime": "dateTime", "text": "string"}


class Plan:
    """A query ready to run.

    Args:
        text: The SOQL.
        include_deleted: As queryAll, with the recycle bin.

    Attributes:
        sobject: The object of FROM.
        counts: Whether it is a COUNT(), which has no records.

    Raises:
        SalesforceError: MALFORMED_QUERY, INVALID_TYPE, INVALID_FIELD and the like.
    """

    def __init__(self, text: str, *, include_deleted: bool) -> None:
        query = parse(text)
        self._query = query
        self.sobject = _sobject(query.sobject)
        self.counts = not query.fields
        # Relationship path ("" is the object itself) to the alias of its table.
        self._aliases: dict[str, str] = {"": "record"}
        self._joins: list[str] = []
        self._parameters: list[Any] = []
        if query.offset > MAX_OFFSET:
            raise SalesforceError(
                "NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}"
            )
        self._fields = self._select(query)
        # What conditions and order join later is read but not shown.
        self._shown = dict(self._aliases)
        conditions = [] if query.where is None else [self._condition(query.where)]
        if not include_deleted:
            conditions.append("record.IsDeleted = 0")
        self._where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        keys = [self._order_key(key.path, key.descending, key.nulls_last) for key in query.order]
        self._order = ", ".join([*keys, "record.Id"])

    @property
    def compound(self) -> tuple[str, ...]:
        """Names of the compound fields selected, which CSV cannot carry."""
        return tuple(path for path, field in self._fields if field.compound)

    def numbers(self, store: SalesforceStore) -> array[int]:
        """Return the numbers of the records that match, in the query's order.

        Raises:
            SalesforceError: QUERY_TOO_COMPLICATED, for hundreds of conditions.
        """
        limit = -1 if self._query.limit is None else min(self._query.limit, MAX_LIMIT)
        found = store.stream(
            f"SELECT record.Id FROM {self._source()}{self._where} ORDER BY {self._order}"
            " LIMIT ? OFFSET ?",
            (*self._parameters, limit, self._query.offset),
        )
        try:
            return array("q", (number for (number,) in found))
        except sqlite3.OperationalError:
            raise SalesforceError(
                "QUERY_TOO_COMPLICATED", "the filter conditions are too complicated"
            ) from None

    def rows(self, store: SalesforceStore, numbers: Sequence[int]) -> Iterator[Row]:
        """Return the columns of some of the records, in the order of the numbers."""
        columns = ", ".join(self._columns())
        joins = "".join(self._joins)
        return iter(
            store.read(
                f"SELECT {columns} FROM json_each(?) AS page"
                f" CROSS JOIN {self.sobject.name} AS record ON record.Id = page.value{joins}"
                " ORDER BY page.key",
                (json.dumps(list(numbers)),),
            )
        )

    def as_json(self, row: Row, version: str) -> dict[str, Any]:
        """Return a record as query answers have it, related records nested."""
        values = iter(row)
        related = self._related(values, version)
        record = related[""]
        for path, field in self._fields:
            parent, _, _ = path.rpartition(".")
            value: Any
            if field.compound:
                value = address(field, {name: next(values) for _, name in field.parts})
            else:
                value = field.to_json(next(values))
            target = related[parent]
            if target is not None:
                target[field.name] = value
        if record is None:
            raise RuntimeError("a query without its own record")
        return record

    def as_cells(self, row: Row) -> list[str]:
        """Return a record as the cells of a CSV result."""
        values = row[len(self._shown) :]
        return [
            field.to_csv(value) for (_, field), value in zip(self._fields, values, strict=True)
        ]  # fmt: skip

    @property
    def header(self) -> list[str]:
        """The column names of a CSV result."""
        return [path for path, _ in self._fields]

    def _related(self, values: Iterator[Any], version: str) -> dict[str, dict[str, Any] | None]:
        """Start the answer's records, the nested ones in place, from the ids ahead in the row."""
        related: dict[str, dict[str, Any] | None] = {}
        for path in self._shown:
            number = next(values)
            parent, _, name = path.rpartition(".")
            sobject = self._target(path)
            entry = None if number is None else attributes(sobject, number, version)
            related[path] = entry
            holder = related[parent] if path else None
            if holder is not None:
                holder[name] = entry
        return related

    def _columns(self) -> Iterator[str]:
        for alias in self._shown.values():
            yield f"{alias}.Id"
        for path, field in self._fields:
            alias = self._aliases[path.rpartition(".")[0]]
            names = [name for _, name in field.parts] if field.compound else [field.name]
            for name in names:
                yield f"{alias}.{name}"

    def _source(self) -> str:
        return f"{self.sobject.name} AS record{''.join(self._joins)}"

    def _select(self, query: Query) -> list[tuple[str, Field]]:
        fields = []
        seen = set()
        for given in query.fields:
            path, _, field = self._resolve(given)
            if path in seen:
                raise SalesforceError("INVALID_FIELD", f"duplicate field selected: {field.name}")
            seen.add(path)
            fields.append((path, field))
        return fields

    def _target(self, path: str) -> SObject:
        sobject = self.sobject
        for name in filter(None, path.split(".")):
            sobject = OBJECTS[_relationship(sobject, name).refers_to]
        return sobject

    def _resolve(self, given: str) -> tuple[str, str, Field]:
        """Return the path of a field in its own spelling, its SQL and itself; join on the way."""
        *relationships, last = given.split(".")
        if relationships and relationships[0].lower() == self.sobject.name.lower():
            # SOQL allows the object's own name in front, and no object here has a relationship
            # that is called like itself.
            relationships = relationships[1:]
        sobject, path = self.sobject, ""
        for name in relationships:
            reference = _relationship(sobject, name)
            parent = self._aliases[path]
            path = f"{path}.{reference.relationship}".lstrip(".")
            sobject = OBJECTS[reference.refers_to]
            if path not in self._aliases:
                alias = f"related{len(self._aliases)}"
                self._aliases[path] = alias
                self._joins.append(
                    f" LEFT JOIN {sobject.name} AS {alias}"
                    f" ON {alias}.Id = {parent}.{reference.name}"
                )
        field = sobject.find(last)
        if field is None:
            raise _no_column(self._query.text, given, last, sobject)
        return f"{path}.{field.name}".lstrip("."), f"{self._aliases[path]}.{field.name}", field

    def _filterable(self, given: str, use: str) -> tuple[str, Field]:
        _, column, field = self._resolve(given)
        if field.compound or (field.name == "Description" and use == "filtered"):
            raise SalesforceError(
                "INVALID_FIELD", f"field '{field.name}' can not be {use} in a query call"
            )
        return column, field

    def _order_key(self, path: str, descending: bool, nulls_last: bool) -> str:
        column, field = self._filterable(path, "sorted")
        collation = " COLLATE NOCASE" if field.is_text else ""
        direction = " DESC" if descending else ""
        # SQLite's own default puts nulls first going up; saying so would cost it the index.
        nulls = " NULLS LAST" if nulls_last else " NULLS FIRST" if descending else ""
        return f"{column}{collation}{direction}{nulls}"

    def _condition(self, condition: Condition) -> str:
        if isinstance(condition, Group):
            parts = [self._condition(each) for each in condition.conditions]
            return f"({f' {condition.operator} '.join(parts)})"
        if isinstance(condition, Not):
            # A comparison with null is false in SOQL, so its opposite is true.
            return f"NOT COALESCE({self._condition(condition.condition)}, 0)"
        return self._comparison(condition)

    def _comparison(self, comparison: Comparison) -> str:
        column, field = self._filterable(comparison.path, "filtered")
        if field.is_text and not field.unique:
            column += " COLLATE NOCASE"
        operator = comparison.operator
        if operator == "LIKE":
            if not field.is_text:
                raise SalesforceError(
                    "INVALID_FIELD", f"invalid operator on {field.type} field {field.name}"
                )
            literal = comparison.values[0]
            _value(field, literal)
            self._parameters.append(literal.pattern)
            return f"{column} LIKE ? ESCAPE '\\'"
        values = [_value(field, literal) for literal in comparison.values]
        if operator in {"IN", "NOT IN"}:
            return self._membership(column, operator, values)
        (value,) = values
        if value is None:
            if operator not in {"=", "!="}:
                return "0"
            return f"{column} IS {'' if operator == '=' else 'NOT '}NULL"
        self._parameters.append(value)
        # != is true of null in SOQL, as IS NOT is in SQLite.
        return f"{column} {'IS NOT' if operator == '!=' else operator} ?"

    def _membership(self, column: str, operator: str, values: list[Any]) -> str:
        given = [value for value in values if value is not None]
        self._parameters.extend(given)
        marks = ", ".join("?" * len(given))
        has_null = len(given) < len(values)
        if operator == "IN":
            null = f" OR {column} IS NULL" if has_null else ""
            return f"({column} IN ({marks}){null})"
        null = f"AND {column} IS NOT NULL" if has_null else f"OR {column} IS NULL"
        return f"({column} NOT IN ({marks}) {null})"


def attributes(sobject: SObject, number: int, version: str) -> dict[str, Any]:
    """Return the start of a record in an answer: its type and address."""
    url = f"/services/data/{version}/sobjects/{sobject.name}/{ids.make(sobject.name, number)}"
    return {"attributes": {"type": sobject.name, "url": url}}


def _sobject(name: str) -> SObject:
    for each in OBJECTS.values():
        if each.name.lower() == name.lower():
            return each
    raise SalesforceError(
        "INVALID_TYPE",
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be "
        "sure to append the '__c' after the entity name. Please reference your WSDL or the "
        "describe call for the appropriate names.",
    )


def _relationship(sobject: SObject, name: str) -> Field:
    for field in sobject.fields:
        if (
            field.relationship is not None
            and field.refers_to in OBJECTS
            and field.relationship.lower() == name.lower()
        ):
            return field
    raise SalesforceError(
        "INVALID_FIELD",
        f"Didn't understand relationship '{name}' in field path. If you are attempting to use a "
        "custom relationship, be sure to append the '__r' after the custom relationship name. "
        "Please reference your WSDL or the describe call for the appropriate names.",
    )


def _no_column(text: str, given: str, name: str, sobject: SObject) -> SalesforceError:
    column = text.find(given) + 1
    return SalesforceError(
        "INVALID_FIELD",
        f"\n{text}\n{' ' * (column - 1)}^\nERROR at Row:1:Column:{column}\n"
        f"No such column '{name}' on entity '{sobject.name}'. If you are attempting to use a "
        "custom field, be sure to append the '__c' after the custom field name. Please reference "
        "your WSDL or the describe call for the appropriate names.",
    )


def _value(field: Field, literal: Literal) -> Any:
    """Return a literal in the stored form of the field that it is compared with."""
    if literal.kind == "null":
        return None
    if field.type in {"id", "reference"}:
        return _id_value(field, literal)
    expected = "number" if field.type in NUMBER_TYPES else field.type
    if field.is_text:
        expected = "text"
    if literal.kind == expected:
        return _plain_value(literal)
    quotes = "should be" if expected == "text" else "should not be"
    raise SalesforceError(
        "INVALID_FIELD",
        f"value of filter criterion for field '{field.name}' must be of type "
        f"{_LITERAL_NAMES.get(expected, expected)} and {quotes} enclosed in quotes",
    )


def _plain_value(literal: Literal) -> Any:
    text = literal.text
    if literal.kind == "text":
        return text or None  # SOQL's empty string is null.
    if literal.kind == "number":
        return float(text)
    if literal.kind == "boolean":
        return int(text == "TRUE")
    moment = parse_date(text) if literal.kind == "date" else parse_datetime(text)
    if moment is None:
        raise SalesforceError("MALFORMED_QUERY", f"invalid {literal.kind}: {text}")
    return moment


def _id_value(field: Field, literal: Literal) -> int | None:
    if literal.kind == "text" and not literal.text:
        return None
    number = ids.parse(field.refers_to, literal.text) if literal.kind == "text" else None
    if number is not None:
        return number
    if literal.kind == "text" and ids.canonical(literal.text) is not None:
        return 0  # The id of a record of another object: it is valid and matches nothing.
    raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.text}")
