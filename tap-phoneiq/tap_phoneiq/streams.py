"""The streams, a class each."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from singer_sdk import typing as th

from tap_phoneiq.client import PhoneIQStream, in_one_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phoneiq_client import ContactField
    from singer_sdk.helpers.types import Context, Record

_JSON_TYPES = {"boolean": "boolean", "number": "number", "integer": "integer", "tags": "array"}
_ALWAYS_SET = {"id", "created_at", "updated_at", "version"}


class ContactFieldsStream(PhoneIQStream):
    """The fields that contacts have in this account, custom fields included."""

    name = "contact_fields"
    primary_keys = ("key", "custom")
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("key", th.StringType, required=True),
        th.Property("type", th.StringType, required=True),
        th.Property("label", th.StringType, required=True),
        th.Property("max_length", th.IntegerType),
        th.Property("writable", th.BooleanType, required=True),
        th.Property("custom", th.BooleanType, required=True),
    ).to_dict()

    def get_records(self, context: Context | None) -> Iterable[Record]:  # noqa: ARG002
        """Yield a record per field."""
        yield from islice(map(msgspec.structs.asdict, self.fields), self.ABORT_AT_RECORD_COUNT)


class ContactsStream(PhoneIQStream):
    """Contacts in the order of their last change, deleted ones included as tombstones.

    A bookmark is the `updated_at` of the last record. PhoneIQ lists from there on, inclusive, so
    an extract can be taken up again in its middle and misses nothing.
    """

    name = "contacts"
    primary_keys = ("id",)
    replication_key = "updated_at"
    is_sorted = True
    STATE_MSG_FREQUENCY = 1000

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the account's contacts; custom fields are `custom_<key>`."""
        return {
            "type": "object",
            "properties": {_name(field): _schema(field) for field in self.fields},
            "required": sorted(_ALWAYS_SET),
        }

    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Yield the contacts that changed since the bookmark, or since `start_date`."""
        pages = self.api.contact_pages(
            updated_since=self.get_starting_timestamp(context),
            include_deleted=True,
            limit=self.config["page_size"],
        )
        # A test of the connection asks for few records: stopping here spares it an error.
        return islice(self._flat(pages), self.ABORT_AT_RECORD_COUNT)

    def _flat(self, pages: Iterable[list[Record]]) -> Iterator[Record]:
        custom = [(field.key, _name(field)) for field in self.fields if field.custom]
        with in_one_message():
            for page in pages:
                for contact in page:
                    values = contact.pop("custom_fields") or {}
                    for key, name in custom:
                        contact[name] = values.get(key)
                    yield contact


def _name(field: ContactField) -> str:
    return f"custom_{field.key}" if field.custom else field.key


def _schema(field: ContactField) -> dict[str, Any]:
    kind = _JSON_TYPES.get(field.type, "string")
    always_set = field.key in _ALWAYS_SET and not field.custom
    schema: dict[str, Any] = {"type": [kind] if always_set else [kind, "null"]}
    schema["title"] = field.label
    if field.type == "datetime":
        schema["format"] = "date-time"
    if field.type == "tags":
        schema["items"] = {"type": "string"}
    if field.max_length is not None and kind == "string":
        schema["maxLength"] = field.max_length
    return schema
