"""A ledger of an older schema version, with data, is brought up to date by the next run."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from reconciler.ledger.tables import SCHEMA_VERSION

from tests.operator.conftest import Seat

pytestmark = pytest.mark.sqlite_only

#: A ledger that schema version 3 has written, as SQL, and the bookmarks that go with it.
VERSION_3 = Path(__file__).parent / "version_3"


@pytest.fixture
def older(job):
    """A job whose ledger is of version 3; its platforms show what that ledger holds."""
    record, contact = job.pair_up()
    job.salesforce.edit(record, Title="Countess")
    job.salesforce.create("Contact", FirstName="Zed")
    job.settle()
    job.forget_written()
    for file in job.ledger.parent.glob("ledger.db*"):
        file.unlink()
    with closing(sqlite3.connect(job.ledger)) as connection:
        connection.executescript((VERSION_3 / "ledger.sql").read_text())
    job.states = json.loads((VERSION_3 / "states.json").read_text())
    job.pair = record, contact
    return job


def version_of(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()[
            0
        ]


def test_the_next_run_brings_it_up_to_date_and_goes_on(older):
    record, contact = older.pair
    older.phoneiq.edit(contact, email="ada@example.com")
    older.settle()
    assert version_of(older.ledger) == str(SCHEMA_VERSION)
    assert older.salesforce.get(record)["Email"] == "ada@example.com"
    assert older.phoneiq.get(contact)["job_title"] == "Countess"
    assert len(older.phoneiq.live()) == 1
    assert len(older.phoneiq.written) == 0
    (skip,) = older.ask("skips")
    assert skip["reason"] == "no_valid_phone"


def test_what_an_older_version_wrote_is_taken_back(older):
    _, contact = older.pair
    older.settle()
    seat = Seat(older)
    (run,) = (
        write["run"]
        for one in seat.json("explain", contact)[0]["records"]
        for write in one["sent"]
        if "job_title" in write["changes"]
    )
    seat.done("undo", str(run), "--yes")
    older.settle()
    assert older.phoneiq.get(contact)["job_title"] is None
    assert older.salesforce.get(older.pair[0])["Title"] == "Countess"


def test_a_backup_is_made_before(older):
    older.settle()
    (backup,) = (older.ledger.parent / "backups").iterdir()
    assert version_of(backup) == "3"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


@pytest.mark.parametrize("command", ["status", "plan", "skips", "backup"])
def test_commands_say_that_the_next_run_brings_it_up_to_date(older, command):
    answer = Seat(older).refused(command)
    assert "the next run brings it up to date: meltano run contact-sync" in answer.words
    assert version_of(older.ledger) == "3"
