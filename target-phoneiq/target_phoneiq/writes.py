"""From a Singer record to one write in PhoneIQ."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn

import msgspec
from phoneiq_client import Delete, ErrorDetail, Update, Upsert, contact_write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoneiq_client import Operation

Action = Literal["create", "update", "upsert", "delete"]

STREAM: Final = "contacts"
"""The stream whose records are writes."""

CUSTOM_PREFIX = "custom_"
SDC_PREFIX = "_sdc_"
SALESFORCE_ID_STEM = 15
"""The part of a Salesforce id that its short and its long form share."""

NOT_JSON: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises where it refuses a text."""

DELETED_AT: Final = "_sdc_deleted_at"
"""The field that marks a contact that is deleted, with the time of it."""

# A record as the reconciler writes it: msgspec decodes and checks it in one step.
_PLAIN: Any = msgspec.defstruct(
    "PlainRecord",
    [
        ("id", str | None | msgspec.UnsetType, msgspec.UNSET),
        ("sdc_deleted_at", str | None | msgspec.UnsetType, msgspec.UNSET),
    ],
    bases=(contact_write(),),
    rename={"sdc_deleted_at": "_sdc_deleted_at"},
    forbid_unknown_fields=True,
)
_KNOWN = msgspec.defstruct("Known", [], bases=(contact_write(),), forbid_unknown_fields=False)
_WRONG_TYPE = re.compile(r"(.+) - at `\$\.(\w+)")

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder().decode
_decode_plain: Any = msgspec.json.Decoder(_PLAIN).decode
_decode_plain_list: Any = msgspec.json.Decoder(list[_PLAIN]).decode


class RefusedError(Exception):
    """A record that cannot be sent to PhoneIQ."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.detail = ErrorDetail(code=code, message=message, field=field)


class Write(ABC):
    """One change for one contact.

    Attributes:
        stream: The stream that it came from.
        id: The contact's id in PhoneIQ, where the record has it.
        external_id: The contact's `salesforce_id`, where the record has it.
        deleted: Whether the record asks for a deletion.
        size: About how many bytes its operation has; known when that was asked for.
    """

    __slots__ = ("deleted", "external_id", "id", "size", "stream")

    stream: str
    id: Any
    external_id: Any
    deleted: bool
    size: int

    @property
    def action(self) -> Action:
        """What the record asks for."""
        if self.deleted:
            return "delete"
        if self.id is not None:
            return "update"
        return "create" if self.external_id is None else "upsert"

    @property
    def keys(self) -> list[str]:
        """What names the contact: two writes that share one must not overtake each other."""
        keys = [] if self.id is None else [self.id]
        if self.external_id is not None:
            keys.append(str(self.external_id)[:SALESFORCE_ID_STEM])
        return keys

    @property
    @abstractmethod
    def record(self) -> dict[str, Any]:
        """The record that it came from."""

    @abstractmethod
    def operation(self) -> Operation | msgspec.Raw:
        """Return what PhoneIQ is to do. It may be asked for once.

        Raises:
            RefusedError: If the record is no operation.
        """

    def _operation(self, contact: dict[str, Any] | msgspec.Struct) -> Operation:
        if self.deleted:
            if self.id is None:
                message = "A deletion needs the contact's id."
                raise RefusedError("invalid_operation", message, "id")
            return Delete(self.id)
        return Upsert(contact) if self.id is None else Update(self.id, contact)


class PlainWrite(Write):
    """A write that needs nothing but the fields of its record, each of the right type."""

    __slots__ = ("_fields", "_line")

    def __init__(self, stream: str, line: msgspec.Raw, fields: Any = None) -> None:
        """Decode a record, unless that was done.

        Raises:
            msgspec.MsgspecError: If it is none of this kind: `RecordWrite` takes any.
            UnicodeDecodeError: If it is no text.
        """
        if fields is None:
            fields = _decode_plain(line)
        self.stream = stream
        self.id = fields.id or None
        self.external_id = fields.salesforce_id or None
        self.deleted = fields.sdc_deleted_at not in {msgspec.UNSET, None}
        self.size = len(line)
        self._line = line
        self._fields = fields

    @property
    def record(self) -> dict[str, Any]:
        """The record that it came from."""
        record: dict[str, Any] = _decode(self._line)
        return record

    def operation(self) -> Operation:
        """Return what PhoneIQ is to do."""
        _check_deleted_at(self._fields.sdc_deleted_at)
        self._fields.id = self._fields.sdc_deleted_at = msgspec.UNSET
        return self._operation(self._fields)


class RecordWrite(Write):
    """A write that any record asks for; custom fields, which are an account's own, come here."""

    __slots__ = ("record",)

    record: dict[str, Any]

    def __init__(self, stream: str, record: dict[str, Any]) -> None:
        self.stream = stream
        self.id = None if record.get("id") == "" else record.get("id")
        self.external_id = record.get("salesforce_id") or None
        self.deleted = record.get(DELETED_AT) is not None
        self.size = 0
        self.record = record

    def operation(self) -> msgspec.Raw:
        """Return what PhoneIQ is to do, as JSON."""
        if self.id is not None and not isinstance(self.id, str):
            message = f"An id is a text, this one is a {type(self.id).__name__}."
            raise RefusedError("invalid_field", message, "id")
        _check_deleted_at(self.record.get(DELETED_AT))
        contact = {} if self.deleted else self._contact()
        try:
            operation = _encode(self._operation(contact))
        except UnicodeEncodeError as error:
            message = "A text holds half a character."
            raise RefusedError("invalid_field", message) from error
        self.size = len(operation)
        return msgspec.Raw(operation)

    def _contact(self) -> dict[str, Any]:
        contact: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        for name, value in self.record.items():
            if name.startswith(CUSTOM_PREFIX) and name != "custom_fields":
                custom[name[len(CUSTOM_PREFIX) :]] = value
            elif name != "id" and not name.startswith(SDC_PREFIX):
                contact[name] = value
        if custom:
            given = contact.get("custom_fields")
            contact["custom_fields"] = {**given, **custom} if isinstance(given, dict) else custom
        try:
            msgspec.convert(contact, _KNOWN)
        except msgspec.ValidationError as error:
            _refuse_type(error)
        return contact


def _check_deleted_at(value: Any) -> None:
    """Refuse what may or may not mean a deletion: false, an empty text, a list.

    Raises:
        RefusedError: If it is neither a time nor null.
    """
    if value in (None, msgspec.UNSET) or (isinstance(value, str) and value):
        return
    found = "an empty text" if value == "" else f"a {type(value).__name__}"
    message = f"{DELETED_AT} is {found}; allowed is a time as text, or null for no deletion."
    raise RefusedError("invalid_field", message, DELETED_AT)


class Upserts(NamedTuple):
    """Writes in a row that send a record as it is, to its `salesforce_id` or as a new contact.

    Attributes:
        lines: The records.
        keys: What names the contact of each one, as in `Write.keys`; "" for a new one.
    """

    lines: list[msgspec.Raw]
    keys: list[str]


def sorted_out(lines: list[msgspec.Raw]) -> Iterator[Upserts | PlainWrite | msgspec.Raw]:
    """Say what records ask for, as many at once as can be.

    Args:
        lines: Records of the stream `contacts`.

    Yields:
        The same in the same order: what is neither upsert nor plain write needs a closer look.
    """
    upserts = Upserts([], [])
    for line, fields in zip(lines, _plain_fields(lines), strict=True):
        if (
            fields is not None
            and fields.id is msgspec.UNSET
            and fields.sdc_deleted_at is msgspec.UNSET
        ):
            upserts.lines.append(line)
            upserts.keys.append((fields.salesforce_id or "")[:SALESFORCE_ID_STEM])
            continue
        if upserts.lines:
            yield upserts
            upserts = Upserts([], [])
        yield line if fields is None else PlainWrite(STREAM, line, fields)
    if upserts.lines:
        yield upserts


def _plain_fields(lines: list[msgspec.Raw]) -> list[Any]:
    """Decode and check records; None stands for one that is no plain one."""
    try:
        fields: list[Any] = _decode_plain_list(b"[" + b",".join(lines) + b"]")
    except NOT_JSON:
        return list(map(_plain_fields_of_one, lines))
    return fields


def _plain_fields_of_one(line: msgspec.Raw) -> Any:
    try:
        return _decode_plain(line)
    except NOT_JSON:
        return None


def decode_json(text: msgspec.Raw | bytes | str) -> Any:
    """Decode a JSON text.

    One that is cut in an emoji is let through: only its record is to be refused then.

    Raises:
        ValueError: If it is none.
    """
    try:
        return _decode(text)
    except RecursionError:
        message = "it is nested too deeply"
        raise ValueError(message) from None
    except NOT_JSON:
        return json.loads(text if isinstance(text, str) else bytes(text), parse_constant=_refuse)


def _refuse(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _refuse_type(error: msgspec.ValidationError) -> NoReturn:
    found = _WRONG_TYPE.match(str(error))
    message, field = found.groups() if found else (str(error), None)
    raise RefusedError("invalid_field", f"{message}.", field) from error
