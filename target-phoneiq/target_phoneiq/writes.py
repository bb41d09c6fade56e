"""From a Singer record to one write in PhoneIQ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from phoneiq_client import Delete, ErrorDetail, Update, Upsert

if TYPE_CHECKING:
    from phoneiq_client import Operation

Action = Literal["create", "update", "upsert", "delete"]

CUSTOM_PREFIX = "custom_"
SDC_PREFIX = "_sdc_"
SALESFORCE_ID_STEM = 15
"""The part of a Salesforce id that its short and its long form share."""

_encoder = msgspec.json.Encoder(decimal_format="number")


class RefusedError(Exception):
    """A record that cannot be sent to PhoneIQ."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.detail = ErrorDetail(code=code, message=message, field=field)


class Write:
    """One change for one contact.

    Attributes:
        stream: The stream that it came from.
        record: The record that it came from.
        id: The contact's id in PhoneIQ, where the record has it.
        external_id: The contact's `salesforce_id`, where the record has it.
        action: What the record asks for.
        keys: What names the contact: two writes that share one must not overtake each other.
    """

    __slots__ = ("action", "external_id", "id", "keys", "record", "stream")

    def __init__(self, stream: str, record: dict[str, Any]) -> None:
        self.stream = stream
        self.record = record
        self.id = _not_blank(record.get("id"))
        self.external_id = _not_blank(record.get("salesforce_id"))
        self.action: Action
        if record.get("_sdc_deleted_at") is not None:
            self.action = "delete"
        elif self.id is not None:
            self.action = "update"
        else:
            self.action = "create" if self.external_id is None else "upsert"
        self.keys: list[str] = []
        if self.id is not None:
            self.keys.append(f"id {self.id}")
        if self.external_id is not None:
            self.keys.append(f"salesforce {str(self.external_id)[:SALESFORCE_ID_STEM]}")

    def encode(self) -> bytes:
        """Return the operation for PhoneIQ as JSON.

        Raises:
            RefusedError: If the record cannot be one.
        """
        try:
            return _encoder.encode(self._operation())
        except UnicodeEncodeError as error:
            message = "A text holds half a character."
            raise RefusedError("invalid_field", message) from error

    def _operation(self) -> Operation:
        if self.id is not None and not isinstance(self.id, str):
            message = f"An id is a text, this one is a {type(self.id).__name__}."
            raise RefusedError("invalid_field", message, "id")
        if self.action == "delete":
            if self.id is None:
                message = "A deletion needs the contact's id."
                raise RefusedError("invalid_operation", message, "id")
            return Delete(self.id)
        contact = _contact(self.record)
        return Upsert(contact) if self.id is None else Update(self.id, contact)


def _not_blank(value: Any) -> Any:
    return None if value == "" else value


def _contact(record: dict[str, Any]) -> dict[str, Any]:
    contact: dict[str, Any] = {}
    custom: dict[str, Any] = {}
    for name, value in record.items():
        if name.startswith(CUSTOM_PREFIX) and name != "custom_fields":
            custom[name[len(CUSTOM_PREFIX) :]] = value
        elif name != "id" and not name.startswith(SDC_PREFIX):
            contact[name] = value
    if custom:
        given = contact.get("custom_fields")
        contact["custom_fields"] = {**given, **custom} if isinstance(given, dict) else custom
    return contact
