"""Who is who, in the order of the page: a pair, a reference, a successor, a phone, else new."""

from __future__ import annotations

import itertools

import pytest
from reconciler.fields.ids import object_of
from reconciler.fields.ids import salesforce_id as long_id
from reconciler.model import PHONEIQ, SALESFORCE
from reconciler.rules.matching import Candidate, pair_by_phone

from tests.reconciler.job import TO_SALESFORCE
from tests.reconciler.platforms import EXTERNAL_ID

ADA, BOB = "+14155550132", "+14155550143"


def paired(job):
    """(Salesforce id, PhoneIQ id) of every contact that names a record."""
    return {(row["salesforce_id"], row["id"]) for row in job.phoneiq.live() if row["salesforce_id"]}


# 1. It has a pair already.


def test_a_pair_outlives_any_change_of_its_numbers(job):
    record, contact = job.pair_up()
    job.salesforce.edit(record, MobilePhone=BOB)
    job.phoneiq.edit(contact, work_phone="+14155550188")
    job.settle()
    assert paired(job) == {(record, contact)}
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 1


def test_a_pair_is_kept_though_a_better_match_turns_up(job):
    record, contact = job.pair_up(Phone="+14155550177")
    other = job.phoneiq.create(
        first_name="Ada", last_name="Lovelace", mobile_phone=ADA, work_phone="+14155550177"
    )
    job.settle()
    assert paired(job) == {(record, contact)}
    assert job.phoneiq.get(other)["salesforce_id"] is None


# 2. By reference.


def test_a_contact_that_names_the_salesforce_id(job):
    record = job.salesforce.create("Contact", FirstName="Ada", MobilePhone=ADA)
    contact = job.phoneiq.create(first_name="Someone", mobile_phone=BOB, salesforce_id=record)
    job.settle()
    assert paired(job) == {(record, contact)}
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 1


def test_ids_of_15_and_18_characters_are_the_same_id(job):
    record = job.salesforce.create("Contact", FirstName="Ada", MobilePhone=ADA)
    job.phoneiq.create(first_name="Ada", mobile_phone=BOB, salesforce_id=record[:15])
    job.settle()
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 1


def test_a_record_that_names_the_phoneiq_id(start):
    job = start(salesforce_external_id_field=EXTERNAL_ID)
    contact = job.phoneiq.create(first_name="Ada", mobile_phone=ADA)
    record = job.salesforce.create(
        "Contact", FirstName="Ada", MobilePhone=BOB, **{EXTERNAL_ID: contact}
    )
    job.settle()
    assert [row["Id"] for row in job.salesforce.live()] == [record]
    assert [row["id"] for row in job.phoneiq.live()] == [contact]
    assert job.phoneiq.get(contact)["mobile_phone"] == job.salesforce.get(record)["MobilePhone"]


def test_a_reference_goes_before_a_shared_number(job):
    named = job.salesforce.create("Contact", FirstName="Ada", MobilePhone=ADA)
    job.salesforce.create("Contact", FirstName="Bob", MobilePhone=BOB)
    contact = job.phoneiq.create(first_name="Bob", mobile_phone=BOB, salesforce_id=named)
    job.settle()
    assert (named, contact) in paired(job)


def test_a_reference_to_nothing_is_no_reference(job):
    record = job.salesforce.create("Contact", FirstName="Ada", MobilePhone=ADA)
    contact = job.phoneiq.create(
        first_name="Ada", mobile_phone=ADA, salesforce_id="003gn0000000999AAA"
    )
    job.settle()
    assert paired(job) == {(record, contact)}


def test_long_ids():
    # The examples of Salesforce's own article on the 18-character id.
    assert long_id("001A0000006Vm9u") == "001A0000006Vm9uIAC"
    assert long_id("001A0000006Vm9uIAC") == "001A0000006Vm9uIAC"
    # Tools that ignore case change the suffix as well.
    assert long_id("001A0000006Vm9uiac") == "001A0000006Vm9uIAC"
    assert long_id(" 001A0000006Vm9u ") == "001A0000006Vm9uIAC"
    assert long_id("no id") == "no id"


def test_ids_that_differ_in_case_only_are_different_ids():
    assert long_id("003A0000006Vm9u") != long_id("003A0000006vm9u")


def test_the_object_of_an_id():
    assert object_of("003gn0000000001AAA") == "Contact"
    assert object_of("00Qgn0000000001AAA") == "Lead"
    assert object_of("0F9gn0000000001AAA") is None


# 4. By phone.


def test_a_shared_number_in_any_two_mapped_fields_and_any_form(job):
    record = job.salesforce.create("Contact", FirstName="Ada", HomePhone="(415) 555-0132")
    contact = job.phoneiq.create(first_name="Ada", work_phone="+1 415.555.0132")
    job.settle()
    assert paired(job) == {(record, contact)}


def test_a_number_with_an_extension_is_another_number(job):
    job.salesforce.create("Contact", FirstName="Ada", MobilePhone=f"{ADA} ext. 12")
    job.phoneiq.create(first_name="Bob", mobile_phone=ADA)
    job.settle()
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 2


def test_an_invalid_number_pairs_nobody(job):
    job.salesforce.create("Contact", FirstName="Ada", MobilePhone=ADA, Phone="555")
    job.phoneiq.create(first_name="Bob", mobile_phone=BOB, work_phone="555")
    job.settle()
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 2


def test_a_fax_number_pairs_nobody(job):
    job.salesforce.create("Contact", FirstName="Ada", MobilePhone=ADA, Fax="+14155550177")
    job.phoneiq.create(first_name="Bob", mobile_phone=BOB, fax="+14155550177")
    job.settle()
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 2


def record(row, **given):
    """A Salesforce candidate; the contacts' rows are above 100."""
    side = PHONEIQ if row > 100 else SALESFORCE
    plain = {
        "row": row,
        "side": side,
        "object": "Contact",
        "id": str(row),
        "name": "",
        "created_at": "2025-01-01",
        "takes_part": True,
        "numbers": (ADA,),
    }
    return Candidate(**plain | given)


def decide(*group, shared_phone="reject", holders=None, objects=("Contact", "Lead")):
    """The same for every order in which the records come."""
    found = [
        pair_by_phone(order, holders or {}, objects=objects, shared_phone=shared_phone)
        for order in itertools.permutations(group)
    ]
    assert all(one == found[0] for one in found)
    return found[0]


@pytest.mark.parametrize(
    ("preference", "better", "worse"),
    [
        ("more shared numbers", {"numbers": (ADA, BOB)}, {"name": "ada", "created_at": "2024"}),
        ("equal name", {"name": "ada"}, {"created_at": "2024", "id": "0"}),
        ("objects in their order", {}, {"object": "Lead", "created_at": "2024", "id": "0"}),
        ("the oldest", {"created_at": "2024"}, {"id": "0"}),
        ("the id", {"id": "1"}, {"id": "2"}),
    ],
)
def test_several_candidates(preference, better, worse):
    contact = record(101, name="ada", numbers=(ADA, BOB))
    assert decide(record(2, **worse), record(3, **better), contact).pairs == [(3, 101)], preference


def test_blank_names_are_not_equal_names():
    assert decide(
        record(1, created_at="2025"), record(2, created_at="2024", name="bob"), record(101)
    ).pairs == [(2, 101)]


def test_the_order_of_objects_is_a_setting():
    group = (record(1, object="Lead"), record(2, object="Contact"), record(101))
    assert decide(*group).pairs == [(2, 101)]
    assert decide(*group, objects=("Lead", "Contact")).pairs == [(1, 101)]


def test_a_record_that_takes_part_goes_before_one_that_does_not():
    assert decide(
        record(1, takes_part=False, name="ada"), record(2), record(101, name="ada")
    ).pairs == [(2, 101)]


def test_every_record_is_paired_once():
    found = decide(record(1), record(2), record(101), record(102), shared_phone="allow")
    assert sorted(found.pairs) == [(1, 101), (2, 102)]
    assert found.duplicates == {}


def test_many_at_one_switchboard_are_paired_by_name():
    salesforce = [record(row, name=f"name {row}") for row in range(100)]
    contacts = [record(200 + row, name=f"name {row}") for row in range(100)]
    found = pair_by_phone(
        [*salesforce, *contacts], {}, objects=("Contact", "Lead"), shared_phone="allow"
    )
    assert sorted(found.pairs) == [(row, 200 + row) for row in range(100)]


def test_persons_of_both_sides_are_paired_whatever_arrived_first(job):
    people = {
        job.salesforce.create("Contact", FirstName="Ada", Phone=ADA, MobilePhone=BOB): "Ada",
        job.salesforce.create("Lead", FirstName="Ada", Phone="+14155550177"): "Lead",
    }
    job.phoneiq.create(first_name="Lead", work_phone="+14155550177", mobile_phone="+14155550188")
    job.phoneiq.create(first_name="Ada", work_phone=BOB)
    job.settle()
    assert {record for record, _ in paired(job)} == set(people)
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 2


# 5. Otherwise it is new.


def test_a_record_that_nobody_knows_is_created_on_the_other_side(job):
    record = job.salesforce.create("Contact", FirstName="Ada", MobilePhone=ADA)
    contact = job.phoneiq.create(first_name="Bob", mobile_phone=BOB)
    job.settle()
    assert {one.action for one in [*job.salesforce.written, *job.phoneiq.written]} == {
        "create",
        "update",
    }
    assert job.contact_of(record)["first_name"] == "Ada"
    assert job.record_of(contact)["FirstName"] == "Bob"


# Two records of one side that share a number.


def test_reject_the_holder_is_the_first_by_the_order_of_preference():
    found = decide(record(1), record(2, created_at="2024"), record(3, object="Lead"))
    assert found.pairs == []
    assert found.duplicates == {1: 2, 3: 2}


def test_reject_a_pair_goes_first():
    found = decide(record(1, created_at="2020"), holders={(SALESFORCE, ADA): 9})
    assert found.duplicates == {1: 9}


def test_reject_a_record_that_takes_no_part_holds_no_number():
    assert 2 not in decide(record(1, takes_part=False, created_at="2020"), record(2)).duplicates


def test_reject_the_second_is_skipped_and_names_nobody_but_the_holder(job):
    first = job.salesforce.create("Contact", FirstName="Ada", MobilePhone=ADA)
    job.salesforce.create("Contact", FirstName="Bob", MobilePhone=ADA)
    passed = job.settle()
    assert passed[1].summary["skipped"] == {"duplicate_phone": 1}
    assert [row["salesforce_id"] for row in job.phoneiq.live()] == [first]


def leaves(job, record):
    job.salesforce.delete(record)


def changes_its_number(job, record):
    job.salesforce.edit(record, MobilePhone="+14155550199")


@pytest.mark.parametrize("how", [leaves, changes_its_number])
def test_reject_the_next_in_line_takes_the_place_of_the_holder(job, how):
    first = job.salesforce.create("Contact", FirstName="Ada", MobilePhone=ADA)
    second = job.salesforce.create("Contact", FirstName="Bob", MobilePhone=ADA)
    third = job.salesforce.create("Contact", FirstName="Cleo", MobilePhone=ADA)
    job.settle()
    how(job, first)
    if how is leaves:
        # The survivor keeps the number on its side: it is released, and no one's contact.
        job.phoneiq.delete(job.phoneiq.live()[0]["id"])
    job.settle()
    assert job.contact_of(second)["first_name"] == "Bob"
    assert third not in {record for record, _ in paired(job)}
    assert len([row for row in job.phoneiq.live() if row["mobile_phone"] == ADA]) == 1


def test_reject_the_phoneiq_side_too(job):
    first = job.phoneiq.create(first_name="Ada", mobile_phone=ADA)
    second = job.phoneiq.create(first_name="Bob", mobile_phone=ADA)
    assert job.settle()[2].summary["skipped"] == {"duplicate_phone": 1}
    assert [row["FirstName"] for row in job.salesforce.live()] == ["Ada"]
    job.phoneiq.edit(first, mobile_phone="+14155550199")
    job.settle()
    assert job.record_of(second)["FirstName"] == "Bob"


def test_reject_the_next_in_line_for_the_number_that_a_new_record_was_made_with(job):
    first = job.phoneiq.create(first_name="Ada", mobile_phone=ADA)
    job.run()
    # Before any run has seen its record in Salesforce.
    job.phoneiq.edit(first, mobile_phone="call me")
    second = job.phoneiq.create(first_name="Bob", mobile_phone=ADA)
    job.settle(runs=4)
    assert job.record_of(first)["FirstName"] == "Ada"
    assert job.record_of(second)["FirstName"] == "Bob"


def test_allow_each_is_a_contact_of_its_own(start):
    job = start(shared_phone="allow")
    for name in ("Ada", "Bob", "Cleo"):
        job.salesforce.create("Contact", FirstName=name, MobilePhone=ADA)
    job.phoneiq.create(first_name="Dan", mobile_phone=ADA)
    job.settle()
    assert len(job.phoneiq.live()) == 3
    assert len(job.salesforce.live()) == 3
    assert len(paired(job)) == 3


def test_from_reject_to_allow_the_others_go_across(job):
    for name in ("Ada", "Bob"):
        job.salesforce.create("Contact", FirstName=name, MobilePhone=ADA)
    job.settle()
    assert len(job.phoneiq.live()) == 1
    job.settings["shared_phone"] = "allow"
    job.settle()
    assert len(job.phoneiq.live()) == 2


def test_reject_a_number_that_is_held_across_is_not_created_again_and_again(job):
    record, _ = job.pair_up(MobilePhone=ADA)
    job.settings["sync_direction"] = "phoneiq_to_salesforce"
    job.salesforce.edit(record, MobilePhone=BOB)
    job.phoneiq.create(first_name="Bob", mobile_phone=BOB)
    job.settle()
    assert len(job.salesforce.live()) <= 2
    assert len(job.phoneiq.live()) == 2


@pytest.mark.parametrize("shared_phone", ["reject", "allow"])
def test_a_number_that_is_held_across_by_someone_elses_pair(start, shared_phone):
    job = start(shared_phone=shared_phone)
    record, contact = job.pair_up(MobilePhone=ADA, Phone="+14155550177")
    job.salesforce.edit(record, HomePhone=BOB)
    job.phoneiq.edit(contact, home_phone=BOB)
    job.settle()
    job.phoneiq.edit(contact, home_phone=None)
    job.phoneiq.create(first_name="Bob", mobile_phone=BOB)
    job.pipe(TO_SALESFORCE)
    job.settle()
    assert len(job.salesforce.live()) <= 2
    assert len(job.phoneiq.live()) == 2
