"""A sync that moves to another ledger goes on there."""

from __future__ import annotations

import json
import sqlite3

import pytest

from tests.operator.conftest import Seat
from tests.reconciler.job import Job, files


@pytest.fixture(
    params=[("sqlite", "sqlite"), ("sqlite", "postgresql"), ("postgresql", "sqlite")],
    ids="-to-".join,
)
def seat(request, tmp_path):
    """The seat at a job whose first ledger is of one kind and whose next ones are of another."""
    kinds = iter(request.param)
    new_file = files(tmp_path)

    def new():
        kind = next(kinds, request.param[-1])
        return new_file() if kind == "sqlite" else request.getfixturevalue("place")()

    return Seat(Job(tmp_path, new))


@pytest.fixture
def moved(seat, tmp_path):
    """The seat at a new ledger that has imported the old one, and what was known there."""
    old, job = seat.job.ledger_url, seat.job
    found = job.phoneiq.create(first_name="Ada", mobile_phone="+14155550132", job_title="Old")
    pair = job.pair_up(Title="Countess")
    assert pair[1] == found
    seat.made = job.pair_up(FirstName="Bo", MobilePhone="+14155550199")
    seat.gone = job.pair_up(FirstName="Cy", MobilePhone="+14155550177")
    job.phoneiq.delete(seat.gone[1])
    seat.secret = job.pair_up(FirstName="Di", MobilePhone="+14155550166")
    seat.done("forget", seat.secret[0], "--yes")
    job.settle()
    seat.file = tmp_path / "sync.jsonl"
    seat.done("export", str(seat.file))
    job.lose_ledger()
    answer = seat.done("import", str(seat.file))
    assert "2 pairs and 1 single records" in answer.words
    assert "meltano run --full-refresh contact-sync" in answer.words
    seat.old = old
    job.states.clear()
    job.forget_written()
    seat.pair = pair
    return seat


def test_nothing_is_written_after_a_move(moved):
    before = moved.job.phoneiq.everything(), moved.job.salesforce.everything()
    moved.job.settle()
    assert (moved.job.phoneiq.everything(), moved.job.salesforce.everything()) == before
    assert moved.json("status")["pairs"] == {"Contact": 2}
    assert moved.json("status")["state"] == "active"


def test_edits_made_meanwhile_travel_by_the_old_baseline(moved):
    salesforce, phoneiq = moved.pair
    moved.job.phoneiq.edit(phoneiq, job_title="Programmer")
    moved.job.settle()
    assert moved.job.salesforce.get(salesforce)["Title"] == "Programmer"
    assert moved.json("conflicts") == []


def test_bookmarks_of_the_old_ledger_are_refused(moved):
    new = moved.job.ledger_url
    moved.job.ledger_url = moved.old
    moved.job.run()
    moved.job.ledger_url = new
    passed = moved.job.run()[-1]
    assert passed.code == 1
    assert "--full-refresh" in passed.text


def test_the_released_and_the_forgotten_stay_so(moved):
    moved.job.settle()
    assert [row["id"] for row in moved.json("skips", "--reason", "released")] == [moved.gone[0]]
    assert "knows no record" in moved.refused("explain", moved.secret[0]).words


def test_a_revert_still_knows_what_was_created_and_overwritten(moved):
    moved.job.settle()
    moved.done("delete", "--revert", "--restore", "--force", "--yes")
    moved.job.run()
    moved.job.run()
    assert moved.json("status")["why"].startswith("deleted on")
    assert moved.job.phoneiq.get(moved.pair[1])["job_title"] == "Old"
    assert moved.job.phoneiq.get(moved.pair[1])["salesforce_id"] is None
    assert moved.job.phoneiq.get(moved.made[1])["deleted_at"]


def test_the_file_is_its_owners_own_and_never_overwritten(moved):
    assert moved.file.stat().st_mode & 0o777 == 0o600
    assert "cannot be made: File exists" in moved.refused("export", str(moved.file)).words


def test_what_was_taken_back_and_who_was_unpaired_stay_so(seat, tmp_path):
    job = seat.job
    record, contact = job.pair_up(Title="Clerk")
    job.salesforce.edit(record, Title="Countess")
    job.settle()
    number = "+14155550188"
    other = job.salesforce.create("Contact", FirstName="Bo", LastName="One", MobilePhone=number)
    stranger = job.phoneiq.create(first_name="Cy", last_name="Two", mobile_phone=number)
    job.settle()
    seat.done("unpair", other)
    (run,) = (
        write["run"]
        for one in seat.json("explain", contact)[0]["records"]
        for write in one["sent"]
        if write["changes"].get("job_title", [None])[0] == "Clerk"
    )
    seat.done("undo", str(run), "--yes")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "Clerk"
    seat.done("export", str(tmp_path / "sync.jsonl"))
    job.lose_ledger()
    seat.done("import", str(tmp_path / "sync.jsonl"))
    job.states.clear()
    job.forget_written()
    job.run()
    job.run()
    assert job.phoneiq.written == job.salesforce.written == []
    job.salesforce.edit(other, Title="Clerk")
    job.settle()
    assert job.phoneiq.get(stranger)["job_title"] is None
    job.salesforce.edit(record, Title="Analyst")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"


def test_a_ledger_that_holds_records_is_refused(moved):
    moved.job.settle()
    answer = moved.refused("import", str(moved.file))
    assert "holds records already" in answer.words
    assert "--ledger-url" in answer.words
    assert moved.json("status")["pairs"] == {"Contact": 2}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "was not made by the command export"),
        ("nonsense\n", "line 1"),
        ('{"contact_sync": 99, "salt": "x"}\n', "was not made by the command export"),
        ('{"contact_sync": 1, "salt": "x"}\n{"pair": {"why": "phone"}}\n', "is damaged"),
        ('{"contact_sync": 1, "salt": "x"}\n[]\n', "line 2"),
    ],
)
def test_a_file_that_is_none(seat, tmp_path, content, says):
    path = tmp_path / "file.jsonl"
    path.write_text(content)
    assert says in seat.refused("import", str(path)).words
    assert "cannot be read" in seat.refused("import", str(tmp_path / "none")).words


def test_half_a_file_imports_nothing(moved, tmp_path):
    lines = moved.file.read_text().splitlines()
    cut = tmp_path / "cut.jsonl"
    cut.write_text("\n".join([*lines[:-1], lines[-1][:40]]) + "\n")
    moved.job.lose_ledger()
    assert f"line {len(lines)}" in moved.refused("import", str(cut)).words
    assert Seat(moved.job).json("status")["pairs"] == {}
    assert json.loads(lines[0])["settings"]["objects"] == ["Contact", "Lead"]


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (-2, "export with the older reconciler"),
        (-1, "the next run brings it up to date: meltano run contact-sync"),
        (+1, "install the newer reconciler"),
    ],
)
def test_a_ledger_of_another_version_is_left_alone(tmp_path, version, says):
    seat = Seat(Job(tmp_path))
    seat.job.run()
    file = seat.job.ledger_url.partition(":///")[2]
    with sqlite3.connect(file) as ledger:
        ledger.execute("UPDATE meta SET value = value + ? WHERE key = 'schema_version'", (version,))
    ledger.close()
    assert says in seat.refused("status").words
