"""From a record to the write it asks for, and the order in which writes may go out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from target_salesforce.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable
    from logging import Logger

    from target_salesforce.description import Description, Field

DELETED_AT: Final = "_sdc_deleted_at"
"""The field that marks a record that is deleted, with the time of it."""


class Operation(str, Enum):
    """What a write does, in the words of the reject file."""

    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"
    DELETE = "delete"


@dataclass(slots=True)
class Write:
    """One change for one record.

    Attributes:
        operation: what to do.
        id: the Salesforce id, 15 or 18 characters; None for a create or an upsert.
        external_id: the value of the external id field, where the record has one.
        fields: Salesforce's field names and values, `Id` not among them; None clears.
        record: the record as it came, for the reject file.
        refusal: set where there is no point in asking Salesforce.
        position: place within its batch.
    """

    operation: Operation
    id: str | None
    external_id: str | None
    fields: dict[str, Any]
    record: dict[str, Any]
    refusal: Failure | None = None
    position: int = 0

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What the record is known by; two writes that share a key are for one record.

        Of an id, 15 characters tell records apart. External ids may be unique without case:
        folding them can only keep two writes apart that could have gone together.
        """
        keys = []
        if self.id is not None:
            keys.append(("id", self.id[:15]))
        if self.external_id is not None:
            keys.append(("external id", self.external_id.casefold()))
        return keys


class Planner:
    """Turns the records of one stream into writes."""

    def __init__(
        self,
        description: Description,
        *,
        external_id_field: str | None,
        action: str | None,
        logger: Logger,
    ) -> None:
        """Take what Salesforce says of the object, and the settings that matter here.

        Args:
            description: the object.
            external_id_field: Salesforce's spelling of the field that upserts match on.
            action: `insert`, `update`, `upsert` or `delete` allow only that; None lets each
                record decide.
            logger: gets one warning for each unknown or read-only field.
        """
        self._description = description
        self._external_id_field = external_id_field
        self._action = action
        self._logger = logger
        self._fields: dict[str, Field | None] = {}
        self._warned: set[str] = set()

    def plan(self, record: dict[str, Any]) -> Write:
        """Decide what a record asks for.

        Args:
            record: by field name, in any case; `_sdc_` fields are not the object's.

        Returns:
            The write, with `refusal` where Salesforce would refuse it for certain.
        """
        record_id: str | None = None
        wrong_id: Failure | None = None
        fields: dict[str, Any] = {}
        unknown: list[str] = []
        unfit: list[str] = []
        for name, value in record.items():
            if name.startswith("_sdc_"):
                continue
            field = self._field(name)
            if field is None:
                unknown.append(name)
            elif field.name == "Id":
                record_id, wrong_id = _id(value)
            elif isinstance(value, list | dict):
                if isinstance(value, list) and field.type == "multipicklist":
                    fields[field.name] = ";".join(map(str, value)) or None
                else:
                    unfit.append(field.name)
            else:
                # Bulk has one way to say null and REST another: both mean the same here.
                fields[field.name] = None if value in ("", "#N/A") else value
        external_id = fields.get(self._external_id_field) if self._external_id_field else None
        write = Write(
            operation=self._operation(record, record_id, external_id),
            id=record_id,
            external_id=None if external_id is None else str(external_id),
            fields=fields,
            record=record,
        )
        write.refusal = wrong_id or _wrong_tombstone(record) or self._wrong_addressing(write)
        if write.refusal is None and write.operation is not Operation.DELETE:
            write.refusal = (
                self._unknown_fields(unknown)
                or self._unfit_values(unfit)
                or self._read_only_fields(write)
            )
        return write

    def _field(self, name: str) -> Field | None:
        try:
            return self._fields[name]
        except KeyError:
            self._fields[name] = self._description.fields.get(name.lower())
            return self._fields[name]

    def _operation(
        self, record: dict[str, Any], record_id: str | None, external_id: object
    ) -> Operation:
        if self._action == "delete" or record.get(DELETED_AT) is not None:
            return Operation.DELETE
        if self._action == "insert":
            return Operation.CREATE
        if record_id is not None or self._action == "update":
            return Operation.UPDATE
        return Operation.CREATE if external_id is None else Operation.UPSERT

    def _wrong_addressing(self, write: Write) -> Failure | None:
        if write.operation in {Operation.UPDATE, Operation.DELETE} and write.id is None:
            why = f" (action is {self._action!r})" if self._action else ""
            return Failure(
                "MISSING_ARGUMENT", f"{write.operation.value} needs the record's Id{why}", ("Id",)
            )
        if write.operation is Operation.CREATE and write.id is not None:
            return Failure(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                "a record with an Id is not inserted (action is 'insert')",
                ("Id",),
            )
        return None

    def _unknown_fields(self, names: list[str]) -> Failure | None:
        if not names:
            return None
        listed = ", ".join(names)
        self._warn(names, "%s has no field %s: records that hold it are rejected")
        return Failure(
            "INVALID_FIELD",
            f"{self._description.name} has no field {listed}; writable are {self._writable()}",
            tuple(names),
        )

    def _unfit_values(self, names: list[str]) -> Failure | None:
        if not names:
            return None
        return Failure(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            f"{', '.join(names)} holds a list or an object; allowed are text, number, boolean "
            f"and null (a list only for a multi-select picklist)",
            tuple(names),
        )

    def _read_only_fields(self, write: Write) -> Failure | None:
        names = [
            name for name in write.fields if not _writable_by(write.operation, self._field(name))
        ]
        if not names:
            return None
        self._warn(names, "%s: %s is read-only for some writes: these records are rejected")
        return Failure(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"{', '.join(names)} can't be written by {write.operation.value}; writable are "
            f"{self._writable(write.operation)}",
            tuple(names),
        )

    def _writable(self, operation: Operation = Operation.UPSERT) -> str:
        return ", ".join(
            field.name
            for field in self._description.fields.values()
            if _writable_by(operation, field)
        )

    def _warn(self, names: list[str], message: str) -> None:
        for name in names:
            if name not in self._warned:
                self._warned.add(name)
                self._logger.warning(message, self._description.name, name)


def _id(value: object) -> tuple[str | None, Failure | None]:
    """Return a record's id, or why it is none."""
    if value is None or value == "":
        return None, None
    if isinstance(value, str):
        return value, None
    message = f"Id holds a {type(value).__name__}; allowed is a text, or null for a new record"
    return None, Failure("MALFORMED_ID", message, ("Id",))


def _wrong_tombstone(record: dict[str, Any]) -> Failure | None:
    """Refuse what may or may not mean a deletion: false, an empty text, a list."""
    value = record.get(DELETED_AT)
    if value is None or (isinstance(value, str) and value):
        return None
    found = "an empty text" if value == "" else f"a {type(value).__name__}"
    message = f"{DELETED_AT} holds {found}; allowed is a time as text, or null for no deletion"
    return Failure("INVALID_TYPE_ON_FIELD_IN_RECORD", message, (DELETED_AT,))


def _writable_by(operation: Operation, field: Field | None) -> bool:
    if field is None:
        return False
    if operation is Operation.CREATE:
        return field.createable
    if operation is Operation.UPDATE:
        return field.updateable
    # Whether an upsert creates or updates is known to Salesforce alone.
    return field.createable or field.updateable


def rounds(writes: Iterable[Write]) -> list[list[Write]]:
    """Split a batch so that within a round every record is written at most once.

    The rounds go out one after the other, so two writes for one record keep their order while
    everything else goes out together.

    Args:
        writes: in the order in which they came.

    Returns:
        Rounds, each in the order in which its writes came.
    """
    result: list[list[Write]] = []
    next_round: dict[tuple[str, str], int] = {}
    for write in writes:
        keys = write.keys
        number = max((next_round.get(key, 0) for key in keys), default=0)
        for key in keys:
            next_round[key] = number + 1
        if number == len(result):
            result.append([])
        result[number].append(write)
    return result
