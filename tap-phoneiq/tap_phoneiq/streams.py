"""The streams, a class each."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from singer_sdk import typing as th
from singer_sdk.mapper import SameRecordTransform

from tap_phoneiq.client import PhoneIQStream, in_one_message

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

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
        # A test of the connection asks for few records: stopping here spares it an error.
        return islice(chain.from_iterable(self._pages(context)), self.ABORT_AT_RECORD_COUNT)

    def _pages(self, context: Context | None) -> Iterator[list[Record]]:
        pages = self.api.contact_pages(
            updated_since=self.get_starting_timestamp(context),
            include_deleted=True,
            limit=self.config["page_size"],
        )
        custom = [(field.key, _name(field)) for field in self.fields if field.custom]
        with in_one_message():
            for page in pages:
                for contact in page:
                    values = contact.pop("custom_fields") or {}
                    for key, name in custom:
                        contact[name] = values.get(key)
                yield page

    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Record, Any, Any]:
        """Sync a page at a time, unless something is to be done to each record.

        Args:
            context: Not used by this stream.
            write_messages: Whether messages are written.
        """
        if not (write_messages and self.selected and self._passes_unchanged()):
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        unwanted = [name for name in self.schema["properties"] if not self.mask["properties", name]]
        unreported = 0
        with self.get_record_counter() as counter, self.get_sync_timer():
            self._write_starting_replication_value(context)
            for page in self._pages(context):
                self._write_page(page, unwanted)
                counter.increment(len(page))
                unreported += len(page)
                if unreported >= self.STATE_MSG_FREQUENCY:
                    self._write_state_message()
                    unreported = 0
                yield from page
        self._finalize_state(self.stream_state)
        self._write_state_message()

    def _passes_unchanged(self) -> bool:
        (stream_map, *others) = self.stream_maps
        return (
            not others
            and isinstance(stream_map, SameRecordTransform)
            and not stream_map.flattening_enabled
            and self.replication_method == "INCREMENTAL"
            and self.ABORT_AT_RECORD_COUNT is None
        )

    def _write_page(self, page: list[Record], unwanted: list[str]) -> None:
        changed = [contact["updated_at"] for contact in page]
        # In order, its ends say it all; else the SDK is to find the culprit.
        for contact in page[:1] + page[-1:] if changed == sorted(changed) else page:
            self._increment_stream_state(contact)
        self.state_manager.is_flushed = False
        for name in unwanted:
            for contact in page:
                contact.pop(name, None)
        now = datetime.now(timezone.utc).isoformat()
        self.writer.write_page(self.name, page, now)


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
