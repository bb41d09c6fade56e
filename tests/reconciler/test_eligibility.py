"""Which records take part, and the one reason why another does not."""

from __future__ import annotations

import pytest
from reconciler.rules.eligibility import salesforce_skip

from tests.reconciler.job import OBSERVE, TO_PHONEIQ, TO_SALESFORCE

PHONE = "+14155550132"
PERSON = {"FirstName": "Ada", "LastName": "Lovelace", "MobilePhone": PHONE}


@pytest.mark.parametrize(
    ("object_", "fields", "has_phone", "reason"),
    [
        ("Contact", {"FirstName": "Ada"}, True, None),
        ("Lead", {"FirstName": "Ada"}, True, None),
        ("Contact", {"FirstName": "Ada"}, False, "no_valid_phone"),
        ("Contact", {"FirstName": " "}, True, "no_first_name"),
        ("Contact", {"FirstName": "\u3000"}, True, "no_first_name"),
        ("Contact", {"FirstName": None}, True, "no_first_name"),
        ("Lead", {}, True, "no_first_name"),
        ("Lead", {"FirstName": "Ada", "IsConverted": True}, True, "converted_lead"),
        ("Contact", {"FirstName": "Ada", "IsPersonAccount": True}, True, "person_account_shadow"),
        ("Case", {"FirstName": "Ada"}, True, "object_not_synced"),
    ],
)
def test_each_reason(object_, fields, has_phone, reason):
    skip = salesforce_skip(object_, fields, objects=("Contact", "Lead"), has_phone=has_phone)
    assert skip == reason


def skipped(job):
    """Skips by reason of the Salesforce pipe, after nothing went across."""
    job.pipe(OBSERVE)
    passed = job.pipe(TO_PHONEIQ)
    assert passed.records == []
    return passed.summary["skipped"]


def test_a_record_that_takes_part_goes_across(job):
    record = job.salesforce.create("Contact", **PERSON)
    job.settle()
    contact = job.contact_of(record)
    assert contact["first_name"] == "Ada"
    assert contact["last_name"] == "Lovelace"
    assert contact["mobile_phone"] == PHONE
    assert contact["salesforce_object"] == "Contact"


@pytest.mark.parametrize("number", [None, "", "ask Bob", "555", "+1 999", "0"])
def test_no_valid_phone(job, number):
    job.salesforce.create("Contact", **PERSON | {"MobilePhone": number})
    assert skipped(job) == {"no_valid_phone": 1}


def test_a_fax_number_is_no_phone_number_that_counts(job):
    job.salesforce.create("Contact", **PERSON | {"MobilePhone": None, "Fax": PHONE})
    assert skipped(job) == {"no_valid_phone": 1}


@pytest.mark.parametrize("field", ["MobilePhone", "Phone", "HomePhone", "OtherPhone"])
def test_one_valid_number_in_any_mapped_field_is_enough(job, field):
    record = job.salesforce.create("Contact", FirstName="Ada", **{field: "(415) 555-0132"})
    job.settle()
    assert job.contact_of(record)


@pytest.mark.parametrize("name", [None, "", "  "])
def test_no_first_name(job, name):
    job.salesforce.create("Lead", **PERSON | {"FirstName": name})
    assert skipped(job) == {"no_first_name": 1}


def test_object_not_synced(start):
    job = start(objects=["Contact"])
    job.salesforce.create("Lead", **PERSON)
    assert skipped(job) == {"object_not_synced": 1}


def test_a_converted_lead(job):
    lead = job.salesforce.create("Lead", **PERSON)
    job.salesforce.edit(job.salesforce.convert(lead), MobilePhone=None)
    assert skipped(job) == {"converted_lead": 1, "no_valid_phone": 1}


def test_a_deleted_record_is_not_created_across_and_is_no_skip(job):
    job.salesforce.delete(job.salesforce.create("Contact", **PERSON))
    job.phoneiq.delete(job.phoneiq.create(first_name="Bob", mobile_phone="+14155550143"))
    assert skipped(job) == {}
    assert job.pipe(TO_SALESFORCE).records == []


def test_a_record_that_starts_to_take_part_goes_across(job):
    record = job.salesforce.create("Contact", **PERSON | {"FirstName": None})
    job.settle()
    job.salesforce.edit(record, FirstName="Ada")
    assert job.settle()[1].summary["skipped"] == {}
    assert job.contact_of(record)["first_name"] == "Ada"


@pytest.mark.parametrize("change", [{"FirstName": None}, {"MobilePhone": None}])
def test_a_pair_whose_record_stops_to_take_part_keeps_its_pair_and_gets_no_updates(job, change):
    record, contact = job.pair_up(Title="Countess")
    job.salesforce.edit(record, Title="Analyst", **change)
    job.settle()
    assert job.phoneiq.written == []
    assert job.phoneiq.get(contact)["job_title"] == "Countess"
    job.salesforce.edit(record, **{name: PERSON[name] for name in change})
    job.settle()
    assert [one.id for one in job.phoneiq.written] == [contact]
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"
    assert len(job.phoneiq.live()) == 1


def test_a_phoneiq_contact_needs_no_first_name(job):
    job.phoneiq.create(last_name="Lovelace", mobile_phone=PHONE)
    job.settle()
    assert [row["LastName"] for row in job.salesforce.live()] == ["Lovelace"]
    assert len(job.phoneiq.live()) == 1


def test_a_phoneiq_contact_without_a_number_takes_part_where_its_id_travels_with_it(start):
    job = start(salesforce_external_id_field="PhoneIQ_Contact_ID__c")
    contact = job.phoneiq.create(first_name="Ada")
    job.settle()
    assert [row["PhoneIQ_Contact_ID__c"] for row in job.salesforce.live()] == [contact]
    assert len(job.phoneiq.live()) == 1


def test_a_phoneiq_contact_without_a_number_is_skipped_where_nothing_would_pair_it(job):
    job.phoneiq.create(first_name="Ada")
    assert job.settle()[2].summary["skipped"] == {"no_valid_phone": 1}
    assert job.salesforce.live() == []
