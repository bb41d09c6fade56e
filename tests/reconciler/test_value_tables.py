"""A mapping's table says which value of one side is which value of the other."""

from __future__ import annotations

import pytest

NEEDED = [
    {"salesforce": "FirstName", "phoneiq": "first_name"},
    {"salesforce": "LastName", "phoneiq": "last_name"},
    {"salesforce": "MobilePhone", "phoneiq": "mobile_phone"},
    {"salesforce": "Title", "phoneiq": "job_title"},
]
SEGMENTS = {"Hot": "vip", "Cold": "standard"}


def with_table(start, salesforce="Rating__c", phoneiq="custom_segment", *, values, **row):
    mapping = {"salesforce": salesforce, "phoneiq": phoneiq, "values": values}
    return start(field_mappings={"Contact": [*NEEDED, mapping | row]})


@pytest.fixture
def job(start):
    return with_table(start, values=SEGMENTS)


def test_values_are_translated_both_ways(job):
    record, contact = job.pair_up(Rating__c="Hot")
    assert job.phoneiq.get(contact)["custom_segment"] == "vip"
    job.phoneiq.edit(contact, custom_segment="standard")
    job.settle()
    assert job.salesforce.get(record)["Rating__c"] == "Cold"
    job.salesforce.edit(record, Rating__c="Hot")
    job.settle()
    assert job.phoneiq.get(contact)["custom_segment"] == "vip"


def test_a_new_record_gets_the_translated_value(job):
    contact = job.phoneiq.create(
        first_name="Ada", mobile_phone="+14155550132", custom_segment="vip"
    )
    job.settle()
    assert job.record_of(contact)["Rating__c"] == "Hot"


def test_values_that_stand_for_each_other_are_the_same(job):
    job.salesforce.create("Contact", FirstName="Ada", Phone="1", MobilePhone="+14155550132")
    record = job.salesforce.create(
        "Contact", FirstName="Bob", MobilePhone="+14155550177", Rating__c=" Hot "
    )
    contact = job.phoneiq.create(
        first_name="Bob", mobile_phone="+14155550177", custom_segment="vip"
    )
    job.settle()
    assert "custom_segment" not in {name for one in job.phoneiq.written for name in one.fields}
    assert "Rating__c" not in {name for one in job.salesforce.written for name in one.fields}
    # They agree on it: a change of one side is no conflict.
    job.phoneiq.edit(contact, custom_segment="standard")
    job.settle()
    assert job.salesforce.get(record)["Rating__c"] == "Cold"


def test_clearing_travels_both_ways(job):
    record, contact = job.pair_up(Rating__c="Hot")
    job.salesforce.edit(record, Rating__c=None)
    job.settle()
    assert job.phoneiq.get(contact)["custom_segment"] is None
    job.phoneiq.edit(contact, custom_segment="vip")
    job.settle()
    job.phoneiq.edit(contact, custom_segment=None)
    job.settle()
    assert job.salesforce.get(record)["Rating__c"] is None


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_conflicts_are_of_translated_values(start, on_conflict):
    job = with_table(start, values=SEGMENTS | {"Warm": "new"})
    job.settings["on_conflict"] = on_conflict
    record, contact = job.pair_up(Rating__c="Hot")
    job.salesforce.edit(record, Rating__c="Cold")
    job.phoneiq.edit(contact, custom_segment="new")
    job.settle()
    values = job.salesforce.get(record)["Rating__c"], job.phoneiq.get(contact)["custom_segment"]
    assert values == (("Cold", "standard") if on_conflict == "keep_salesforce" else ("Warm", "new"))


def test_a_salesforce_value_that_the_table_lacks_leaves_the_field_out(job):
    record, contact = job.pair_up(Rating__c="Hot")
    job.salesforce.edit(record, Rating__c="Warm", Title="Analyst")
    passed = job.settle()
    assert job.phoneiq.get(contact)["custom_segment"] == "vip"
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"
    assert passed[1].summary["skipped"] == {"value_not_mapped": 1}
    job.salesforce.edit(record, Rating__c="Cold")
    assert job.settle()[1].summary["skipped"] == {}
    assert job.phoneiq.get(contact)["custom_segment"] == "standard"


def test_a_phoneiq_value_that_the_table_lacks_leaves_the_field_out(job):
    record, contact = job.pair_up(Rating__c="Hot")
    job.phoneiq.edit(contact, custom_segment="gold", job_title="Analyst")
    passed = job.settle()
    assert job.salesforce.get(record)["Rating__c"] == "Hot"
    assert job.salesforce.get(record)["Title"] == "Analyst"
    assert passed[2].summary["skipped"] == {"value_not_mapped": 1}


def test_a_new_record_is_created_without_the_value_that_the_table_lacks(job):
    record = job.salesforce.create(
        "Contact", FirstName="Ada", MobilePhone="+14155550132", Rating__c="Warm"
    )
    passed = job.settle()
    assert job.contact_of(record)["custom_segment"] is None
    assert passed[1].summary["skipped"] == {"value_not_mapped": 1}


@pytest.mark.parametrize(
    ("values", "on", "off"),
    [
        ({"true": True, "false": False}, True, False),
        ({"true": False, "false": True}, False, True),
    ],
    ids=["as it is", "inverted"],
)
def test_booleans_on_both_sides(start, values, on, off):
    job = with_table(start, "Newsletter__c", "custom_vip", values=values)
    record, contact = job.pair_up(Newsletter__c=True)
    assert job.phoneiq.get(contact)["custom_vip"] is on
    job.phoneiq.edit(contact, custom_vip=off)
    job.settle()
    assert job.salesforce.get(record)["Newsletter__c"] is False
    job.salesforce.edit(record, Newsletter__c=True)
    job.settle()
    assert job.phoneiq.get(contact)["custom_vip"] is on
    assert job.phoneiq.refused == job.salesforce.refused == []


def test_a_boolean_in_salesforce_and_words_in_phoneiq(start):
    job = with_table(start, "Newsletter__c", values={"true": "subscribed", "false": "no"})
    record, contact = job.pair_up(Newsletter__c=True)
    assert job.phoneiq.get(contact)["custom_segment"] == "subscribed"
    job.phoneiq.edit(contact, custom_segment="no")
    job.settle()
    assert job.salesforce.get(record)["Newsletter__c"] is False


def test_words_in_salesforce_and_a_boolean_in_phoneiq(start):
    job = with_table(start, "Rating__c", "custom_vip", values={"Hot": True, "Cold": False})
    record, contact = job.pair_up(Rating__c="Hot")
    assert job.phoneiq.get(contact)["custom_vip"] is True
    job.phoneiq.edit(contact, custom_vip=False)
    job.settle()
    assert job.salesforce.get(record)["Rating__c"] == "Cold"


@pytest.mark.parametrize("kind", [int, float])
def test_words_in_salesforce_and_a_number_in_phoneiq(start, kind):
    job = with_table(start, "Rating__c", "custom_score", values={"Hot": 2, "Cold": 1})
    record, contact = job.pair_up(Rating__c="Hot")
    assert job.phoneiq.get(contact)["custom_score"] == 2
    # PhoneIQ may show either form of a number.
    job.phoneiq.edit(contact, custom_score=kind(1))
    job.settle()
    assert job.salesforce.get(record)["Rating__c"] == "Cold"
    job.phoneiq.edit(contact, custom_score=kind(1), job_title="Analyst")
    passed = job.settle()
    assert passed[2].summary["skipped"] == {}


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_several_salesforce_values_may_be_one_towards_phoneiq_alone(start, on_conflict):
    job = with_table(
        start,
        values={"Hot": "vip", "Warm": "vip", "Cold": "standard"},
        direction="salesforce_to_phoneiq",
    )
    job.settings["on_conflict"] = on_conflict
    record, contact = job.pair_up(Rating__c="Hot")
    job.salesforce.edit(record, Rating__c="Warm")
    job.settle()
    assert job.phoneiq.written == []
    job.salesforce.edit(record, Rating__c="Cold")
    job.settle()
    assert job.phoneiq.get(contact)["custom_segment"] == "standard"
    assert job.salesforce.written == []


def test_a_changed_table_is_heeded_by_the_next_run(job):
    record, contact = job.pair_up(Rating__c="Warm")
    assert job.phoneiq.get(contact)["custom_segment"] is None
    rows = job.settings["field_mappings"]["Contact"]
    rows[-1]["values"] = SEGMENTS | {"Warm": "new"}
    assert job.settle()[1].summary["skipped"] == {}
    assert job.phoneiq.get(contact)["custom_segment"] == "new"
    assert job.salesforce.get(record)["Rating__c"] == "Warm"
