"""Singer messages out: the writes, as the targets take them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, Final

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerWriter

from reconciler.mapping.fields import stream_of
from reconciler.model import PHONEIQ, SALESFORCE, Side, Write


class MessageWriter(GenericSingerWriter[bytes, dict[str, Any]]):
    """Writes messages to standard output, flushed by whoever knows when it matters."""

    _encoder: Final = msgspec.json.Encoder()

    def serialize_message(self, message: dict[str, Any]) -> bytes:
        """One line of JSON."""
        return self._encoder.encode(message) + b"\n"

    def write_message(self, message: dict[str, Any]) -> None:
        """Write one message."""
        sys.stdout.buffer.write(self.serialize_message(message))

    def flush(self) -> None:
        """Pass on what was written."""
        sys.stdout.buffer.flush()


class Output:
    """Writes out, each stream described before its first record.

    Args:
        writer: Where messages go.
        schema_of: Gives the JSON Schema of a side's stream.
    """

    def __init__(
        self, writer: MessageWriter, schema_of: Callable[[Side, str], dict[str, Any]]
    ) -> None:
        self._writer = writer
        self._schema_of = schema_of
        self._described: set[str] = set()

    def write(self, write: Write) -> None:
        """Send one write."""
        stream = "contacts" if write.side == PHONEIQ else stream_of(write.object)
        if stream not in self._described:
            self._described.add(stream)
            self._writer.write_message(
                {
                    "type": "SCHEMA",
                    "stream": stream,
                    "schema": _with_deletion_mark(self._schema_of(write.side, stream)),
                    # A create has no id yet, and a target may insist on every key property.
                    "key_properties": [],
                }
            )
        self._writer.write_message({"type": "RECORD", "stream": stream, "record": _record(write)})


def _record(write: Write) -> dict[str, Any]:
    record: dict[str, Any] = {field: change.sent for field, change in write.changes.items()}
    if write.id is not None:
        record["Id" if write.side == SALESFORCE else "id"] = write.id
    if write.action == "delete":
        record["_sdc_deleted_at"] = datetime.now(timezone.utc).isoformat()
    return record


def _with_deletion_mark(schema: Mapping[str, Any]) -> dict[str, Any]:
    mark = {"type": ["string", "null"], "format": "date-time"}
    return {
        "type": "object",
        "properties": dict(schema["properties"]) | {"_sdc_deleted_at": mark},
    }
