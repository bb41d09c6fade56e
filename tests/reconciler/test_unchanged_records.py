"""A record that comes as the ledger holds it costs a look; nothing that matters is overlooked."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from reconciler.ledger import Ledger
from reconciler.observation import Observer

from tests.reconciler.job import OBSERVE, TO_PHONEIQ

NUMBER = "+14155550132"


@pytest.fixture
def read(monkeypatch):
    """The ids of the records that were read, and not only seen, in the order of reading."""
    ids: list[str] = []
    look = Observer.look

    def noted(observer, sighting, before=None):
        ids.append(sighting.id)
        return look(observer, sighting, before)

    monkeypatch.setattr(Observer, "look", noted)
    return ids


def deliver_all(job, pipe=TO_PHONEIQ, **how):
    """A pipe whose tap starts from the beginning."""
    job.states.pop(pipe, None)
    return job.pipe(pipe, **how)


def with_records(change):
    """What becomes of the list of a delivery's records; what follows it is the closing STATE."""

    def tap(messages):
        records = [message for message in messages if message["type"] == "RECORD"]
        return [*messages[: messages.index(records[0])], *change(records), messages[-1]]

    return tap


def edited(message, **fields):
    return message | {"record": message["record"] | fields}


def shown(job, id_):
    """A record's fields as the ledger holds them."""
    with closing(Ledger(job.ledger_url)) as ledger:
        (row,) = ledger.overview.find(ids=[id_], numbers=[], email=None)
        return ledger.overview.dossier(row).fields


def test_what_was_seen_before_is_not_read_again(job, read):
    record, contact = job.pair_up()
    deliver_all(job)
    deliver_all(job, OBSERVE)
    read.clear()
    for pipe, kept in ((TO_PHONEIQ, record), (OBSERVE, contact)):
        passed = deliver_all(job, pipe)
        assert (passed.summary["read"], passed.summary["changed"]) == (1, 0)
        assert read == [], kept


def test_what_has_changed_is_read(job, read):
    record, contact = job.pair_up()
    deliver_all(job)
    other = job.salesforce.create("Contact", FirstName="Bob", MobilePhone="+14155550143")
    job.salesforce.edit(record, Title="Countess")
    read.clear()
    passed = deliver_all(job)
    assert passed.summary["changed"] == 2
    assert sorted(read) == sorted([record, other])
    assert job.phoneiq.get(contact)["job_title"] == "Countess"


def test_a_change_that_is_taken_back_is_seen_each_time(job):
    record, contact = job.pair_up(Title="Analyst")
    deliver_all(job)
    countess = with_records(lambda rows: [edited(rows[0], Title="Countess")])
    assert deliver_all(job, tap=countess).summary["changed"] == 1
    assert shown(job, record)["Title"] == "Countess"
    assert deliver_all(job).summary["changed"] == 1
    assert shown(job, record)["Title"] == "Analyst"
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"


def test_the_last_of_one_delivery_counts(job):
    record, _ = job.pair_up(Title="Analyst")
    deliver_all(job)
    back = with_records(lambda rows: [edited(rows[0], Title="Countess"), rows[0]])
    assert deliver_all(job, tap=back).summary["changed"] == 0
    assert shown(job, record)["Title"] == "Analyst"
    forth = with_records(lambda rows: [rows[0], edited(rows[0], Title="Countess")])
    assert deliver_all(job, tap=forth).summary["changed"] == 1
    assert shown(job, record)["Title"] == "Countess"


def test_the_same_fields_in_another_order_are_no_change(job, read):
    record, _ = job.pair_up()
    deliver_all(job)
    read.clear()

    def turned(rows):
        return [row | {"record": dict(reversed(row["record"].items()))} for row in rows]

    passed = deliver_all(job, tap=with_records(turned))
    assert passed.summary["changed"] == 0
    assert passed.records == []
    assert read == [record]


def test_a_new_stamp_alone_is_no_change(job, read):
    record, _ = job.pair_up()
    deliver_all(job)
    job.salesforce.edit(record)
    read.clear()
    assert [deliver_all(job).summary["changed"] for _ in range(2)] == [0, 0]
    assert read == [record]


def test_other_settings_read_everything_again(start, read):
    job = start(default_region="US")
    record = job.salesforce.create("Contact", FirstName="Ada", MobilePhone="020 7946 0123")
    other = job.salesforce.create("Contact", FirstName="Bob", MobilePhone=NUMBER)
    job.settle()
    deliver_all(job)
    assert [row["mobile_phone"] for row in job.phoneiq.live()] == [NUMBER]
    for region in ("GB", "US"):
        read.clear()
        job.settings["default_region"] = region
        deliver_all(job)
        assert sorted(read) == sorted([record, other]), region
    assert "+442079460123" in [row["mobile_phone"] for row in job.phoneiq.live()]


def test_another_version_of_a_reader_reads_everything_again(job, read, monkeypatch):
    record, _ = job.pair_up()
    deliver_all(job)
    read.clear()
    monkeypatch.setattr("reconciler.observation._READERS", ("another",))
    assert [deliver_all(job).summary["changed"] for _ in range(2)] == [0, 0]
    assert read == [record]


def test_a_person_that_was_forgotten_stays_so(job):
    record, contact = job.pair_up()
    deliver_all(job)
    with closing(Ledger(job.ledger_url)) as ledger:
        (row,) = ledger.overview.find(ids=[record], numbers=[], email=None)
        ledger.removals.forget(ledger.removals.same_person([row]))
    for pipe in (OBSERVE, TO_PHONEIQ):
        assert deliver_all(job, pipe).summary["changed"] == 0
    with closing(Ledger(job.ledger_url)) as ledger:
        assert ledger.overview.find(ids=[record, contact], numbers=[], email=None) == []


def test_the_first_load_takes_changes_before_anything_is_paired(job):
    account = job.salesforce.create("Account", Name="Acme")
    ada = job.salesforce.create(
        "Contact", FirstName="Ada", MobilePhone="+14155550143", AccountId=account
    )
    job.pipe(TO_PHONEIQ)
    job.salesforce.edit(ada, MobilePhone=NUMBER)
    job.salesforce.edit(account, Name="Analytical Engines")
    bob = job.phoneiq.create(first_name="Ada", mobile_phone=NUMBER)
    job.pipe(TO_PHONEIQ)
    job.settle()
    assert job.contact_of(ada)["id"] == bob
    assert job.phoneiq.get(bob)["company"] == "Analytical Engines"
    job.salesforce.edit(account, Name="Difference Engines")
    job.settle()
    assert job.phoneiq.get(bob)["company"] == "Difference Engines"


@pytest.mark.sqlite_only
def test_look_ups_have_their_indexes_once_records_are_paired(job):
    job.pair_up()
    with closing(sqlite3.connect(job.ledger)) as ledger:
        plan = ledger.execute(
            "EXPLAIN QUERY PLAN SELECT row FROM phone_numbers WHERE number = '+1'"
        ).fetchall()
    assert "phone_numbers_number" in str(plan)


def test_whole_numbers_of_any_size_are_kept(job):
    job.phoneiq.create(first_name="Ada", mobile_phone=NUMBER, custom_score=10**30)
    assert [one.code for one in job.run()] == [0, 0, 0]
    assert deliver_all(job, OBSERVE).summary["changed"] == 0
