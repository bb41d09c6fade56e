"""Pause and resume, resync, forget."""

from __future__ import annotations

import json
import sqlite3

import pytest
from reconciler.ledger.tables import metadata
from sqlalchemy import create_engine, event, select
from sqlalchemy.engine import Engine

from reconciler import output, run
from tests.reconciler.job import OBSERVE, PIPES, TO_PHONEIQ, lost_from


def test_a_paused_sync_stores_and_writes_nothing(seat):
    record, contact = seat.job.pair_up()
    seat.done("pause")
    seat.job.salesforce.edit(record, Title="Countess")
    seat.job.phoneiq.edit(contact, email="ada@example.org")
    passed = seat.job.run()
    assert [one.code for one in passed] == [0, 0, 0]
    assert not any(one.records for one in passed)
    assert "contact-sync resume" in passed[1].text
    seat.done("resume")
    seat.job.settle()
    assert seat.job.phoneiq.get(contact)["job_title"] == "Countess"
    assert seat.job.salesforce.get(record)["Email"] == "ada@example.org"


def test_pausing_twice_and_resuming_twice(seat):
    seat.job.run()
    seat.done("pause")
    assert "contact-sync resume" in seat.done("pause").words
    seat.done("resume")
    assert "not paused" in seat.done("resume").words


def test_a_pause_in_the_middle_of_the_first_pass(seat):
    """Edits on both sides meanwhile; everything arrives, nothing twice."""
    records = [
        seat.job.salesforce.create("Contact", FirstName=f"P{n}", MobilePhone=f"+141555501{n:02}")
        for n in range(30)
    ]
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ, target=lost_from(12))
    seat.done("pause")
    for number, record in enumerate(records):
        seat.job.salesforce.edit(record, Title=f"Title {number}")
    for contact in seat.job.phoneiq.live():
        seat.job.phoneiq.edit(contact["id"], email=f"{contact['id']}@example.org")
    written = len(seat.job.phoneiq.written)
    assert written
    seat.job.run()
    assert len(seat.job.phoneiq.written) == written
    seat.done("resume")
    seat.job.settle()
    assert len(seat.job.phoneiq.live()) == len(records)
    for number, record in enumerate(records):
        contact = seat.job.contact_of(record)
        assert contact["job_title"] == f"Title {number}"
        assert contact["email"] == seat.job.salesforce.get(record)["Email"]
    assert sum(bool(row["email"]) for row in seat.job.phoneiq.live()) == written


def test_a_run_under_way_heeds_a_pause_at_its_next_write(seat, monkeypatch):
    """The operator's word comes between two writes of a running pipe."""
    for number in range(5):
        seat.job.salesforce.create("Contact", FirstName="P", MobilePhone=f"+1415555010{number}")
    seat.job.pipe(OBSERVE)
    monkeypatch.setattr(run, "_ATTENTION", 0)
    encoded, sent = output._record, []

    def pausing(one):
        sent.append(one)
        if len(sent) == 2:
            seat.done("pause")
        return encoded(one)

    monkeypatch.setattr(output, "_record", pausing)
    passed = seat.job.pipe(TO_PHONEIQ)
    assert passed.code == 0
    assert len(passed.records) == 2
    seat.done("resume")
    seat.job.settle()
    assert len(seat.job.phoneiq.live()) == 5
    assert len(seat.job.phoneiq.written) == 5


# --- resync --------------------------------------------------------------------------------


def test_a_released_record_is_taken_up_again(seat):
    record, contact = seat.job.pair_up()
    seat.job.phoneiq.delete(contact)
    seat.job.settle()
    assert not seat.job.phoneiq.live()
    assert "meltano run contact-sync" in seat.done("resync", record).words
    seat.job.settle()
    assert seat.job.contact_of(record)["first_name"] == "Ada"


def test_a_flapping_field_is_tried_again(seat):
    record, contact = seat.job.pair_up()
    rule = lambda row: {"job_title": "Fixed"} if row["job_title"] else {}  # noqa: E731
    seat.job.phoneiq.rules.append(rule)
    seat.job.settings["field_mappings"] = {
        "Contact": [
            {"salesforce": "FirstName", "phoneiq": "first_name"},
            {"salesforce": "LastName", "phoneiq": "last_name"},
            {"salesforce": "MobilePhone", "phoneiq": "mobile_phone"},
            {"salesforce": "Title", "phoneiq": "job_title", "direction": "salesforce_to_phoneiq"},
        ]
    }
    seat.job.salesforce.edit(record, Title="Countess")
    for _ in range(8):
        seat.job.run()
    assert [row["reason"] for row in seat.json("skips")] == ["flapping"]
    seat.job.phoneiq.rules.clear()
    seat.done("resync", contact)
    seat.job.settle()
    assert seat.json("skips") == []
    assert seat.job.phoneiq.get(contact)["job_title"] == "Countess"


def test_a_write_that_is_not_accepted_is_counted_anew(seat):
    def refusing(messages):
        return [message for message in messages if message["type"] != "RECORD"]

    record, _ = seat.job.pair_up()
    seat.job.salesforce.edit(record, Title="Countess")
    for _ in range(4):
        for pipe in PIPES:
            seat.job.pipe(pipe, target=refusing if pipe == TO_PHONEIQ else list)
    assert seat.json("status")["colour"] == "red"
    seat.done("resync", record)
    assert seat.json("status")["colour"] == "green"
    seat.job.settle()
    assert seat.job.contact_of(record)["job_title"] == "Countess"


def test_resync_of_nobody(seat):
    seat.job.run()
    assert "meltano run contact-sync" in seat.refused("resync", "pc_none").words


# --- forget --------------------------------------------------------------------------------

PERSON = {
    "FirstName": "Wilhelmina",
    "LastName": "Quartermaine",
    "MobilePhone": "+14155550188",
    "Email": "mina@quartermaine.example",
    "MailingStreet": "7 Hidden Lane",
}
TRACES = ("ilhelmina", "uartermaine", "4155550188", "Hidden Lane", "Rechristened", "Sous-chef")


@pytest.fixture
def careless():
    """An SQLite that leaves what it deletes in the file, as some builds do."""

    def switch_off(connection, _):
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA secure_delete = OFF")

    event.listen(Engine, "connect", switch_off)
    yield
    event.remove(Engine, "connect", switch_off)


@pytest.fixture
def mina(careless, seat):
    """A person with a pair, a conflict, a journal, originals, and a past."""
    found = seat.job.phoneiq.create(first_name="Wilhelmina", mobile_phone="+14155550188")
    record, contact = seat.job.pair_up(**PERSON)
    assert contact == found
    seat.job.salesforce.edit(record, Title="Sous-chef")
    seat.job.phoneiq.edit(contact, job_title="Rechristened")
    seat.job.settle()
    seat.job.salesforce.edit(record, Title=None)
    seat.job.settle()
    assert seat.json("conflicts")
    return record, contact


def traces(seat):
    """What is left of the person in the ledger's files; on a server, in its tables."""
    if seat.job.ledger_url.startswith("sqlite"):
        content = b"".join(path.read_bytes() for path in seat.job.ledger.parent.glob("ledger.db*"))
    else:
        content = dump(seat).encode()
    return [trace for trace in TRACES if trace.encode() in content]


def dump(seat):
    """All rows of the ledger."""
    engine = create_engine(seat.job.ledger_url)
    with engine.connect() as connection:
        rows = [
            str(tuple(row))
            for table in metadata.sorted_tables
            for row in connection.execute(select(table))
        ]
    engine.dispose()
    return "\n".join(rows)


def test_forgetting_leaves_no_trace_in_the_ledger(seat, mina):
    other, _ = seat.job.pair_up(FirstName="Bo", MobilePhone="+14155550199")
    seat.job.settle()
    assert traces(seat)
    answer = seat.done("forget", mina[1], "--yes")
    assert all(id_ in answer.words for id_ in mina)
    assert traces(seat) == []
    left = dump(seat)
    assert not any(id_ in left for id_ in mina)
    assert other in left


def test_forgetting_a_person_whose_pair_has_ended(seat, mina):
    seat.job.phoneiq.delete(mina[1])
    seat.job.settle()
    assert seat.json("conflicts") == []
    words = seat.done("forget", mina[0], "--yes").words
    assert all(id_ in words for id_ in mina)
    assert traces(seat) == []


def test_the_forgotten_are_not_taken_in_again(seat, mina):
    record, contact = mina
    seat.done("forget", record, "--yes")
    seat.job.salesforce.edit(record, Title="Chef")
    seat.job.phoneiq.edit(contact, job_title="Cook")
    before = seat.job.phoneiq.everything()
    seat.job.settle()
    assert seat.job.phoneiq.everything() == before
    seat.job.states.clear()
    seat.job.settle()
    assert traces(seat) == []
    assert seat.job.phoneiq.everything() == before
    assert "knows no record" in seat.refused("explain", record).words


def test_a_contact_that_names_a_forgotten_record_is_not_taken_in(seat):
    record = seat.job.salesforce.create("Contact", **PERSON)
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ)
    assert len(seat.job.phoneiq.live()) == 1, "created, and not seen yet"
    seat.done("forget", record, "--yes")
    seat.job.settle()
    assert traces(seat) == []
    assert len(seat.job.salesforce.live()) == 1


def test_what_was_merged_into_a_person_is_forgotten_with_them(seat, mina):
    loser = seat.job.salesforce.create(
        "Contact", FirstName="Wilhelmina", LastName="Quartermaine", MobilePhone="+14155550111"
    )
    seat.job.settle()
    seat.job.salesforce.merge(mina[0], loser)
    seat.job.settle()
    assert loser in seat.done("forget", mina[0], "--yes").words
    assert loser not in dump(seat)
    assert traces(seat) == []


def test_forgetting_asks_first(seat, mina):
    answer = seat.ask("forget", mina[0], says="n\n")
    assert answer.code == 1
    assert all(id_ in answer.words for id_ in mina)
    assert seat.json("explain", mina[0])


def test_forgetting_points_at_reject_files(seat, mina, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rejects-target-phoneiq.jsonl").write_text(json.dumps({"id": mina[1]}) + "\n")
    assert "rejects-target-phoneiq.jsonl still has them" in seat.done(
        "forget", mina[0], "--yes"
    ).words  # fmt: skip
