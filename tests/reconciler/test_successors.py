"""Merges and conversions move the pair."""

from __future__ import annotations

import pytest

from tests.reconciler.job import TO_PHONEIQ, TO_SALESFORCE, lost_from
from tests.reconciler.platforms import EXTERNAL_ID


def test_the_pair_of_a_merged_record_moves_to_its_master(job):
    loser, contact = job.pair_up(Title="Countess")
    winner = job.salesforce.create("Contact", FirstName="Augusta", Email="ada@example.org")
    job.settle()
    job.salesforce.merge(winner, loser)
    job.salesforce.edit(winner, MobilePhone="+14155550132")
    job.settle()
    assert [row["id"] for row in job.phoneiq.live()] == [contact]
    assert job.phoneiq.get(contact)["salesforce_id"] == winner
    assert job.phoneiq.get(contact)["email"] == "ada@example.org"
    assert len(job.salesforce.live()) == 1


def test_a_merge_of_two_paired_records_creates_nothing_again(job):
    winner, contact = job.pair_up()
    loser, other = job.pair_up(FirstName="Ada", MobilePhone="+14155550177")
    job.salesforce.merge(winner, loser)
    job.settle()
    assert [row["Id"] for row in job.salesforce.live()] == [winner]
    assert {row["id"] for row in job.phoneiq.live()} == {contact, other}
    assert job.phoneiq.get(contact)["salesforce_id"] == winner


def test_a_chain_of_merges_is_followed_to_its_end(job):
    first, contact = job.pair_up()
    second = job.salesforce.create("Contact", FirstName="Ada")
    third = job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550177")
    job.salesforce.merge(second, first)
    job.salesforce.merge(third, second)
    job.settle()
    assert job.phoneiq.get(contact)["salesforce_id"] == third
    assert len(job.phoneiq.live()) == 1


def test_the_pair_of_a_converted_lead_moves_to_its_contact(job):
    lead, contact = job.pair_up("Lead", Title="Countess", Company="Acme")
    converted = job.salesforce.convert(lead)
    job.settle()
    assert [row["id"] for row in job.phoneiq.live()] == [contact]
    assert job.phoneiq.get(contact)["salesforce_id"] == converted
    assert job.phoneiq.get(contact)["salesforce_object"] == "Contact"
    job.salesforce.edit(converted, Title="Analyst")
    job.phoneiq.edit(contact, email="ada@example.org")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"
    assert job.salesforce.get(converted)["Email"] == "ada@example.org"
    assert len(job.salesforce.live()) == 1


def test_an_edit_in_phoneiq_while_the_lead_is_converted_reaches_the_contact(job):
    lead, contact = job.pair_up("Lead", Title="Countess")
    converted = job.salesforce.convert(lead)
    job.phoneiq.edit(contact, job_title="Analyst")
    job.settle()
    assert job.salesforce.get(converted)["Title"] == "Analyst"
    assert job.salesforce.refused == []


def test_the_company_fallback_of_a_converted_lead_does_not_reach_phoneiq(start):
    job = start(default_object="Lead")
    contact = job.phoneiq.create(first_name="Ada", mobile_phone="+14155550132", company="Acme")
    job.settle()
    job.salesforce.convert(job.record_of(contact)["Id"])
    job.settle()
    assert [row["attributes"] for row in job.salesforce.live()] == ["Contact"]
    assert job.phoneiq.get(contact)["company"] == "Acme"


def test_a_lead_that_is_converted_while_it_is_created_is_not_created_again(job):
    job.settle()
    lead = job.salesforce.create("Lead", FirstName="Ada", MobilePhone="+14155550132")
    assert len(job.pipe(TO_PHONEIQ).records) == 1
    converted = job.salesforce.convert(lead)
    assert job.pipe(TO_PHONEIQ).records == []
    job.settle()
    (contact,) = job.phoneiq.live()
    assert contact["salesforce_id"] == converted
    assert contact["salesforce_object"] == "Contact"


def test_a_converted_lead_whose_create_was_lost_is_created_as_its_contact(job):
    job.settle()
    lead = job.salesforce.create("Lead", FirstName="Ada", MobilePhone="+14155550132")
    job.pipe(TO_PHONEIQ, target=lost_from(0))
    converted = job.salesforce.convert(lead)
    job.settle()
    assert [row["salesforce_id"] for row in job.phoneiq.live()] == [converted]


def test_a_record_that_is_merged_while_it_is_created_is_not_created_again(job):
    job.settle()
    loser = job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    assert len(job.pipe(TO_PHONEIQ).records) == 1
    winner = job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    job.salesforce.merge(winner, loser)
    assert job.pipe(TO_PHONEIQ).records == []
    job.settle()
    assert [row["salesforce_id"] for row in job.phoneiq.live()] == [winner]


def test_a_record_that_names_its_contact_keeps_it_when_another_is_merged_into_it(start):
    job = start(salesforce_external_id_field=EXTERNAL_ID, shared_phone="allow")
    loser, other = job.pair_up()
    contact = job.phoneiq.create(first_name="Bob", mobile_phone="+14155550143")
    job.pipe(TO_SALESFORCE)
    # Before any run has seen the record that it was made into.
    (winner,) = (row["Id"] for row in job.salesforce.live() if row["Id"] != loser)
    job.salesforce.merge(winner, loser)
    job.settle()
    job.phoneiq.edit(contact, job_title="Analyst")
    job.phoneiq.edit(other, job_title="Countess")
    job.settle()
    assert job.salesforce.get(winner)["Title"] == "Analyst"
    assert job.salesforce.get(winner)["FirstName"] == "Bob"


def test_a_record_that_another_is_merged_into_while_it_is_created_gets_its_own_contact(job):
    loser, other = job.pair_up()
    winner = job.salesforce.create("Contact", FirstName="Bob", MobilePhone="+14155550143")
    assert len(job.pipe(TO_PHONEIQ).records) == 1
    job.salesforce.merge(winner, loser)
    assert job.pipe(TO_PHONEIQ).records == []
    job.settle()
    assert job.contact_of(winner)["first_name"] == "Bob"
    assert job.phoneiq.get(other)["first_name"] == "Ada"
    assert [row["Id"] for row in job.salesforce.live()] == [winner]
    assert job.phoneiq.refused == []


def test_a_record_whose_create_was_lost_gets_the_contact_of_the_one_that_is_merged_into_it(job):
    loser, contact = job.pair_up()
    winner = job.salesforce.create("Contact", FirstName="Bob", MobilePhone="+14155550143")
    job.pipe(TO_PHONEIQ, target=lost_from(0))
    job.salesforce.merge(winner, loser)
    job.settle()
    assert [row["id"] for row in job.phoneiq.live()] == [contact]
    assert job.phoneiq.get(contact)["salesforce_id"] == winner


@pytest.mark.parametrize("shared_phone", ["reject", "allow"])
@pytest.mark.parametrize("runs", [1, 2])
def test_a_created_record_is_merged_into_one_with_a_contact(start, shared_phone, runs):
    """Also before any run has seen it: its contact is not created once more."""
    job = start(shared_phone=shared_phone, salesforce_external_id_field=EXTERNAL_ID)
    job.phoneiq.create(first_name="Ada", last_name="One", mobile_phone="+14155550132")
    job.phoneiq.create(first_name="Ada", last_name="Two", mobile_phone="+14155550143")
    for _ in range(runs):
        job.run()
    loser, winner = (row["Id"] for row in job.salesforce.live())
    job.salesforce.merge(winner, loser)
    job.settle()
    assert [row["Id"] for row in job.salesforce.live()] == [winner]
    assert [one["reason"] for one in job.ask("skips")] == ["merged_away"]
