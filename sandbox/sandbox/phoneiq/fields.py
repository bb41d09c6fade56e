"""The fields of the sandbox's PhoneIQ account, and the checks that a write has to pass.

The standard fields with their types and lengths come from `openapi.yaml`; the custom ones belong
to the account and are listed here.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from phoneiq_client.model import ContactField, openapi, standard_fields

CUSTOM_FIELDS = (
    ContactField(
        key="customer_number",
        type="string",
        label="Customer number",
        max_length=40,
        writable=True,
        custom=True,
    ),
    ContactField(
        key="vip", type="boolean", label="VIP", max_length=None, writable=True, custom=True
    ),
    ContactField(
        key="score", type="number", label="Score", max_length=None, writable=True, custom=True
    ),
)

_SCHEMAS: dict[str, Any] = openapi()["components"]["schemas"]["Contact"]["properties"]
_STANDARD = {field.key: field for field in standard_fields()}
_CUSTOM = {field.key: field for field in CUSTOM_FIELDS}
_PATTERNS = {
    key: re.compile(schema["pattern"]) for key, schema in _SCHEMAS.items() if "pattern" in schema
}
_ENUMS = {key: schema["enum"] for key, schema in _SCHEMAS.items() if "enum" in schema}
_MAX_TAGS: int = _SCHEMAS["tags"]["maxItems"]
_MAX_TAG: int = _SCHEMAS["tags"]["items"]["maxLength"]


class RefusedError(Exception):
    """A write that PhoneIQ does not carry out.

    Attributes:
        status: The HTTP status, alone or within a batch.
        code: The error's code.
        message: A sentence for people, without the value that was sent.
        field: The field that is refused, if it is one.
    """

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field

    def as_dict(self) -> dict[str, Any]:
        """Return the error as the API writes it."""
        return {"code": self.code, "message": self.message, "field": self.field}


def contact_fields() -> list[ContactField]:
    """Return every field of the account's contacts, the standard ones first."""
    return [*_STANDARD.values(), *CUSTOM_FIELDS]


def blank_contact() -> dict[str, Any]:
    """Return a contact with every field in the document's order and no value."""
    contact: dict[str, Any] = dict.fromkeys(_SCHEMAS)
    contact["custom_fields"] = {}
    return contact


def checked(sent: dict[str, Any]) -> dict[str, Any]:
    """Return the values to store for the fields that were sent.

    Blank text and empty lists are None. `custom_fields`, where it was sent, is a dict of the
    keys to write (None clears one), or None to clear all of them.

    Raises:
        RefusedError: A field is unknown, read-only, too long or malformed.
    """
    return {key: _checked_field(key, value) for key, value in sent.items()}


def _checked_field(key: str, value: Any) -> Any:
    if key == "custom_fields":
        return _checked_custom(value)
    field = _STANDARD.get(key)
    if field is None:
        raise RefusedError(422, "unknown_field", "PhoneIQ has no such field.", key)
    if not field.writable:
        _refuse(key, "This field is read-only.")
    if value is None:
        return None
    if field.type == "tags":
        return _checked_tags(key, value)
    if not isinstance(value, str):
        _refuse(key, "This field holds text.")
    if field.max_length is not None and len(value) > field.max_length:
        _refuse_length(key, field.max_length)
    if key in _ENUMS and value not in _ENUMS[key]:
        allowed = ", ".join(item for item in _ENUMS[key] if item is not None)
        _refuse(key, f"Allowed are {allowed} and null.")
    if key in _PATTERNS and not _PATTERNS[key].fullmatch(value):
        _refuse(key, f"The value does not look like: {field.label}.")
    return value if value.strip() else None


def _checked_tags(key: str, value: Any) -> list[str] | None:
    if not isinstance(value, list) or not all(isinstance(tag, str) and tag for tag in value):
        _refuse(key, "This field holds a list of texts that are not empty.")
    if len(value) > _MAX_TAGS:
        _refuse(key, f"At most {_MAX_TAGS} tags are allowed.")
    if any(len(tag) > _MAX_TAG for tag in value):
        _refuse_length(key, _MAX_TAG)
    return value or None


def _checked_custom(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        _refuse("custom_fields", "This field holds an object.")
    return {key: _checked_custom_field(key, item) for key, item in value.items()}


def _checked_custom_field(key: str, value: Any) -> Any:
    name = f"custom_fields.{key}"
    field = _CUSTOM.get(key)
    if field is None:
        raise RefusedError(422, "unknown_field", "The account has no such custom field.", name)
    if value is None:
        return None
    if field.type == "boolean":
        if not isinstance(value, bool):
            _refuse(name, "This field holds true or false.")
        return value
    if field.type == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            _refuse(name, "This field holds a number.")
        return value
    if not isinstance(value, str):
        _refuse(name, "This field holds text.")
    if field.max_length is not None and len(value) > field.max_length:
        _refuse_length(name, field.max_length)
    return value if value.strip() else None


def _refuse(field: str, message: str) -> NoReturn:
    raise RefusedError(422, "invalid_field", message, field)


def _refuse_length(field: str, limit: int) -> NoReturn:
    raise RefusedError(422, "value_too_long", f"At most {limit} characters are allowed.", field)
