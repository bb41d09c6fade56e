"""Where a PhoneIQ contact without a pair goes in Salesforce."""

from __future__ import annotations

import pytest
from reconciler.rules.routing import route

from tests.reconciler.job import OBSERVE, TO_PHONEIQ, TO_SALESFORCE
from tests.reconciler.platforms import EXTERNAL_ID

ADA = {"first_name": "Ada", "last_name": "Lovelace", "mobile_phone": "+14155550132"}


def routed(**given):
    usual = {
        "named_object": None,
        "reference": None,
        "has_phone": True,
        "objects": ("Contact", "Lead"),
        "default_object": "Contact",
        "has_external_id": False,
    }
    return route(**usual | given)


@pytest.mark.parametrize(
    ("given", "object_", "skip"),
    [
        ({}, "Contact", None),
        ({"default_object": "Lead"}, "Lead", None),
        ({"named_object": "Lead"}, "Lead", None),
        ({"named_object": "Contact", "default_object": "Lead"}, "Contact", None),
        ({"named_object": "Account"}, "Account", "object_not_synced"),
        ({"objects": ("Lead",)}, "Contact", "object_not_synced"),
        ({"reference": "00Qgn0000000001AAA"}, "Lead", None),
        ({"has_phone": False}, "Contact", "no_valid_phone"),
        ({"has_phone": False, "has_external_id": True}, "Contact", None),
    ],
)
def test_each_route(given, object_, skip):
    assert routed(**given) == (object_, skip)


@pytest.mark.parametrize("default_object", ["Contact", "Lead"])
def test_a_contact_that_names_no_object_becomes_the_default_one(start, default_object):
    job = start(default_object=default_object)
    job.phoneiq.create(**ADA)
    job.settle()
    assert [row["attributes"] for row in job.salesforce.live()] == [default_object]


def test_a_contact_that_names_an_object_becomes_that(job):
    job.phoneiq.create(**ADA, salesforce_object="Lead")
    job.settle()
    assert [row["attributes"] for row in job.salesforce.live()] == ["Lead"]


def test_a_contact_whose_object_is_not_synced_is_skipped(start):
    job = start(objects=["Contact"])
    job.phoneiq.create(**ADA, salesforce_object="Lead")
    assert job.settle()[2].summary["skipped"] == {"object_not_synced": 1}
    assert job.salesforce.live() == []


def test_a_paired_contact_goes_to_its_pairs_object_and_id(start):
    job = start(default_object="Contact")
    lead, contact = job.pair_up("Lead")
    job.phoneiq.edit(contact, job_title="Analyst", salesforce_object=None)
    job.settle()
    assert job.salesforce.get(lead)["Title"] == "Analyst"
    assert [one.action for one in job.salesforce.written] == ["update"]


def test_a_create_carries_the_phoneiq_id_so_that_a_repeated_one_finds_the_first(start):
    job = start(salesforce_external_id_field=EXTERNAL_ID)
    contact = job.phoneiq.create(**ADA)
    job.pipe(OBSERVE)
    job.pipe(TO_PHONEIQ)
    passed = job.pipe(TO_SALESFORCE)
    assert [record[EXTERNAL_ID] for record in passed.records] == [contact]
    for record in passed.records:
        job.salesforce.load("Contact", record)
    job.settle()
    assert len(job.salesforce.live()) == 1


def test_a_new_lead_gets_what_salesforce_requires(start):
    job = start(default_object="Lead", lead_company_fallback="n/a", last_name_fallback="n/k")
    job.phoneiq.create(first_name="Ada", mobile_phone="+14155550132", company="Acme")
    job.settle()
    (lead,) = job.salesforce.live()
    assert (lead["LastName"], lead["Company"]) == ("n/k", "n/a")
    assert job.salesforce.refused == []
    # Read back as blank: nothing of it reaches PhoneIQ.
    (contact,) = job.phoneiq.live()
    assert contact["last_name"] is None
    assert contact["company"] == "Acme"


def test_a_cleared_last_name_gets_the_fallback(job):
    record, contact = job.pair_up()
    job.phoneiq.edit(contact, last_name=None)
    job.settle()
    assert job.salesforce.get(record)["LastName"] == "[not provided]"
    assert job.salesforce.refused == []
    assert job.phoneiq.get(contact)["last_name"] is None
