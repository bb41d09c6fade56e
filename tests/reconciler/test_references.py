"""A reference that somebody changes moves the pair, and so does what replaces a deleted record."""

from __future__ import annotations

import pytest

from tests.reconciler.platforms import EXTERNAL_ID

NUMBER = "+14155550132"


def quiet(job):
    """Two more runs write nothing."""
    job.settle()
    job.forget_written()
    job.run()
    assert job.phoneiq.written == job.salesforce.written == []


@pytest.mark.parametrize("external_id", [None, EXTERNAL_ID])
@pytest.mark.parametrize("object_", ["Contact", "Lead"])
def test_a_reference_is_moved_to_a_better_contact(start, external_id, object_):
    job = start(salesforce_external_id_field=external_id, default_object=object_)
    record, former = job.pair_up(object_)
    better = job.phoneiq.create(first_name="Ada", last_name="Lovelace", email="ada@example.org")
    job.phoneiq.edit(former, salesforce_id=None)
    job.phoneiq.edit(better, salesforce_id=record)
    quiet(job)
    assert job.contact_of(record)["id"] == better
    assert job.phoneiq.get(better)["mobile_phone"] == NUMBER
    assert len(job.salesforce.live(object_)) == 1
    assert job.salesforce.get(record)["Email"] == "ada@example.org"
    # The former one is released.
    assert job.phoneiq.get(former)["salesforce_id"] is None


def test_two_contacts_exchange_their_references(job):
    one, ada = job.pair_up()
    two, bob = job.pair_up(FirstName="Bob", LastName="Two", MobilePhone="+14155550143")
    job.phoneiq.edit(ada, salesforce_id=None)
    job.phoneiq.edit(bob, salesforce_id=one)
    job.phoneiq.edit(ada, salesforce_id=two)
    quiet(job)
    assert (job.contact_of(one)["id"], job.contact_of(two)["id"]) == (bob, ada)
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 2


def test_the_external_id_is_moved_to_another_record(start):
    job = start(salesforce_external_id_field=EXTERNAL_ID)
    contact = job.phoneiq.create(first_name="Ada", last_name="Lovelace", mobile_phone=NUMBER)
    job.settle()
    (former,) = (row["Id"] for row in job.salesforce.live())
    better = job.salesforce.create("Contact", FirstName="Ada", LastName="Lovelace", Title="Boss")
    job.salesforce.edit(former, **{EXTERNAL_ID: None})
    job.salesforce.edit(better, **{EXTERNAL_ID: contact})
    quiet(job)
    assert job.salesforce.get(better)["MobilePhone"] == NUMBER
    assert job.phoneiq.get(contact)["job_title"] == "Boss"
    assert len(job.phoneiq.live()) == 1


def test_a_reference_to_a_record_that_is_not_there_moves_nothing(job):
    record, contact = job.pair_up()
    job.phoneiq.edit(contact, salesforce_id="003gn000000zzzzAAA")
    quiet(job)
    assert job.contact_of(record)["id"] == contact


def test_a_reference_that_is_cleared_comes_back(job):
    record, contact = job.pair_up()
    job.phoneiq.edit(contact, salesforce_id=None)
    quiet(job)
    assert job.contact_of(record)["id"] == contact


@pytest.mark.parametrize("on_delete", ["keep", "propagate"])
@pytest.mark.parametrize("names_it", [True, False])
def test_a_contact_is_deleted_and_imported_again(start, on_delete, names_it):
    job = start(on_delete=on_delete, max_delete_percent=100)
    record, former = job.pair_up()
    job.phoneiq.delete(former)
    job.phoneiq.create(
        first_name="Ada",
        last_name="Lovelace",
        mobile_phone=NUMBER,
        salesforce_id=record if names_it else None,
    )
    quiet(job)
    assert not job.salesforce.get(record)["IsDeleted"]
    assert [row["Id"] for row in job.salesforce.live()] == [record]
    assert [row["salesforce_id"] for row in job.phoneiq.live()] == [record]


@pytest.mark.parametrize("on_delete", ["keep", "propagate"])
@pytest.mark.parametrize("object_", ["Contact", "Lead"])
def test_a_record_is_deleted_and_imported_again(start, on_delete, object_):
    job = start(on_delete=on_delete, max_delete_percent=100, default_object=object_)
    former, contact = job.pair_up(object_)
    job.salesforce.delete(former)
    again = job.salesforce.create(object_, FirstName="Ada", LastName="Lovelace", MobilePhone=NUMBER)
    quiet(job)
    assert job.contact_of(again)["id"] == contact
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 1


def test_a_survivor_is_not_paired_with_somebody_else_of_its_number(job):
    record, former = job.pair_up(FirstName="Brenda", LastName="One")
    other = job.phoneiq.create(first_name="Noah", last_name="Two", mobile_phone=NUMBER)
    job.settle()
    job.phoneiq.delete(former)
    quiet(job)
    noah = job.phoneiq.get(other)
    assert (noah["first_name"], noah["last_name"]) == ("Noah", "Two")
    assert job.salesforce.get(record)["FirstName"] == "Brenda"


def test_a_survivor_is_paired_with_one_of_its_own_name(job):
    record, former = job.pair_up()
    job.phoneiq.delete(former)
    job.settle()
    again = job.phoneiq.create(first_name="ADA", last_name="Lovelace", mobile_phone=NUMBER)
    quiet(job)
    assert job.contact_of(record)["id"] == again


def test_two_people_with_one_number_find_what_was_created_from_them(start):
    job = start(shared_phone="allow")
    for name in ("Ann", "Bob", "Cy"):
        job.phoneiq.create(
            first_name=name, last_name="Same", job_title=f"title of {name}", mobile_phone=NUMBER
        )
    quiet(job)
    assert {(row["FirstName"], row["Title"]) for row in job.salesforce.live()} == {
        (name, f"title of {name}") for name in ("Ann", "Bob", "Cy")
    }
    assert {(row["first_name"], row["job_title"]) for row in job.phoneiq.live()} == {
        (name, f"title of {name}") for name in ("Ann", "Bob", "Cy")
    }


def test_a_number_moves_on_to_a_colleague(job):
    one, ada = job.pair_up()
    two, bob = job.pair_up(FirstName="Bob", LastName="Two", MobilePhone="+14155550143")
    job.salesforce.edit(one, MobilePhone=None)
    job.salesforce.edit(two, MobilePhone=NUMBER)
    quiet(job)
    assert job.phoneiq.get(ada)["mobile_phone"] is None
    assert job.phoneiq.get(bob)["mobile_phone"] == NUMBER


@pytest.mark.parametrize("is_new", [True, False])
def test_a_number_moves_on_some_runs_later(job, is_new):
    one, ada = job.pair_up()
    two, _ = job.pair_up(FirstName="Bob", LastName="Two", MobilePhone="+14155550143")
    job.salesforce.edit(one, MobilePhone=None)
    job.settle()
    assert job.phoneiq.get(ada)["mobile_phone"] == NUMBER
    if is_new:
        job.salesforce.create("Contact", FirstName="Cy", LastName="New", MobilePhone=NUMBER)
    else:
        job.salesforce.edit(two, MobilePhone=NUMBER)
    quiet(job)
    shown = {row["first_name"]: row["mobile_phone"] for row in job.phoneiq.live()}
    assert shown == (
        {"Ada": None, "Bob": "+14155550143", "Cy": NUMBER}
        if is_new
        else {"Ada": None, "Bob": NUMBER}
    )


def test_the_contact_of_a_merged_away_record_is_edited(job):
    winner, _ = job.pair_up()
    loser, left = job.pair_up(FirstName="Bob", LastName="Two", MobilePhone="+14155550143")
    job.salesforce.merge(winner, loser)
    job.settle()
    job.phoneiq.edit(left, city="Aachen")
    quiet(job)
    assert [row["Id"] for row in job.salesforce.live()] == [winner]
    assert [one["reason"] for one in job.ask("skips")] == ["merged_away"]


@pytest.mark.parametrize("names", ["merge", "skip"])
def test_a_switchboard_number_on_both_sides(start, names):
    job = start(on_name_mismatch=names)
    record = job.salesforce.create("Contact", FirstName="Ada", LastName="One", MobilePhone=NUMBER)
    contact = job.phoneiq.create(first_name="Bob", last_name="Two", mobile_phone=NUMBER)
    first = job.run()
    mismatches = [one.summary.get("name_mismatches", 0) for one in first]
    assert sum(mismatches) == (1 if names == "merge" else 0)
    quiet(job)
    assert job.salesforce.get(record)["FirstName"] == "Ada"
    assert job.phoneiq.get(contact)["first_name"] == ("Ada" if names == "merge" else "Bob")


@pytest.mark.parametrize("first_name", [None, "\u200b"])
def test_a_blank_or_fallback_name_is_no_other_name(start, first_name):
    job = start(on_name_mismatch="skip")
    job.salesforce.create("Contact", FirstName="Ada", LastName="[not provided]", MobilePhone=NUMBER)
    job.phoneiq.create(first_name=first_name, last_name="Lovelace", mobile_phone=NUMBER)
    quiet(job)
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 1


@pytest.mark.parametrize("shared_phone", ["reject", "allow"])
def test_an_external_id_is_moved_to_a_record_that_has_a_contact(start, shared_phone):
    job = start(salesforce_external_id_field=EXTERNAL_ID, shared_phone=shared_phone)
    one, ada = job.pair_up()
    two, _ = job.pair_up(FirstName="Bob", LastName="Two", MobilePhone="+14155550143")
    job.salesforce.edit(two, **{EXTERNAL_ID: ada})
    quiet(job)
    assert job.phoneiq.refused == job.salesforce.refused == []
    assert job.phoneiq.get(ada)["first_name"] == "Bob"
    assert job.salesforce.get(one)["FirstName"] == "Ada"


def test_two_records_exchange_their_external_ids(start):
    job = start(salesforce_external_id_field=EXTERNAL_ID)
    one, ada = job.pair_up()
    two, bob = job.pair_up(FirstName="Bob", LastName="Two", MobilePhone="+14155550143")
    job.salesforce.edit(two, **{EXTERNAL_ID: ada})
    job.salesforce.edit(one, **{EXTERNAL_ID: bob})
    quiet(job)
    assert job.phoneiq.refused == job.salesforce.refused == []
    assert job.phoneiq.get(ada)["first_name"] == "Bob"
    assert job.phoneiq.get(bob)["first_name"] == "Ada"
