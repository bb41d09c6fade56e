"""Accounts: a business is a record of its own, and never made from a contact."""

from __future__ import annotations

import pytest

from tests.reconciler.job import OBSERVE, TO_PHONEIQ

PHONE = "+14155550132"


@pytest.fixture
def job(start):
    return start(objects=["Contact", "Lead", "Account"])


@pytest.fixture
def acme(job):
    """A synced Account and its contact."""
    account = job.salesforce.create("Account", Name="Acme", Phone=PHONE, Website="acme.example")
    job.settle()
    job.forget_written()
    return account, job.contact_of(account)["id"]


def test_an_account_becomes_a_contact_with_a_company_and_no_name(job):
    account = job.salesforce.create(
        "Account",
        Name="Acme",
        Phone="(415) 555-0132",
        Fax="(415) 555-0133",
        Website="acme.example",
        BillingStreet="1 Main St",
        BillingCity="San Francisco",
        BillingState="CA",
        BillingPostalCode="94105",
        BillingCountry="United States",
    )
    job.settle()
    (written,) = job.phoneiq.written
    assert written.fields == {
        "company": "Acme",
        "work_phone": PHONE,
        "fax": "+14155550133",
        "website": "acme.example",
        "street": "1 Main St",
        "city": "San Francisco",
        "state": "CA",
        "postal_code": "94105",
        "country": "United States",
        "salesforce_id": account,
        "salesforce_object": "Account",
    }
    assert job.salesforce.written == []


def test_an_account_without_a_valid_number_is_skipped(job):
    job.salesforce.create("Account", Name="Acme", Phone="none")
    job.pipe(OBSERVE)
    assert job.pipe(TO_PHONEIQ).summary["skipped"] == {"no_valid_phone": 1}
    assert job.phoneiq.live() == []


def test_accounts_that_are_not_synced_are_not_counted_where_they_only_name_companies(start):
    job = start()
    job.salesforce.create("Account", Name="Acme", Phone=PHONE)
    assert job.settle()[1].summary["skipped"] == {}
    assert job.phoneiq.live() == []


def test_an_edit_on_either_side_travels_and_the_name_only_to_phoneiq(job, acme):
    account, contact = acme
    job.salesforce.edit(account, Name="Acme Ltd", BillingCity="London")
    job.phoneiq.edit(contact, work_phone="+14155550177", website="acme.org")
    job.settle()
    assert [one.fields for one in job.phoneiq.written] == [
        {"company": "Acme Ltd", "city": "London"}
    ]
    (written,) = job.salesforce.written
    assert (written.stream, written.action, written.id) == ("Account", "update", account)
    assert written.fields == {"Phone": "+14155550177", "Website": "acme.org"}
    job.forget_written()
    job.phoneiq.edit(contact, company="Renamed by someone")
    job.settle()
    assert job.salesforce.written == job.phoneiq.written == []


def test_an_account_is_never_made_from_a_contact(job):
    contact = job.phoneiq.create(
        company="Acme", work_phone=PHONE, first_name="Ada", salesforce_object="Account"
    )
    passed = job.settle()
    assert passed[2].summary["skipped"] == {"missing_required_field": 1}
    assert job.salesforce.live("Account", "Contact", "Lead") == []
    # An Account that someone makes is the contact's.
    account = job.salesforce.create("Account", Name="Acme", Phone=PHONE)
    assert job.settle()[2].summary["skipped"] == {}
    assert job.contact_of(account)["id"] == contact


def test_an_account_is_made_where_a_mapping_of_ones_own_feeds_its_name(start):
    rows = [("Name", "first_name"), ("Phone", "work_phone")]
    job = start(
        objects=["Account"],
        field_mappings={"Account": [{"salesforce": one, "phoneiq": two} for one, two in rows]},
    )
    job.phoneiq.create(first_name="Acme", work_phone=PHONE, salesforce_object="Account")
    job.settle()
    (account,) = job.salesforce.live("Account")
    assert (account["Name"], account["Phone"]) == ("Acme", PHONE)


@pytest.mark.parametrize("objects", [["Contact", "Account"], ["Account", "Contact"]])
def test_a_number_that_an_account_and_a_contact_share_goes_by_the_order_of_objects(start, objects):
    job = start(objects=objects)
    records = {
        "Account": job.salesforce.create("Account", Name="Acme", Phone=PHONE),
        "Contact": job.salesforce.create("Contact", FirstName="Ada", Phone=PHONE),
    }
    passed = job.settle()
    (contact,) = job.phoneiq.live()
    assert contact["salesforce_id"] == records[objects[0]]
    assert contact["salesforce_object"] == objects[0]
    assert passed[1].summary["skipped"] == {"duplicate_phone": 1}


def test_a_deleted_account_leaves_its_contact_alone(job, acme):
    account, contact = acme
    job.salesforce.delete(account)
    job.settle()
    assert [row["id"] for row in job.phoneiq.live()] == [contact]
    assert job.salesforce.live("Account", "Contact", "Lead") == []


def test_the_pair_of_a_merged_account_moves_to_its_master(job, acme):
    loser, contact = acme
    winner = job.salesforce.create("Account", Name="Acme International")
    job.salesforce.merge(winner, loser)
    job.salesforce.edit(winner, Phone=PHONE)
    job.settle()
    (row,) = job.phoneiq.live()
    assert (row["id"], row["salesforce_id"]) == (contact, winner)
    assert row["company"] == "Acme International"


def test_a_lost_ledger_finds_accounts_again(job, acme):
    account, contact = acme
    job.salesforce.edit(account, Phone="+14155550199")
    job.lose_ledger()
    job.states.clear()
    job.settle()
    assert [row["id"] for row in job.phoneiq.live()] == [contact]
    assert job.phoneiq.get(contact)["work_phone"] == "+14155550199"
    assert len(job.salesforce.live("Account", "Contact", "Lead")) == 1


def test_accounts_come_with_the_flag_that_tells_persons_apart(job):
    job.salesforce.unselected = {"IsPersonAccount"}
    job.salesforce.create("Account", Name="Acme", Phone=PHONE)
    passed = job.pipe(TO_PHONEIQ)
    assert passed.code == 1
    assert "records of stream 'Account' come without IsPersonAccount" in passed.text
