"""A damaged ledger: one line, no data, and what to do."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import pytest
from reconciler.errors import LedgerError
from reconciler.ledger.database import Database
from sqlalchemy import text

from tests.reconciler.job import PIPES

SECRET = "Lovelace"
COMMANDS = [
    ("status",),
    ("plan",),
    ("explain", "+14155550132"),
    ("skips",),
    ("conflicts",),
    ("history",),
    ("export",),
    ("resync", "+14155550132"),
    ("pause",),
]


def folded(name):
    return name.casefold().encode()


def one_byte_in_a_name(path):
    content = path.read_bytes()
    assert folded(SECRET) in content
    path.write_bytes(content.replace(folded(SECRET), b"lovel\xffce"))


def one_byte_in_each_value(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(SECRET.encode(), b"Lovel\xffce"))


def cut_in_half(path):
    os.truncate(path, path.stat().st_size // 2)


def no_database(path):
    path.write_bytes(SECRET.encode() * 5_000)


def pages_of_garbage(path):
    content = bytearray(path.read_bytes())
    content[8_192:] = os.urandom(len(content) - 8_192)
    path.write_bytes(content)


def other_schema_version(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = 'x' WHERE key = 'schema_version'")


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "damage",
    [
        one_byte_in_a_name,
        one_byte_in_each_value,
        cut_in_half,
        no_database,
        pages_of_garbage,
        other_schema_version,
    ],
)
def test_a_damaged_file(seat, tmp_path, damage):
    job = seat.job
    record, _ = job.pair_up(LastName=SECRET)
    job.salesforce.edit(record, Title="Countess")
    job.pipe(PIPES[0])
    with closing(sqlite3.connect(job.ledger)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for log in job.ledger.parent.glob("ledger.db-*"):
        log.unlink()
    damage(job.ledger)
    before = job.ledger.read_bytes()
    refused = 0
    for command in COMMANDS:
        more = [str(tmp_path / "out.jsonl")] if command == ("export",) else []
        answer = seat.ask(*command, *more)
        assert SECRET.casefold()[:5] not in answer.text.casefold(), command
        assert "Traceback" not in answer.text
        if answer.code not in {0, 3, 4, 5}:
            refused += 1
            assert "the ledger is damaged" in answer.words, command
            assert "backup" in answer.words
            assert "meltano run --full-refresh contact-sync" in answer.words
    assert refused
    job.ledger.write_bytes(before)
    for pipe in PIPES:
        passed = job.pipe(pipe)
        assert "Traceback" not in passed.text
        assert SECRET[:5].casefold() not in passed.text.casefold()
        if passed.code:
            assert "the ledger is damaged" in passed.log[-1]


def test_no_error_of_postgresql_repeats_a_value(place):
    database = Database(place())
    insert = text("INSERT INTO meta (key, value) VALUES (:key, 'x')")
    for statement, values in (
        (insert, {"key": "ledger_id"}),
        (text("SELECT CAST(:value AS integer)"), {"value": SECRET}),
        (text("INSERT INTO runs (run, pipe) VALUES (1, :value)"), {"value": SECRET}),
    ):
        with pytest.raises(LedgerError) as raised, database.transaction() as connection:
            connection.execute(statement, values)
        assert SECRET not in str(raised.value)
        assert "ledger_id" not in str(raised.value)
        assert "SQLSTATE 2" in str(raised.value)
    database.close()
