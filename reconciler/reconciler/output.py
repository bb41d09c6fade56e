"""Singer messages out: the writes, as the targets take them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Final

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerWriter

from reconciler.ending import whole
from reconciler.fields.defaults import stream_of
from reconciler.model import PHONEIQ, SALESFORCE, Side, Write

_encode: Final = msgspec.json.Encoder().encode

#: Parts of messages that are sent at once.
_TOGETHER: Final = 300


class MessageWriter(GenericSingerWriter[bytes, dict[str, Any]]):
    """Writes messages to standard output, flushed by whoever knows when it matters."""

    _encoder: Final = msgspec.json.Encoder()

    def serialize_message(self, message: dict[str, Any]) -> bytes:
        """One line of JSON."""
        return self._encoder.encode(message) + b"\n"

    def write_message(self, message: dict[str, Any]) -> None:
        """Write one message."""
        self.write_lines([self.serialize_message(message)])

    def write_lines(self, lines: Iterable[bytes]) -> None:
        """Write parts of messages that are encoded already."""
        together = b"".join(lines)
        with whole():
            sys.stdout.buffer.write(together)

    def flush(self) -> None:
        """Pass on what was written."""
        with whole():
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
        #: By object, how a line of its stream begins.
        self._heads: dict[str, bytes] = {}

    def send(self, writes: Sequence[Write], is_paused: Callable[[], bool]) -> None:
        """Send writes, up to the one before which somebody pauses the sync."""
        lines: list[bytes] = []
        for write in writes:
            if is_paused():
                break
            name = write.object if write.side == SALESFORCE else PHONEIQ
            head = self._heads.get(name)
            if head is None:
                head = self._heads[name] = self._head(write, lines)
            lines += (head, _encode(_record(write)), b"}\n")
            if len(lines) >= _TOGETHER:
                self._writer.write_lines(lines)
                lines.clear()
        self._writer.write_lines(lines)
        self._writer.flush()

    def _head(self, write: Write, lines: list[bytes]) -> bytes:
        """How the lines of a write's stream begin; its SCHEMA comes before the first of them."""
        stream = "contacts" if write.side == PHONEIQ else stream_of(write.object)
        if stream not in self._described:
            self._described.add(stream)
            schema = {
                "type": "SCHEMA",
                "stream": stream,
                "schema": _with_deletion_mark(self._schema_of(write.side, stream)),
                # A create has no id yet, and a target may insist on every key property.
                "key_properties": [],
            }
            lines.append(self._writer.serialize_message(schema))
        return b'{"type":"RECORD","stream":%b,"record":' % _encode(stream)


def _record(write: Write) -> dict[str, Any]:
    if write.id is None:
        return write.sent
    record: dict[str, Any] = {**write.sent, "Id" if write.side == SALESFORCE else "id": write.id}
    if write.action == "delete":
        record["_sdc_deleted_at"] = datetime.now(timezone.utc).isoformat()
    return record


def _with_deletion_mark(schema: Mapping[str, Any]) -> dict[str, Any]:
    mark = {"type": ["string", "null"], "format": "date-time"}
    return {
        "type": "object",
        "properties": dict(schema["properties"]) | {"_sdc_deleted_at": mark},
    }
