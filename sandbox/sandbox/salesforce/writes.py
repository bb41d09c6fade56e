"""Changes that clients ask for: what single rows, Collections and Bulk share.

A row is read into a `Change` first (a row that cannot be read carries its error), then a list of
changes is applied in one transaction, each with an `Outcome` of its own.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sandbox.salesforce import ids
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.records import check_writable, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from sandbox.salesforce.rows import Rows, Values
    from sandbox.salesforce.schema import Field, SObject
    from sandbox.salesforce.store import SalesforceStore

Operation = Literal["insert", "update", "upsert", "delete"]

# These say that a request makes no sense, so it fails as a whole; others refuse one row.
REQUEST_ERRORS = frozenset({"INVALID_FIELD", "JSON_PARSER_ERROR"})

NULL_CELL = "#N/A"


class RowFaults(Protocol):
    """What the API needs of the sandbox's faults."""

    def row_error(self, side: Literal["salesforce"], object: str) -> tuple[str, str] | None:  # noqa: A002
        """Return code and message with which the next row is to be refused, None for no fault."""
        ...


@dataclass(frozen=True)
class Change:
    """One row's change.

    Attributes:
        sobject: The object.
        operation: What to do.
        number: The record that the row's id names; None where it names none.
        key: The field that an upsert matches on, ``Id`` or an external id.
        key_value: The row's value of it, None for blank.
        values: Fields to write, in stored form.
        error: Why the row cannot be read; the rest is then meaningless.
    """

    sobject: SObject
    operation: Operation
    number: int | None = None
    key: Field | None = None
    key_value: Any = None
    values: Values = field(default_factory=dict)
    error: SalesforceError | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a change: the record it went to, or the error.

    ``matches`` are the records that share the external id of an upsert refused for that.
    """

    number: int | None
    created: bool
    error: SalesforceError | None
    matches: tuple[int, ...] = ()


class _AllOrNoneError(Exception):
    """Undoes the transaction."""


class Writer:
    """Applies changes to the store, row by row, with the faults that were ordered."""

    def __init__(self, store: SalesforceStore, faults: RowFaults) -> None:
        self._store = store
        self._faults = faults

    def apply(
        self,
        changes: Sequence[Change],
        *,
        all_or_none: bool = False,
        resets: int | None = None,
    ) -> list[Outcome]:
        """Apply changes in order, in one transaction, and return an outcome for each.

        Args:
            changes: At most a few hundred, as they hold the database while they last.
            all_or_none: Undo all of them where one is refused.
            resets: See `SalesforceStore.writing`.

        Raises:
            ResetError: The store was reset since.
        """
        outcomes: list[Outcome] = []
        with suppress(_AllOrNoneError), self._store.writing(resets=resets) as rows:
            repeated = _repeated(changes)
            outcomes.extend(self._one(rows, change, repeated) for change in changes)
            if all_or_none and any(outcome.error for outcome in outcomes):
                raise _AllOrNoneError
        if all_or_none and any(outcome.error for outcome in outcomes):
            undone = SalesforceError(
                "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                "Record rolled back because not all records were valid and the request was using "
                "AllOrNone header",
            )
            return [each if each.error else Outcome(None, False, undone) for each in outcomes]
        return outcomes

    def _one(self, rows: Rows, change: Change, repeated: Set[Any]) -> Outcome:
        try:
            self._check(change, repeated)
            return _carry_out(rows, change)
        except SalesforceError as error:
            return Outcome(change.number, False, error)

    def _check(self, change: Change, repeated: Set[Any]) -> None:
        if change.error is not None:
            raise change.error
        if _mark(change) in repeated:
            raise _repetition(change)
        fault = self._faults.row_error("salesforce", change.sobject.name)
        if fault is not None:
            raise SalesforceError(*fault)


def from_json(
    sobject: SObject, operation: Operation, record: Mapping[str, Any], key: Field | None = None
) -> Change:
    """Read a change from a JSON record.

    Args:
        sobject: The object.
        operation: What is to be done with it.
        record: The client's fields; the record's id among them where there is one.
        key: The field that an upsert matches on.

    Raises:
        SalesforceError: One of `REQUEST_ERRORS`. Errors of the row go into the change.
    """
    named: dict[str, Any] = {"id": None}
    if key is not None:
        named[key.name.lower()] = None
    fields = {}
    for name, value in record.items():
        if name.lower() in named:
            named[name.lower()] = value
        else:
            fields[name] = value
    number = None
    try:
        number = _number(sobject, operation, named["id"])
        values = parse_json(sobject, fields)
        key_value = _key_value(key, number, named)
        return Change(sobject, operation, number, key, key_value, values)
    except SalesforceError as error:
        if error.code in REQUEST_ERRORS:
            raise
        return Change(sobject, operation, number, error=error)


def from_cells(
    sobject: SObject,
    operation: Operation,
    fields: Sequence[Field],
    cells: Sequence[str],
    key: Field | None = None,
) -> Change:
    """Read a change from a row of a CSV upload; errors go into the change.

    An empty cell leaves its field alone, ``#N/A`` clears it.
    """
    given = {
        each.name: None if cell == NULL_CELL else cell
        for each, cell in zip(fields, cells, strict=True)
        if cell
    }
    number = None
    try:
        named = {"id": given.pop("Id", None)}
        if key is not None and key.type != "id":
            named[key.name.lower()] = given.pop(key.name, None)
        number = _number(sobject, operation, named["id"])
        check_writable(sobject[name] for name in given)
        values = {name: _from_cell(sobject[name], cell) for name, cell in given.items()}
        key_value = _key_value(key, number, named)
        return Change(sobject, operation, number, key, key_value, values)
    except SalesforceError as error:
        return Change(sobject, operation, number, error=error)


def upsert_key(sobject: SObject, name: str) -> Field:
    """Return the field that an upsert names: ``Id`` or one that may identify records.

    Raises:
        SalesforceError: INVALID_FIELD.
    """
    field = sobject.find(name)
    if field is None or not (field.type == "id" or field.id_lookup):
        raise SalesforceError(
            "INVALID_FIELD",
            f"Provided external ID field does not exist or is not accessible: {name}",
        )
    return field


def _number(sobject: SObject, operation: Operation, record_id: Any) -> int | None:
    """Return the number of the record that a row's id names, None for no id."""
    if record_id is None:
        return None
    if operation == "insert":
        raise SalesforceError(
            "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ("Id",)
        )
    return sobject["Id"].reference(str(record_id))


def _key_value(key: Field | None, number: int | None, named: Mapping[str, Any]) -> Any:
    """Return the value that an upsert matches on; only a blank Id may be missing."""
    if key is None or key.type == "id":
        return number
    value = key.from_json(named[key.name.lower()])
    if value is None:
        raise SalesforceError("MISSING_ARGUMENT", f"{key.name} not specified", (key.name,))
    return value


def _from_cell(field: Field, cell: str | None) -> Any:
    if cell is not None:
        return field.from_text(cell)
    return 0 if field.type == "boolean" else None


def _carry_out(rows: Rows, change: Change) -> Outcome:
    if change.operation == "upsert":
        return _upsert(rows, change)
    if change.operation == "insert":
        return Outcome(rows.insert(change.sobject, change.values), True, None)
    number = _named(change)
    if change.operation == "update":
        rows.update(change.sobject, number, change.values)
    else:
        rows.delete(change.sobject, number)
    return Outcome(number, False, None)


def _named(change: Change) -> int:
    if change.number is None:
        raise SalesforceError(
            "MISSING_ARGUMENT", f"Id not specified in an {change.operation} call", ("Id",)
        )
    return change.number


def _mark(change: Change) -> Any:
    """Return what tells which record a change is for, None where nothing does beforehand."""
    if change.error is not None or change.operation not in {"update", "upsert"}:
        return None
    value = change.number if change.key is None else change.key_value
    if isinstance(value, str) and change.key is not None and not change.key.unique:
        value = value.lower()
    return None if value is None else (change.sobject.name, value)


def _repeated(changes: Sequence[Change]) -> Set[Any]:
    """Return the marks of records that several changes are for: Salesforce makes none of them."""
    counts = Counter(map(_mark, changes))
    return {mark for mark, count in counts.items() if count > 1 and mark is not None}


def _repetition(change: Change) -> SalesforceError:
    if change.key is None or change.key.type == "id":
        shown = f"id specified: {ids.make(change.sobject.name, change.number or 0)}"
    else:
        shown = f"external id specified: {change.key_value}"
    name = "Id" if change.key is None else change.key.name
    return SalesforceError("DUPLICATE_VALUE", f"Duplicate {shown}", (name,))


def _upsert(rows: Rows, change: Change) -> Outcome:
    sobject, key = change.sobject, change.key
    if key is None:
        raise ValueError("an upsert needs the field to match on")
    found = rows.matching(sobject, key, change.key_value)
    values = change.values
    if key.type != "id":
        values = {**values, key.name: change.key_value}
    if len(found) > 1:
        shown = ", ".join(ids.make(sobject.name, number) for number in found)
        error = SalesforceError(
            "DUPLICATE_EXTERNAL_ID",
            f"{key.name}: more than one record found for external id field: [{shown}]",
            (key.name,),
        )
        return Outcome(None, False, error, tuple(found))
    if not found:
        return Outcome(rows.insert(sobject, values), True, None)
    rows.update(sobject, found[0], values)
    return Outcome(found[0], False, None)
