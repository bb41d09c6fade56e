"""The contact model, read from `openapi.yaml`: the one place that says what PhoneIQ looks like."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeAlias

import msgspec

FieldType = Literal[
    "string",
    "text",
    "email",
    "phone",
    "url",
    "boolean",
    "number",
    "integer",
    "datetime",
    "tags",
]


class ContactField(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a contact, as `GET /v1/contact_fields` describes it.

    Attributes:
        key: Its name; of a custom field, its key inside `custom_fields`.
        type: What its values are.
        label: Its name for people.
        max_length: Longest value in code points, where there is a limit.
        writable: Whether clients may write it.
        custom: Whether it is one of the account's own fields.
    """

    key: str
    type: FieldType
    label: str
    max_length: int | None
    writable: bool
    custom: bool


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much an account may ask for."""

    requests_per_minute: int
    batch_size: int
    page_size: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The account that a key belongs to."""

    id: str
    name: str
    key_label: str
    limits: Limits


class ContactPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list of contacts; `next_cursor` is None on the last one."""

    data: list[dict[str, Any]]
    next_cursor: str | None


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Why PhoneIQ refused a request or an operation."""

    code: str
    message: str
    field: str | None = None


class Upsert(msgspec.Struct, frozen=True, tag_field="op", tag="upsert"):
    """Change the contact that has the given `salesforce_id`, or create one."""

    contact: dict[str, Any] | msgspec.Struct | msgspec.Raw


class Update(msgspec.Struct, frozen=True, tag_field="op", tag="update"):
    """Change the given fields of a contact."""

    id: str
    contact: dict[str, Any] | msgspec.Struct


class Delete(msgspec.Struct, frozen=True, tag_field="op", tag="delete"):
    """Delete a contact."""

    id: str


Operation: TypeAlias = Upsert | Update | Delete


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one operation of a batch: `id` where it was done, `error` where not."""

    status: int
    id: str | None = None
    error: ErrorDetail | None = None


@cache
def openapi() -> dict[str, Any]:
    """Return the OpenAPI document (shared: copy it before you change it)."""
    document: dict[str, Any] = msgspec.yaml.decode(
        files("phoneiq_client").joinpath("openapi.yaml").read_bytes()
    )
    return document


@cache
def contact_write() -> type[msgspec.Struct]:
    """Return the type of what can be written to a contact, to decode and check it in one step.

    It has a field for each one of `ContactWrite`: UNSET is absent, None clears. A field of another
    name is refused, as is a value of another JSON type; lengths and patterns are PhoneIQ's matter.
    """
    properties = openapi()["components"]["schemas"]["ContactWrite"]["properties"]
    fields = [(key, _value_type(schema), msgspec.UNSET) for key, schema in properties.items()]
    return msgspec.defstruct("ContactWrite", fields, forbid_unknown_fields=True)


@cache
def standard_fields() -> tuple[ContactField, ...]:
    """Return the fields that the contacts of every account have, in the document's order."""
    properties = openapi()["components"]["schemas"]["Contact"]["properties"]
    return tuple(
        ContactField(
            key=key,
            type=schema["x-type"],
            label=schema["title"],
            max_length=schema.get("maxLength"),
            writable=not schema.get("readOnly", False),
            custom=False,
        )
        for key, schema in properties.items()
        if key != "custom_fields"
    )


def _value_type(schema: dict[str, Any]) -> Any:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _value_type(openapi()["components"]["schemas"][name])
    custom = dict[str, str | int | float | bool | None]
    types = {"string": str, "array": list[str], "object": custom}
    (kind,) = (kind for kind in schema["type"] if kind != "null")
    return types[kind] | None | msgspec.UnsetType
