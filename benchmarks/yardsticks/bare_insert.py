"""Puts the records of a stream into a new SQLite table: the least that storing them can take.

python -m benchmarks.yardsticks.bare_insert DATABASE < MESSAGES
"""

from __future__ import annotations

import sqlite3
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 10_000


class _Message(msgspec.Struct):
    type: str
    record: dict[str, Any] = {}


def _rows() -> Iterator[tuple[str, bytes]]:
    decode, encode = msgspec.json.Decoder(_Message).decode, msgspec.json.Encoder().encode
    for line in sys.stdin.buffer:
        message = decode(line)
        if message.type == "RECORD":
            record = message.record
            yield record.get("Id") or record["id"], encode(record)


def main(path: Path) -> None:
    """Store everything."""
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE record (number INTEGER PRIMARY KEY, id TEXT UNIQUE, body BLOB)")
    rows = _rows()
    while chunk := list(islice(rows, _CHUNK)):
        with database:
            database.executemany("INSERT INTO record (id, body) VALUES (?, ?)", chunk)
    database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
