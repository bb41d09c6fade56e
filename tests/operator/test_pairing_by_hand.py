"""Who is who, said by an operator: pair and unpair."""

from __future__ import annotations

import pytest
from reconciler.ledger import Ledger

from tests.reconciler.job import OBSERVE, TO_PHONEIQ
from tests.reconciler.platforms import EXTERNAL_ID

pytestmark = pytest.mark.both_ledgers

NUMBER = "+14155550132"
OTHER_NUMBER = "+14155550143"


@pytest.fixture
def strangers(seat):
    """Two people behind one number who became a pair; their ids."""
    record = seat.job.salesforce.create(
        "Contact", FirstName="Ada", LastName="One", MobilePhone=NUMBER
    )
    contact = seat.job.phoneiq.create(first_name="Bob", last_name="Two", mobile_phone=NUMBER)
    seat.job.settle()
    return record, contact


def pairs(seat):
    return {(one["salesforce_id"], one["phoneiq_id"]) for one in seat.json("pairs")}


def quiet(seat):
    """More runs write nothing."""
    seat.job.settle()
    seat.job.forget_written()
    seat.job.run()
    assert seat.job.phoneiq.written == seat.job.salesforce.written == []


# --- unpair --------------------------------------------------------------------------------


@pytest.mark.parametrize("has_reference", [True, False])
@pytest.mark.parametrize("half", [0, 1])
def test_two_people_stay_apart(seat, strangers, has_reference, half):
    if not has_reference:
        seat.job.phoneiq.edit(strangers[1], salesforce_id=None)
        seat.job.pipe(OBSERVE)
    assert "stay apart" in seat.done("unpair", strangers[half]).words
    seat.job.forget_written()
    for _ in range(3):
        seat.job.run()
    assert [one.id for one in seat.job.phoneiq.written] == [strangers[1]] * has_reference
    assert seat.job.salesforce.written == []
    assert seat.job.phoneiq.get(strangers[1])["salesforce_id"] is None
    assert pairs(seat) == set()
    assert {one["reason"] for one in seat.json("skips")} == {"released"}


@pytest.mark.parametrize("external_id", [None, EXTERNAL_ID])
@pytest.mark.parametrize("shared_phone", ["reject", "allow"])
def test_two_people_stay_apart_when_both_are_edited(start, shared_phone, external_id):
    """What is created from one of them is not written over the other."""
    seat = start(shared_phone=shared_phone, salesforce_external_id_field=external_id)
    found = seat.job.phoneiq.create(first_name="Ada", last_name="Lovelace", mobile_phone=NUMBER)
    if external_id is None:
        seat.job.salesforce.create(
            "Contact", FirstName="Ada", LastName="Lovelace", MobilePhone=NUMBER
        )
    seat.job.settle()
    ((record, contact),) = pairs(seat)
    assert contact == found
    seat.done("unpair", record)
    seat.job.salesforce.edit(record, Title="Countess")
    seat.job.phoneiq.edit(contact, job_title="Clerk")
    quiet(seat)
    assert (record, contact) not in pairs(seat)
    assert seat.job.salesforce.get(record)["Title"] == "Countess"
    assert seat.job.phoneiq.get(contact)["job_title"] == "Clerk"
    assert len(pairs(seat)) == (2 if shared_phone == "allow" else 1)


def test_two_people_stay_apart_while_the_reference_is_on_its_way(seat):
    """They are unpaired before the reference of their pair was read."""
    record = seat.job.salesforce.create("Contact", FirstName="Ada", MobilePhone=NUMBER)
    contact = seat.job.phoneiq.create(first_name="Bob", mobile_phone=NUMBER)
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ)
    assert seat.job.phoneiq.get(contact)["salesforce_id"] == record
    seat.done("unpair", contact)
    quiet(seat)
    assert pairs(seat) == set()


def test_a_reference_that_is_set_later_makes_them_a_pair_again(seat, strangers):
    record, contact = strangers
    seat.done("unpair", record)
    seat.job.settle()
    seat.job.phoneiq.edit(contact, salesforce_id=record)
    quiet(seat)
    assert pairs(seat) == {strangers}


def test_a_deleted_contact_is_not_replaced_by_the_one_that_is_kept_apart(seat):
    record, contact = seat.job.pair_up()
    seat.done("unpair", record)
    seat.job.salesforce.edit(record, Title="Countess")
    seat.job.settle()
    ((_, own),) = pairs(seat)
    assert own != contact
    seat.job.phoneiq.delete(own)
    quiet(seat)
    assert pairs(seat) == set()


def test_unpair_and_pair_again(seat, strangers):
    seat.done("unpair", strangers[0])
    seat.done("pair", *strangers)
    quiet(seat)
    assert pairs(seat) == {strangers}


# --- pair ----------------------------------------------------------------------------------


@pytest.mark.parametrize("external_id", [None, EXTERNAL_ID])
@pytest.mark.parametrize("is_contact_first", [True, False])
def test_a_pair_moves(start, external_id, is_contact_first):
    seat = start(salesforce_external_id_field=external_id)
    one, ada = seat.job.pair_up()
    two, bob = seat.job.pair_up(FirstName="Bob", LastName="Two", MobilePhone=OTHER_NUMBER)
    ids = (bob, one) if is_contact_first else (one, bob)
    assert "are a pair" in seat.done("pair", *ids).words
    quiet(seat)
    assert pairs(seat) == {(one, bob)}
    assert seat.job.phoneiq.get(bob)["salesforce_id"] == one
    # What was paired with them stays as it was.
    assert seat.job.salesforce.get(two)["FirstName"] == "Bob"
    assert seat.job.phoneiq.get(ada)["first_name"] == "Ada"
    assert len(seat.job.salesforce.live()) == len(seat.job.phoneiq.live()) == 2
    assert "contact-sync pair" in seat.done("explain", one).words


def test_two_pairs_exchange_their_contacts(seat):
    one, ada = seat.job.pair_up()
    two, bob = seat.job.pair_up(FirstName="Bob", LastName="Two", MobilePhone=OTHER_NUMBER)
    seat.done("pair", one, bob)
    seat.done("pair", two, ada)
    quiet(seat)
    assert pairs(seat) == {(one, bob), (two, ada)}
    assert seat.job.phoneiq.get(ada)["salesforce_id"] == two


def test_a_pair_moves_while_references_are_on_their_way(seat):
    one = seat.job.salesforce.create("Contact", FirstName="Ada", MobilePhone=NUMBER)
    ada = seat.job.phoneiq.create(first_name="Ada", mobile_phone=NUMBER)
    two = seat.job.salesforce.create("Contact", FirstName="Bob", MobilePhone=OTHER_NUMBER)
    bob = seat.job.phoneiq.create(first_name="Bob", mobile_phone=OTHER_NUMBER)
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ)
    seat.done("pair", one, bob)
    quiet(seat)
    assert pairs(seat) == {(one, bob)}
    assert seat.job.phoneiq.get(bob)["salesforce_id"] == one
    assert seat.job.salesforce.get(two)["FirstName"] == "Bob"
    assert seat.job.phoneiq.get(ada)["first_name"] == "Ada"


def test_what_is_a_pair_already_is_left_as_it_is(seat):
    pair = seat.job.pair_up()
    assert "are a pair already" in seat.done("pair", *pair).words


def test_records_that_cannot_be_a_pair(seat):
    record, contact = seat.job.pair_up()
    lead, _ = seat.job.pair_up("Lead", FirstName="Bob", LastName="Two", MobilePhone=OTHER_NUMBER)
    gone, _ = seat.job.pair_up(FirstName="Cy", LastName="Three", MobilePhone="+14155550154")
    seat.job.salesforce.delete(gone)
    seat.job.settle()
    assert "both in salesforce" in seat.refused("pair", record, lead).words
    assert "both in phoneiq" in seat.refused("pair", contact, contact).words
    assert f"{gone} is deleted" in seat.refused("pair", gone, contact).words
    assert "knows no record" in seat.refused("pair", "pc_none", record).words
    assert "2 records have this phone number" in seat.refused("pair", NUMBER, contact).words
    seat.job.settings["objects"] = ["Contact"]
    seat.job.run()
    assert "takes no part (object_not_synced)" in seat.refused("pair", contact, lead).words
    assert (record, contact) in pairs(seat)


def test_records_that_cannot_be_unpaired(seat):
    record, contact = seat.job.pair_up(Email="office@example.org")
    seat.job.pair_up(FirstName="Bob", MobilePhone=OTHER_NUMBER, Email="office@example.org")
    assert "2 pairs have" in seat.refused("unpair", "office@example.org").words
    seat.done("unpair", NUMBER)
    assert "no pair to end" in seat.refused("unpair", record).words
    assert "no pair to end" in seat.refused("unpair", contact).words
    assert "knows no record" in seat.refused("unpair", "pc_none").words


def test_a_record_that_is_being_created_is_paired_later(seat):
    record = seat.job.salesforce.create("Contact", FirstName="Ada", MobilePhone=NUMBER)
    contact = seat.job.phoneiq.create(first_name="Bob", mobile_phone=OTHER_NUMBER)
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ)
    assert "is being created" in seat.refused("pair", contact, record).words


def test_nothing_is_paired_while_a_job_runs(seat):
    pair = seat.job.pair_up()
    running = Ledger.existing(seat.job.ledger_url)
    with running.alone("the job"):
        assert "another run works on this ledger" in seat.refused("unpair", pair[0]).words
        assert "another run works on this ledger" in seat.refused("pair", *pair).words
    running.close()
    assert pairs(seat) == {pair}


def test_forgetting_and_deleting_end_what_is_kept_apart(seat, strangers):
    seat.done("unpair", strangers[0])
    seat.done("forget", strangers[1], "--yes")
    ledger = Ledger.existing(seat.job.ledger_url)
    assert ledger.pairs.separated() == frozenset()
    ledger.close()


def test_a_sync_that_starts_anew_keeps_no_one_apart(seat, strangers):
    seat.done("unpair", strangers[0])
    seat.done("delete", "--yes")
    assert "contact-sync resume" in seat.refused("pair", *strangers).words
    seat.done("resume")
    seat.job.settle()
    assert pairs(seat) == {strangers}


# --- different names -----------------------------------------------------------------------


def test_a_plan_says_how_many_pairs_join_different_names(seat):
    for number, names in ((NUMBER, ("Ada", "Bob")), (OTHER_NUMBER, ("Cy", "Cy"))):
        seat.job.salesforce.create(
            "Contact", FirstName=names[0], LastName="One", MobilePhone=number
        )
        seat.job.phoneiq.create(first_name=names[1], last_name="One", mobile_phone=number)
    seat.job.settings["dry_run"] = True
    seat.job.run()
    expected = "1 of 2 pairs by phone join people with different names"
    assert expected in seat.done("plan").words
    assert seat.json("plan")["name_mismatches"] == 1
    assert seat.json("pairs", "--name-mismatch") == []
    (planned,) = seat.json("pairs", "--planned", "--name-mismatch")
    assert (planned["salesforce_name"], planned["phoneiq_name"]) == ("Ada One", "Bob One")
    assert "pairs --planned --name-mismatch" in seat.done("plan").words
    del seat.job.settings["dry_run"]
    passed = seat.job.run()
    said = [line for one in passed for line in one.log if "--name-mismatch" in line]
    assert len(said) == 1
    assert "1 pairs by phone" in said[0]
    assert "Ada" not in said[0]
    seat.job.settle()
    assert "--name-mismatch" not in seat.done("plan").words
    assert seat.json("plan")["name_mismatches"] == 0
