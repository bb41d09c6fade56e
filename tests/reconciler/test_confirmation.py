"""A write counts as done when the tap of its side shows its values."""

from __future__ import annotations

from contextlib import closing

import pytest
from reconciler.ledger import Ledger

from tests.reconciler.job import OBSERVE, TO_PHONEIQ, TO_SALESFORCE, lost_from
from tests.reconciler.platforms import deliver


def lose(_):
    return []


def test_an_emitted_write_is_not_emitted_again_before_its_side_was_observed(job):
    record, _ = job.pair_up()
    job.salesforce.edit(record, Title="Analyst")
    assert len(job.pipe(TO_PHONEIQ).records) == 1
    assert job.pipe(TO_PHONEIQ).records == []
    assert job.pipe(TO_PHONEIQ).records == []


def test_a_create_is_not_emitted_again_before_its_side_was_observed(job):
    job.pipe(OBSERVE)
    job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    assert len(job.pipe(TO_PHONEIQ).records) == 1
    assert job.pipe(TO_PHONEIQ).records == []
    job.pipe(OBSERVE)
    assert job.pipe(TO_PHONEIQ).records == []
    assert len(job.phoneiq.live()) == 1


def test_a_write_is_confirmed_by_the_next_observation_of_its_side(job):
    record, _ = job.pair_up()
    job.salesforce.edit(record, Title="Analyst")
    passed = job.run()
    assert passed[1].summary["confirmed"] == 0
    assert passed[2].summary["confirmed"] == 1
    assert [one.summary["confirmed"] for one in job.run()] == [0, 0, 0]


@pytest.mark.parametrize("side", ["salesforce", "phoneiq"])
def test_a_write_that_is_lost_goes_out_again(job, side):
    record, contact = job.pair_up()
    if side == "phoneiq":
        job.salesforce.edit(record, Title="Analyst")
        job.pipe(TO_PHONEIQ, target=lose)
    else:
        job.phoneiq.edit(contact, job_title="Analyst")
        job.pipe(TO_SALESFORCE, target=lose)
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"
    assert job.salesforce.get(record)["Title"] == "Analyst"


@pytest.mark.parametrize("kept", range(6))
def test_a_target_that_crashes_after_any_message(job, kept):
    for digit in range(3):
        job.salesforce.create("Contact", FirstName="Ada", MobilePhone=f"+1415555013{digit}")
        job.phoneiq.create(first_name="Bob", mobile_phone=f"+1415555014{digit}")
    job.pipe(OBSERVE)
    job.pipe(TO_PHONEIQ, target=lost_from(kept))
    job.pipe(TO_SALESFORCE, target=lost_from(kept))
    job.settle()
    assert len(job.phoneiq.live()) == len(job.salesforce.live()) == 6


def test_a_create_that_comes_twice_is_one_record(start):
    job = start(salesforce_external_id_field="PhoneIQ_Contact_ID__c")
    job.phoneiq.create(first_name="Ada", mobile_phone="+14155550132")
    job.salesforce.create("Contact", FirstName="Bob", MobilePhone="+14155550143")
    job.pipe(OBSERVE)

    def twice(messages):
        return [message for message in messages for _ in range(2)]

    job.pipe(TO_PHONEIQ, target=twice)
    job.pipe(TO_SALESFORCE, target=twice)
    job.settle()
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 2


def test_writes_that_stay_unconfirmed_are_counted(job):
    record, _ = job.pair_up()
    job.salesforce.edit(record, Title="Analyst")
    for _ in range(3):
        job.pipe(OBSERVE)
        passed = job.pipe(TO_PHONEIQ, target=lose)
        assert len(passed.records) == 1
    assert passed.summary["unconfirmed"] == 1
    job.settle()
    assert job.pipe(TO_PHONEIQ).summary["unconfirmed"] == 0


def test_a_record_that_is_refused_does_not_stop_the_others_and_is_tried_again(job):
    # Nothing here says that PhoneIQ wants an @: Salesforce took the address.
    bad = job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    good = job.salesforce.create("Contact", FirstName="Bob", MobilePhone="+14155550143")
    job.pipe(OBSERVE)

    def refusing(messages):
        return [
            message | {"record": message["record"] | {"fax": "1" * 99}}
            if message["type"] == "RECORD" and message["record"]["first_name"] == "Ada"
            else message
            for message in messages
        ]

    job.pipe(TO_PHONEIQ, target=refusing)
    assert job.phoneiq.refused == ["value_too_long fax"]
    assert job.contact_of(good)
    job.settle()
    assert job.contact_of(bad)


def test_a_change_made_undone_before_the_write_arrived(job):
    record, contact = job.pair_up(Title="Countess")
    job.salesforce.edit(record, Title="Analyst")
    job.pipe(TO_PHONEIQ, target=lose)
    job.salesforce.edit(record, Title="Countess")
    job.settle()
    assert job.phoneiq.written == []
    assert job.phoneiq.get(contact)["job_title"] == "Countess"


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_an_edit_after_the_write_was_emitted_is_no_conflict_with_that_write(start, on_conflict):
    job = start(on_conflict=on_conflict)
    record, contact = job.pair_up()
    job.phoneiq.edit(contact, job_title="first")
    job.pipe(TO_SALESFORCE)
    job.phoneiq.edit(contact, job_title="second")
    job.settle()
    assert job.salesforce.get(record)["Title"] == "second"
    job.salesforce.edit(record, Title="third")
    job.pipe(TO_PHONEIQ)
    job.salesforce.edit(record, Title="fourth")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "fourth"


def test_an_update_is_not_given_up_before_its_side_was_observed(job):
    record, contact = job.pair_up(Title="Countess")
    job.salesforce.edit(record, Title="Analyst")
    late = []
    job.pipe(TO_PHONEIQ, target=lambda messages: late.extend(messages) or [])
    job.salesforce.edit(record, Title="Countess")
    assert job.pipe(TO_PHONEIQ).records == []
    deliver(job.phoneiq, late)
    job.settle()
    assert job.salesforce.get(record)["Title"] == "Countess"
    assert job.phoneiq.get(contact)["job_title"] == "Countess"


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_an_update_is_not_replaced_before_its_side_was_observed(start, on_conflict):
    job = start(on_conflict=on_conflict)
    record, contact = job.pair_up(Title="Countess")
    job.salesforce.edit(record, Title="Analyst")
    job.pipe(TO_PHONEIQ)
    job.salesforce.edit(record, Title="Programmer")
    job.pipe(TO_PHONEIQ, target=lose)
    job.settle()
    assert job.salesforce.get(record)["Title"] == "Programmer"
    assert job.phoneiq.get(contact)["job_title"] == "Programmer"


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_an_edit_after_the_create_was_emitted_is_no_conflict_with_that_create(start, on_conflict):
    job = start(on_conflict=on_conflict)
    job.run()
    contact = job.phoneiq.create(first_name="Ada", job_title="first", mobile_phone="+14155550132")
    job.pipe(TO_SALESFORCE)
    job.phoneiq.edit(contact, job_title="second")
    job.settle()
    assert [row["Title"] for row in job.salesforce.live()] == ["second"]
    assert job.phoneiq.get(contact)["job_title"] == "second"


def test_a_lost_create_of_a_record_whose_number_is_taken_since_is_given_up(start):
    job = start(shared_phone="reject")
    job.pair_up()
    other = job.salesforce.create("Contact", FirstName="Bob", MobilePhone="+14155550143")
    job.pipe(TO_PHONEIQ, target=lose)
    job.salesforce.edit(other, MobilePhone="+14155550132")
    passed = job.settle()
    assert passed[-1].summary["unconfirmed"] == 0
    assert _open_writes(job) == 0


def test_a_lost_create_of_a_record_that_takes_no_part_any_more_is_given_up(job):
    job.pair_up()
    other = job.salesforce.create("Contact", FirstName="Bob", MobilePhone="+14155550143")
    job.pipe(TO_PHONEIQ, target=lose)
    job.salesforce.edit(other, FirstName=None)
    job.settle()
    assert _open_writes(job) == 0


def test_a_lost_create_of_a_record_whose_former_number_is_taken_since_is_made_again(job):
    record, _ = job.pair_up()
    other = job.salesforce.create("Contact", FirstName="Bob", MobilePhone="+14155550143")
    job.pipe(TO_PHONEIQ, target=lose)
    job.salesforce.edit(other, MobilePhone="+14155550144")
    job.salesforce.edit(record, Phone="+14155550143")
    job.settle(runs=4)
    assert job.contact_of(other)["mobile_phone"] == "+14155550144"


def test_a_number_is_free_as_soon_as_the_create_that_it_was_in_is_given_up(job):
    job.pair_up()
    first = job.phoneiq.create(first_name="Bob", mobile_phone="+14155550143")
    job.pipe(TO_SALESFORCE, target=lose)
    job.phoneiq.edit(first, mobile_phone="call me")
    job.phoneiq.create(first_name="Cleo", mobile_phone="+14155550143")
    job.run()
    assert [row["FirstName"] for row in job.salesforce.live()] == ["Ada", "Cleo"]


def _open_writes(job):
    with closing(Ledger(job.ledger_url)) as ledger:
        return ledger.overview.open_writes()
