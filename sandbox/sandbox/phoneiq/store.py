"""PhoneIQ's contacts in SQLite.

A contact is stored as the JSON text that the API sends, so a page is read without decoding it.
Beside it stand the few columns that the API orders and matches by.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from sandbox.clock import rfc3339
from sandbox.phoneiq.fields import RefusedError, blank_contact, checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sandbox.clock import Clock

_SCHEMA = """
CREATE TABLE IF NOT EXISTS contact (
    number INTEGER PRIMARY KEY,
    updated_at INTEGER NOT NULL UNIQUE,
    deleted INTEGER NOT NULL DEFAULT 0,
    salesforce_id TEXT,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS contact_salesforce_id ON contact (salesforce_id)
    WHERE deleted = 0 AND salesforce_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS answer (
    path TEXT NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (path, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answer_at ON answer (at);
"""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_DAY = 24 * 60 * 60 * 1_000_000
_LOAD_CHUNK = 10_000

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_PAIR_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_ID_SPACE = 1 << 60
_SCATTER = 0x5DEECE66D_CAFE9B  # odd, so that multiplying modulo 2**60 can be undone
_GATHER = pow(_SCATTER, -1, _ID_SPACE)


def contact_id(number: int) -> str:
    """Return the id of the contact that was created as the `number`-th (from 1).

    Ids look random but are only scattered numbers: the same history gives the same ids, and the
    row is found from its id without an index.
    """
    value = number * _SCATTER % _ID_SPACE
    return "pc_" + "".join([_PAIRS[value >> shift & 1023] for shift in (50, 40, 30, 20, 10, 0)])


def _number(id: str) -> int | None:  # noqa: A002
    """Return the number of the contact with this id; None where it cannot be one."""
    if len(id) != 15 or not id.startswith("pc_"):
        return None
    value = 0
    for start in range(3, 15, 2):
        digit = _PAIR_VALUES.get(id[start : start + 2])
        if digit is None:
            return None
        value = value << 10 | digit
    number = value * _GATHER % _ID_SPACE
    return number or None


def microseconds(moment: datetime) -> int:
    """Return the microseconds from 1970 to `moment`, which must have a time zone."""
    return (moment - _EPOCH) // _MICROSECOND


def _written(at: int) -> str:
    return rfc3339(_EPOCH + at * _MICROSECOND)


class ContactStore:
    """PhoneIQ's contacts, and the answers kept for repeated requests.

    Methods may be called from any thread; one works at a time.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        """Open the database at `path`, which is created where there is none."""
        self._clock = clock
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        self._read_ends()

    def _read_ends(self) -> None:
        row = self._db.execute("SELECT max(number), max(updated_at) FROM contact").fetchone()
        self._last_number: int = row[0] or 0
        self._last_change: int = row[1] or 0

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside one transaction, which no other thread looks into.

        A refused write inside changes nothing by itself (it is checked before it is carried out),
        so there is nothing to roll back but on an unforeseen error.
        """
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                self._read_ends()
                raise
            self._db.execute("COMMIT")

    def _change_time(self) -> int:
        """Return the time of the next change: now, and later than every change before."""
        self._last_change = max(microseconds(self._clock.now()), self._last_change + 1)
        return self._last_change

    def _live(self, id: str) -> tuple[int, dict[str, Any]]:  # noqa: A002
        row = self._db.execute(
            "SELECT number, body FROM contact WHERE number = ? AND deleted = 0", (_number(id),)
        ).fetchone()
        if row is None:
            raise RefusedError(404, "not_found", "There is no such contact.")
        return row[0], msgspec.json.decode(row[1])

    def _check_free(self, salesforce_id: str | None, number: int | None) -> None:
        if salesforce_id is None:
            return
        row = self._db.execute(
            "SELECT number FROM contact WHERE salesforce_id = ? AND deleted = 0", (salesforce_id,)
        ).fetchone()
        if row is not None and row[0] != number:
            raise RefusedError(
                409,
                "salesforce_id_taken",
                "Another contact has this salesforce_id.",
                "salesforce_id",
            )

    def get(self, id: str, *, include_deleted: bool = False) -> dict[str, Any]:  # noqa: A002
        """Return a contact.

        Raises:
            RefusedError: 404, there is none, or it is deleted and those do not count.
        """
        with self._lock:
            row = self._db.execute(
                "SELECT body, deleted FROM contact WHERE number = ?", (_number(id),)
            ).fetchone()
        if row is None or (row[1] and not include_deleted):
            raise RefusedError(404, "not_found", "There is no such contact.")
        contact: dict[str, Any] = msgspec.json.decode(row[0])
        return contact

    def id_of(self, salesforce_id: str) -> str | None:
        """Return the id of the contact, not deleted, that has this `salesforce_id`."""
        with self._lock:
            row = self._db.execute(
                "SELECT number FROM contact WHERE salesforce_id = ? AND deleted = 0",
                (salesforce_id,),
            ).fetchone()
        return None if row is None else contact_id(row[0])

    def create(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Create a contact and return it.

        Raises:
            RefusedError: 409 or 422, the contact is not created.
        """
        values = checked(sent)
        values["custom_fields"] = {
            key: value
            for key, value in (values.get("custom_fields") or {}).items()
            if value is not None
        }
        with self.transaction():
            self._check_free(values.get("salesforce_id"), None)
            at = self._change_time()
            number = self._last_number + 1
            now = _written(at)
            contact = blank_contact() | values
            contact |= {
                "id": contact_id(number),
                "created_at": now,
                "updated_at": now,
                "version": 1,
            }
            self._db.execute(
                "INSERT INTO contact (number, updated_at, salesforce_id, body) VALUES (?, ?, ?, ?)",
                (number, at, contact["salesforce_id"], _encoded(contact)),
            )
            self._last_number = number
        return contact

    def update(
        self,
        id: str,  # noqa: A002
        sent: dict[str, Any],
        *,
        if_version: int | None = None,
    ) -> dict[str, Any]:
        """Change the fields that were sent, and return the contact as it is then.

        Raises:
            RefusedError: 404, 409, 412 (it is not at `if_version`) or 422; nothing is changed.
        """
        with self.transaction():
            number, contact = self._live(id)
            if if_version is not None and contact["version"] != if_version:
                raise RefusedError(412, "version_mismatch", "The contact has another version.")
            values = checked(sent)
            if "custom_fields" in values:
                values["custom_fields"] = _merged(contact["custom_fields"], values["custom_fields"])
            if all(contact[key] == value for key, value in values.items()):
                return contact
            self._check_free(values.get("salesforce_id"), number)
            contact |= values
            self._save(number, contact)
        return contact

    def delete(self, id: str) -> None:  # noqa: A002
        """Delete a contact; its tombstone stays.

        Raises:
            RefusedError: 404, there is none.
        """
        with self.transaction():
            number, contact = self._live(id)
            self._save(number, contact, deleted=True)

    def _save(self, number: int, contact: dict[str, Any], *, deleted: bool = False) -> None:
        at = self._change_time()
        contact["updated_at"] = _written(at)
        contact["version"] += 1
        if deleted:
            contact["deleted_at"] = contact["updated_at"]
        self._db.execute(
            "UPDATE contact SET updated_at = ?, deleted = ?, salesforce_id = ?, body = ?"
            " WHERE number = ?",
            (at, deleted, contact["salesforce_id"], _encoded(contact), number),
        )

    def page(
        self, *, after: int, include_deleted: bool, limit: int
    ) -> tuple[list[str], int | None]:
        """Return contacts that changed after `after` (microseconds), as JSON texts.

        Returns:
            At most `limit` contacts in the order of their last change, and the time after which
            the next page starts, None if this is the last. No two contacts share that time, so
            it is a place in the list: one that does not change keeps its place, whatever
            happens to others.
        """
        with self._lock:
            rows = self._db.execute(
                "SELECT updated_at, body FROM contact WHERE updated_at > ? AND deleted <= ?"
                " ORDER BY updated_at LIMIT ?",
                (after, include_deleted, limit + 1),
            ).fetchall()
        place = rows[limit - 1][0] if len(rows) > limit else None
        return [row[1] for row in rows[:limit]], place

    def count(self, *, include_deleted: bool = False) -> int:
        """Return how many contacts there are."""
        with self._lock:
            row = self._db.execute(
                "SELECT count(*) FROM contact WHERE deleted <= ?", (include_deleted,)
            ).fetchone()
        count: int = row[0]
        return count

    def kept_answer(self, path: str, key: str) -> tuple[int, bytes] | None:
        """Return status and body of the first answer to this Idempotency-Key in 24 hours."""
        with self._lock:
            row: tuple[int, bytes] | None = self._db.execute(
                "SELECT status, body FROM answer WHERE path = ? AND key = ? AND at > ?",
                (path, key, microseconds(self._clock.now()) - _DAY),
            ).fetchone()
        return row

    def keep_answer(self, path: str, key: str, status: int, body: bytes) -> None:
        """Keep the answer to an Idempotency-Key for 24 hours, and drop older ones."""
        now = microseconds(self._clock.now())
        with self.transaction():
            self._db.execute("DELETE FROM answer WHERE at <= ?", (now - _DAY,))
            self._db.execute(
                "INSERT OR REPLACE INTO answer (path, key, at, status, body)"
                " VALUES (?, ?, ?, ?, ?)",
                (path, key, now, status, body),
            )

    def reset(self) -> None:
        """Forget everything."""
        with self.transaction():
            self._db.execute("DELETE FROM contact")
            self._db.execute("DELETE FROM answer")
            self._read_ends()

    def load(self, contacts: Iterable[dict[str, Any]]) -> None:
        """Add many contacts, unchecked and fast.

        Each has the fields of a contact that it has values for, in the form in which they are
        stored, with `created_at` and `updated_at` as aware datetimes, `updated_at` later than
        that of the one before, and `deleted_at` where it is deleted.
        """
        blank = blank_contact()
        contacts = iter(contacts)
        while chunk := list(islice(contacts, _LOAD_CHUNK)):
            rows = []
            with self.transaction():
                for given in chunk:
                    self._last_number += 1
                    self._last_change = at = microseconds(given["updated_at"])
                    contact = blank | given
                    contact["id"] = contact_id(self._last_number)
                    contact["version"] = given.get("version", 1)
                    for key in ("created_at", "updated_at", "deleted_at"):
                        if contact[key] is not None:
                            contact[key] = rfc3339(contact[key])
                    rows.append(
                        (
                            self._last_number,
                            at,
                            contact["deleted_at"] is not None,
                            contact["salesforce_id"],
                            _encoded(contact),
                        )
                    )
                self._db.executemany("INSERT INTO contact VALUES (?, ?, ?, ?, ?)", rows)


_encode = msgspec.json.Encoder().encode


def _encoded(contact: dict[str, Any]) -> str:
    return _encode(contact).decode()


def _merged(stored: dict[str, Any], sent: dict[str, Any] | None) -> dict[str, Any]:
    if sent is None:
        return {}
    return {key: value for key, value in {**stored, **sent}.items() if value is not None}
