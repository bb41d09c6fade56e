"""A Salesforce and a PhoneIQ that are only tables: they give extracts and carry writes out.

A million records fit, since a record is kept as the JSON text that the extract needs.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import msgspec
from sandbox.clock import rfc3339
from sandbox.phoneiq.fields import CUSTOM_FIELDS, blank_contact, contact_fields
from sandbox.phoneiq.store import contact_id
from sandbox.salesforce import ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Record: TypeAlias = dict[str, Any]
Side: TypeAlias = Literal["salesforce", "phoneiq"]

#: What tap-salesforce extracts first, since a Contact's company is the name of its Account.
SALESFORCE_STREAMS = ("Account", "Contact", "Lead")

#: Records that each side's tap sends between two STATEs.
_STATE_EVERY: dict[Side, int] = {"salesforce": 1, "phoneiq": 1_000}
_CHUNK = 10_000
#: Later than any change of the generated people.
_NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
#: Far above the number of any generated record.
_FIRST_NEW = 50_000_000

_TABLE = """
CREATE TABLE record (
    change INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    body BLOB NOT NULL
)
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class _Message(msgspec.Struct):
    type: str
    stream: str = ""
    record: Record = {}
    value: Record = {}


class Applied(NamedTuple):
    """What a mapper sent.

    Attributes:
        writes: How many writes there were.
        marker: What it put into its STATE, for the next extract.
    """

    writes: int
    marker: Record


class Records:
    """The records of one side, in the order of their last change.

    Args:
        path: The file that they are in; it is made where there is none.
        side: Whose they are.
        fields: By stream, the fields that its records have.
    """

    def __init__(self, path: Path, side: Side, fields: dict[str, list[str]]) -> None:
        self.path = path
        self.side: Side = side
        self._fields = fields
        is_new = not path.exists()
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None)
        # What is lost in a crash is made anew.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA journal_mode = OFF")
        if is_new:
            self._db.execute(_TABLE)
        (last,) = self._db.execute("SELECT max(change) FROM record").fetchone()
        self._change: int = last or 0

    @property
    def position(self) -> int:
        """The number of the last change."""
        return self._change

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def copy(self, path: Path) -> Records:
        """The same records in another file, to be changed there."""
        shutil.copyfile(self.path, path)
        path.chmod(0o600)
        return Records(path, self.side, self._fields)

    def load(self, stream: str, records: Iterable[Record]) -> None:
        """Add records with every field of their stream, in the order of their last change."""
        records = iter(records)
        key = self._key
        while chunk := list(islice(records, _CHUNK)):
            rows = []
            for record in chunk:
                self._change += 1
                rows.append((self._change, stream, record[key], _encode(record)))
            self._db.execute("BEGIN")
            self._db.executemany("INSERT INTO record VALUES (?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")

    def apply(self, messages: Path) -> Applied:
        """Carry out what a mapper wrote for this side's target."""
        writes = 0
        marker: Record = {}
        decoder = msgspec.json.Decoder(_Message)
        self._db.execute("BEGIN")
        with messages.open("rb") as lines:
            for line in lines:
                message = decoder.decode(line)
                if message.type == "RECORD":
                    writes += 1
                    self._write(message.stream, message.record)
                elif message.type == "STATE":
                    marker = message.value["bookmarks"]["contact_sync"]
        self._db.execute("COMMIT")
        return Applied(writes, marker)

    def edit(self, count: int, field: str) -> None:
        """Change a text field of records that are spread over all, as people would."""
        (total,) = self._db.execute("SELECT count(*) FROM record").fetchone()
        found = self._db.execute(
            "SELECT stream, id FROM record WHERE change % ? = 0 AND stream NOT IN ('Account')"
            " ORDER BY change LIMIT ?",
            (max(total // (2 * count), 1), count),
        ).fetchall()
        self._db.execute("BEGIN")
        for number, (stream, record_id) in enumerate(found):
            self._write(stream, {self._key: record_id, field: f"Changed {number}"})
        self._db.execute("COMMIT")

    def one_with(self, *fields: str) -> Record:
        """A record that has a value in each of these fields."""
        bodies = self._db.execute("SELECT body FROM record ORDER BY change DESC")
        records = (_decode(body) for (body,) in bodies)
        return next(record for record in records if all(record[field] for field in fields))

    def extract(self, to: Path, *, after: int = 0, marker: Record | None = None) -> int:
        """Write what a tap sends: SCHEMAs, the records that changed since, STATEs.

        Args:
            to: The file for the messages.
            after: The last change that an earlier extract has shown.
            marker: What the mapper has added to the bookmark of that extract.

        Returns:
            How many records there are in it.
        """
        count = 0
        tail = f',"time_extracted":"{rfc3339(datetime.now(timezone.utc))}"}}\n'.encode()
        bookmarks: Record = {} if marker is None else {"contact_sync": marker}
        with _private(to) as file:
            for stream in self._fields:
                file.write(_encode(self._schema(stream)) + b"\n")
                head = f'{{"type":"RECORD","stream":"{stream}","record":'.encode()
                for change, body in self._changed(stream, after):
                    file.write(head + body + tail)
                    count += 1
                    if count % _STATE_EVERY[self.side] == 0:
                        bookmarks[stream] = self._bookmark(change)
                        file.write(self._state(stream, bookmarks))
                if count:
                    bookmarks[stream] = self._bookmark(self._change)
            file.write(self._state(None, bookmarks))
        return count

    @property
    def _key(self) -> str:
        return "Id" if self.side == "salesforce" else "id"

    def _changed(self, stream: str, after: int) -> Iterator[tuple[int, bytes]]:
        yield from self._db.execute(
            "SELECT change, body FROM record WHERE change > ? AND stream = ? ORDER BY change",
            (after, stream),
        )

    def _write(self, stream: str, write: Record) -> None:
        self._change += 1
        now = rfc3339(_NOW + timedelta(seconds=self._change))
        record_id = write.get(self._key)
        if record_id is None:
            record = self._new(stream, now) | write
        else:
            found = self._db.execute("SELECT body FROM record WHERE id = ?", (record_id,))
            record = _decode(found.fetchone()[0]) | write
        record["SystemModstamp" if self.side == "salesforce" else "updated_at"] = now
        if record_id is None:
            row = (self._change, stream, record[self._key], _encode(record))
            self._db.execute("INSERT INTO record VALUES (?, ?, ?, ?)", row)
        else:
            self._db.execute(
                "UPDATE record SET change = ?, body = ? WHERE id = ?",
                (self._change, _encode(record), record_id),
            )

    def _new(self, stream: str, now: str) -> Record:
        record: Record = dict.fromkeys(self._fields[stream])
        if self.side == "phoneiq":
            number = contact_id(_FIRST_NEW + self._change)
            return record | {"id": number, "created_at": now, "version": 1}
        record["Id"] = ids.make(stream, _FIRST_NEW + self._change)
        record["CreatedDate"] = now
        for flag in ("IsDeleted", "IsPersonAccount", "IsConverted"):
            if flag in record:
                record[flag] = False
        return record

    def _schema(self, stream: str) -> Record:
        schema = _contact_schema() if self.side == "phoneiq" else _schema(self._fields[stream])
        return {
            "type": "SCHEMA",
            "stream": stream,
            "schema": schema,
            "key_properties": [self._key],
            "bookmark_properties": [self._stamp],
        }

    @property
    def _stamp(self) -> str:
        return "SystemModstamp" if self.side == "salesforce" else "updated_at"

    def _bookmark(self, change: int) -> Record:
        at = rfc3339(_NOW + timedelta(seconds=change))
        if self.side == "salesforce":
            return {self._stamp: at}
        return {"replication_key": self._stamp, "replication_key_value": at}

    def _state(self, stream: str | None, bookmarks: Record) -> bytes:
        """A STATE within a stream, or the one that says that the extract is complete."""
        value: Record = {"bookmarks": bookmarks}
        if self.side == "salesforce":
            value["current_stream"] = stream
        elif stream is None:
            value["complete"] = True
        return _encode({"type": "STATE", "value": value}) + b"\n"


def _private(path: Path) -> Any:
    """A new file that only its owner may read."""
    path.unlink(missing_ok=True)
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))


def _schema(fields: Iterable[str]) -> Record:
    properties: Record = {}
    for field in fields:
        if field.startswith("Is"):
            properties[field] = {"type": ["null", "boolean"]}
        elif field.endswith(("Date", "Modstamp")):
            properties[field] = {"type": ["null", "string"], "format": "date-time"}
        else:
            properties[field] = {"type": ["null", "string"]}
    return {"type": "object", "properties": properties}


_JSON_TYPES = {"boolean": "boolean", "number": "number", "integer": "integer", "tags": "array"}


def _contact_schema() -> Record:
    """What tap-phoneiq says of an account's contacts."""
    properties: Record = {}
    for field in contact_fields():
        schema: Record = {"type": [_JSON_TYPES.get(field.type, "string"), "null"]}
        if field.type == "datetime":
            schema["format"] = "date-time"
        if field.type == "tags":
            schema["items"] = {"type": "string"}
        properties[f"custom_{field.key}" if field.custom else field.key] = schema
    return {"type": "object", "properties": properties}


def contact_stream_fields() -> list[str]:
    """The fields of tap-phoneiq's stream."""
    fields = [name for name in blank_contact() if name != "custom_fields"]
    return fields + [f"custom_{field.key}" for field in CUSTOM_FIELDS]
