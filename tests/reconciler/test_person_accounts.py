"""Person Accounts: one record, the row of Account; its shadow Contact takes no part."""

from __future__ import annotations

import pytest

from tests.reconciler.job import OBSERVE, TO_PHONEIQ

PHONE = "+14155550132"
EVERY = ["Contact", "Lead", "Account", "PersonAccount"]
#: With and without the object that shadows are of.
OBJECTS = [EVERY, ["Lead", "PersonAccount"]]


@pytest.fixture
def job(start):
    return start(objects=EVERY)


def person(job, **fields):
    """A synced Person Account and its contact."""
    given = {"FirstName": "Ada", "LastName": "Lovelace", "PersonMobilePhone": PHONE}
    account = job.salesforce.create("Account", **(given | fields))
    job.settle()
    job.forget_written()
    return account, job.contact_of(account)["id"]


def test_a_person_account_is_one_contact_with_a_name(job):
    account = job.salesforce.create(
        "Account",
        FirstName="Ada",
        LastName="Lovelace",
        PersonTitle="Countess",
        PersonEmail="ada@example.org",
        PersonMobilePhone=PHONE,
        Phone="+14155550133",
        PersonHomePhone="+14155550134",
        PersonOtherPhone="+14155550135",
        Fax="+14155550136",
        PersonMailingStreet="1 Main St",
        PersonMailingCity="San Francisco",
        PersonMailingState="CA",
        PersonMailingPostalCode="94105",
        PersonMailingCountry="United States",
        Website="ada.example",
    )
    passed = job.settle()
    (written,) = job.phoneiq.written
    assert written.fields == {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "job_title": "Countess",
        "email": "ada@example.org",
        "mobile_phone": PHONE,
        "work_phone": "+14155550133",
        "home_phone": "+14155550134",
        "other_phone": "+14155550135",
        "fax": "+14155550136",
        "street": "1 Main St",
        "city": "San Francisco",
        "state": "CA",
        "postal_code": "94105",
        "country": "United States",
        "website": "ada.example",
        "salesforce_id": account,
        "salesforce_object": "PersonAccount",
    }
    assert passed[1].summary["skipped"] == {"person_account_shadow": 1}


def test_a_person_account_without_a_first_name_is_skipped(job):
    job.salesforce.create("Account", LastName="Lovelace", PersonMobilePhone=PHONE)
    job.pipe(OBSERVE)
    assert job.pipe(TO_PHONEIQ).summary["skipped"] == {
        "no_first_name": 1,
        "person_account_shadow": 1,
    }


def test_edits_travel_both_ways_through_the_account(job):
    account, contact = person(job, PersonTitle="Countess")
    job.salesforce.edit(account, PersonTitle="Analyst")
    job.phoneiq.edit(contact, email="ada@example.org", last_name="King")
    job.settle()
    assert [one.fields for one in job.phoneiq.written] == [{"job_title": "Analyst"}]
    (written,) = job.salesforce.written
    assert (written.stream, written.id) == ("Account", account)
    assert written.fields == {"PersonEmail": "ada@example.org", "LastName": "King"}
    assert job.salesforce.refused == []


def test_a_person_account_is_made_from_a_contact_that_names_the_object(job):
    contact = job.phoneiq.create(
        first_name="Ada", mobile_phone=PHONE, salesforce_object="PersonAccount"
    )
    job.settle()
    (written,) = job.salesforce.written
    assert (written.stream, written.action) == ("Account", "create")
    assert job.record_of(contact)["IsPersonAccount"] is True
    assert job.record_of(contact)["LastName"] == "[not provided]"
    assert job.phoneiq.get(contact)["last_name"] is None


def test_a_shadow_is_never_paired_by_its_number_nor_by_its_id(job):
    account = job.salesforce.create(
        "Account", FirstName="Ada", LastName="Lovelace", Phone=PHONE, PersonTitle="Countess"
    )
    shadow = job.salesforce.get(account)["PersonContactId"]
    contact = job.phoneiq.create(first_name="Ada", mobile_phone=PHONE, salesforce_id=shadow)
    job.settle()
    (row,) = job.phoneiq.live()
    assert (row["id"], row["salesforce_id"]) == (contact, account)
    assert row["salesforce_object"] == "PersonAccount"
    assert {one.id for one in job.salesforce.written} == {account}
    assert job.salesforce.refused == []
    assert len(job.salesforce.live("Account", "Contact", "Lead")) == 1


def test_a_contact_that_names_a_shadow_is_the_person_behind_it(job):
    account = job.salesforce.create("Account", FirstName="Ada", LastName="King", Phone=PHONE)
    shadow = job.salesforce.get(account)["PersonContactId"]
    # No number in common.
    contact = job.phoneiq.create(
        first_name="Ada", mobile_phone="+14155550177", salesforce_id=shadow
    )
    job.settle()
    (row,) = job.phoneiq.live()
    assert (row["id"], row["salesforce_id"]) == (contact, account)
    assert len(job.salesforce.live("Account", "Contact", "Lead")) == 1


@pytest.mark.parametrize("objects", OBJECTS, ids=["all", "no Contact"])
def test_a_lead_converted_into_a_person_account(start, objects):
    job = start(objects=objects)
    lead, contact = job.pair_up("Lead", Title="Countess", Email="ada@example.org")
    shadow = job.salesforce.convert(lead, to_person=True)
    account = job.salesforce.get(shadow)["AccountId"]
    job.settle()
    (row,) = job.phoneiq.live()
    assert (row["id"], row["salesforce_id"]) == (contact, account)
    assert row["salesforce_object"] == "PersonAccount"
    job.salesforce.edit(account, PersonTitle="Analyst")
    job.phoneiq.edit(contact, email="king@example.org")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"
    assert job.salesforce.get(account)["PersonEmail"] == "king@example.org"
    assert len(job.salesforce.live("Account", "Contact", "Lead")) == 1
    assert job.salesforce.refused == []


@pytest.mark.parametrize("to_person", [True, False], ids=["Person Account", "Contact"])
def test_what_is_edited_in_phoneiq_while_a_lead_is_converted_is_kept(job, to_person):
    lead, contact = job.pair_up("Lead", Email="ada@example.org", City="London")
    converted = job.salesforce.convert(lead, to_person=to_person)
    job.phoneiq.edit(contact, email="king@example.org", city="Paris")
    job.settle()
    row = job.record_of(contact)
    assert (row["Id"] == converted) is not to_person
    assert row["PersonEmail" if to_person else "Email"] == "king@example.org"
    assert row["PersonMailingCity" if to_person else "MailingCity"] == "Paris"


def test_a_lead_converted_into_a_person_account_where_contacts_are_not_extracted(start):
    job = start(objects=["Lead", "PersonAccount"])
    job.salesforce.objects = ["Account", "Lead"]
    lead, contact = job.pair_up("Lead")
    shadow = job.salesforce.convert(lead, to_person=True)
    job.settle()
    (row,) = job.phoneiq.live()
    assert row["id"] == contact
    assert row["salesforce_id"] == job.salesforce.get(shadow)["AccountId"]


def test_a_contact_that_becomes_the_shadow_of_a_person_account(job):
    record, contact = job.pair_up()
    account = job.salesforce.create(
        "Account", FirstName="Ada", LastName="Lovelace", PersonMobilePhone=PHONE
    )
    job.salesforce.edit(record, IsPersonAccount=True, AccountId=account)
    job.settle()
    (row,) = job.phoneiq.live()
    assert (row["id"], row["salesforce_id"]) == (contact, account)


def test_what_is_blank_in_the_record_that_took_the_place_is_filled(job):
    record, contact = job.pair_up(Title="Countess", Email="ada@example.org")
    account = job.salesforce.create(
        "Account", FirstName="Ada", LastName="King", Phone=PHONE, PersonTitle="Analyst"
    )
    job.salesforce.merge(job.salesforce.get(account)["PersonContactId"], record)
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"
    assert job.phoneiq.get(contact)["email"] == "ada@example.org"
    assert job.salesforce.get(account)["PersonEmail"] == "ada@example.org"


def test_a_contact_merged_into_a_shadow_is_the_person_behind_it(job):
    record, contact = job.pair_up()
    account = job.salesforce.create("Account", FirstName="Ada", LastName="King")
    shadow = job.salesforce.get(account)["PersonContactId"]
    job.salesforce.merge(shadow, record)
    job.settle()
    (row,) = job.phoneiq.live()
    assert (row["id"], row["salesforce_id"]) == (contact, account)


def test_merged_person_accounts(job):
    loser, contact = person(job)
    winner = job.salesforce.create(
        "Account", FirstName="Ada", LastName="King", PersonMobilePhone="+14155550188"
    )
    job.salesforce.merge(winner, loser)
    job.settle()
    (row,) = job.phoneiq.live()
    assert (row["id"], row["salesforce_id"], row["last_name"]) == (contact, winner, "King")
    assert len(job.salesforce.live("Account", "Contact", "Lead")) == 1


def test_a_deleted_person_account_and_its_shadow_are_one_deletion(start):
    job = start(objects=EVERY, on_delete="propagate", max_delete_percent=100)
    account, contact = person(job)
    job.salesforce.delete(account)
    job.settle()
    assert [(one.action, one.id) for one in job.phoneiq.written] == [("delete", contact)]
    assert job.salesforce.written == []


def test_a_contact_that_was_deleted_takes_its_person_account_along(start):
    job = start(objects=EVERY, on_delete="propagate", max_delete_percent=100)
    account, contact = person(job)
    job.phoneiq.delete(contact)
    job.settle()
    assert [(one.stream, one.action, one.id) for one in job.salesforce.written] == [
        ("Account", "delete", account)
    ]


def test_persons_and_businesses_are_chosen_by_themselves(start):
    job = start(objects=["PersonAccount"])
    job.salesforce.create("Account", Name="Acme", Phone="+14155550199")
    account, contact = person(job)
    assert [row["id"] for row in job.phoneiq.live()] == [contact]
    job.settings["objects"] = ["Account"]
    passed = job.settle()
    assert passed[1].summary["skipped"] == {"object_not_synced": 2}
    assert {row["company"] for row in job.phoneiq.live()} == {None, "Acme"}
    job.salesforce.edit(account, PersonTitle="Analyst")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] is None


def test_an_org_without_person_accounts_has_no_flag(start):
    job = start(objects=["Contact", "Account"])
    extract = [
        message
        for message in job.salesforce.extract({})
        if message["type"] != "RECORD" or message["stream"] != "Contact"
    ]
    for message in extract:
        if message["type"] == "SCHEMA":
            for field in ("IsPersonAccount", "PersonContactId"):
                message["schema"]["properties"].pop(field, None)
    assert job.reconcile(TO_PHONEIQ, extract).code == 0
