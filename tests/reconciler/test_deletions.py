"""Only a tombstone is a deletion."""

from __future__ import annotations

import pytest

from tests.reconciler.job import TO_PHONEIQ, TO_SALESFORCE
from tests.reconciler.platforms import EXTERNAL_ID

SIDES = ["salesforce", "phoneiq"]


def delete(job, side, record, contact):
    if side == "salesforce":
        job.salesforce.delete(record)
    else:
        job.phoneiq.delete(contact)


def is_alive(job, record, contact):
    return (
        not job.salesforce.get(record)["IsDeleted"],
        job.phoneiq.get(contact)["deleted_at"] is None,
    )


def live(job):
    return len(job.salesforce.live()), len(job.phoneiq.live())


def test_absence_is_never_a_deletion(start):
    job = start(on_delete="propagate", max_delete_percent=100)
    job.pair_up()
    job.states.clear()
    without_records = [
        lambda messages: [message for message in messages if message["type"] != "RECORD"]
    ][0]
    for pipe in (TO_PHONEIQ, TO_SALESFORCE):
        assert job.pipe(pipe, tap=without_records).records == []
    assert live(job) == (1, 1)


@pytest.mark.parametrize("side", SIDES)
def test_keep_the_other_record_stays_and_is_not_created_again(job, side):
    record, contact = job.pair_up()
    delete(job, side, record, contact)
    job.settle()
    job.states.clear()
    job.settle()
    assert live(job) == ((0, 1) if side == "salesforce" else (1, 0))
    assert job.salesforce.written == job.phoneiq.written == []


@pytest.mark.parametrize("side", SIDES)
def test_keep_the_survivor_is_counted_as_released(job, side):
    record, contact = job.pair_up()
    delete(job, side, record, contact)
    passed = job.settle()
    reads = passed[2] if side == "salesforce" else passed[1]
    assert reads.summary["skipped"] == {"released": 1}


@pytest.mark.parametrize("side", SIDES)
def test_keep_a_released_record_comes_back_when_someone_edits_it(job, side):
    record, contact = job.pair_up()
    delete(job, side, record, contact)
    job.settle()
    if side == "salesforce":
        job.phoneiq.edit(contact, job_title="Analyst")
    else:
        job.salesforce.edit(record, Title="Analyst")
    job.settle()
    assert live(job) == (1, 1)
    assert [row["Title"] for row in job.salesforce.live()] == ["Analyst"]
    assert [row["job_title"] for row in job.phoneiq.live()] == ["Analyst"]


@pytest.mark.parametrize("setting", [{"on_conflict": "keep_phoneiq"}, {"default_region": "DE"}])
@pytest.mark.parametrize("side", SIDES)
def test_keep_a_released_record_stays_released_when_a_setting_changes(job, side, setting):
    record, contact = job.pair_up()
    delete(job, side, record, contact)
    job.settle()
    job.settings |= setting
    job.settle()
    assert live(job) == ((0, 1) if side == "salesforce" else (1, 0))


@pytest.mark.parametrize("side", SIDES)
def test_keep_a_write_of_the_sync_is_no_edit_of_a_released_record(job, side):
    record, contact = job.pair_up()
    if side == "salesforce":
        job.salesforce.edit(record, Title="Analyst")
        job.pipe(TO_PHONEIQ)  # has reached PhoneIQ, and its tap has not shown it yet
    else:
        job.phoneiq.edit(contact, job_title="Analyst")
        job.pipe(TO_SALESFORCE)
    delete(job, side, record, contact)
    if side == "salesforce":
        job.pipe(TO_PHONEIQ)
    else:
        job.pipe(TO_SALESFORCE)
    job.settle()
    assert live(job) == ((0, 1) if side == "salesforce" else (1, 0))


def test_keep_both_deleted(job):
    record, contact = job.pair_up()
    job.salesforce.delete(record)
    job.phoneiq.delete(contact)
    job.settle()
    assert live(job) == (0, 0)


@pytest.mark.parametrize("side", SIDES)
def test_propagate_deletes_the_other_record(start, side):
    job = start(on_delete="propagate", max_delete_percent=100)
    record, contact = job.pair_up()
    delete(job, side, record, contact)
    job.settle()
    assert live(job) == (0, 0)
    written = [*job.salesforce.written, *job.phoneiq.written]
    assert [one.action for one in written] == ["delete"]


@pytest.mark.parametrize("side", SIDES)
def test_propagate_does_not_delete_against_the_direction(start, side):
    direction = "phoneiq_to_salesforce" if side == "salesforce" else "salesforce_to_phoneiq"
    job = start(on_delete="propagate", max_delete_percent=100)
    record, contact = job.pair_up()
    job.settings["sync_direction"] = direction
    delete(job, side, record, contact)
    job.settle()
    assert is_alive(job, record, contact) == (side != "salesforce", side != "phoneiq")


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
@pytest.mark.parametrize("side", SIDES)
def test_propagate_deleted_on_one_side_and_edited_on_the_other(start, side, on_conflict):
    job = start(on_delete="propagate", max_delete_percent=100, on_conflict=on_conflict)
    record, contact = job.pair_up(Title="Countess")
    delete(job, side, record, contact)
    if side == "salesforce":
        job.phoneiq.edit(contact, job_title="Analyst")
    else:
        job.salesforce.edit(record, Title="Analyst")
    job.settle()
    if on_conflict == f"keep_{side}":
        assert live(job) == (0, 0)
        return
    # The edit stands: the record is created again, once.
    assert live(job) == (1, 1)
    assert [row["Title"] for row in job.salesforce.live()] == ["Analyst"]
    assert [row["job_title"] for row in job.phoneiq.live()] == ["Analyst"]


def test_propagate_a_field_that_is_not_mapped_is_no_edit(start):
    job = start(on_delete="propagate", max_delete_percent=100, on_conflict="keep_phoneiq")
    record, contact = job.pair_up()
    job.salesforce.delete(record)
    job.phoneiq.edit(contact, notes="called")
    job.settle()
    assert live(job) == (0, 0)


@pytest.mark.parametrize("side", SIDES)
def test_max_delete_percent_stops_a_plan_that_deletes_too_much(start, side):
    job = start(on_delete="propagate", max_delete_percent=25)
    people = [job.pair_up(MobilePhone=f"+1415555011{digit}") for digit in range(8)]
    for record, contact in people[:3]:
        delete(job, side, record, contact)
    job.forget_written()
    passed = job.run()[-1]
    assert passed.code == 1
    assert "3 of 8 pairs" in passed.text
    assert "max_delete_percent" in passed.text
    assert passed.records == []
    assert job.salesforce.written == job.phoneiq.written == []
    job.settings["max_delete_percent"] = 40
    job.settle()
    assert live(job) == (5, 5)


def test_max_delete_percent_lets_a_plan_pass_at_its_limit(start):
    job = start(on_delete="propagate", max_delete_percent=25)
    people = [job.pair_up(MobilePhone=f"+1415555011{digit}") for digit in range(8)]
    for record, _ in people[:2]:
        job.salesforce.delete(record)
    job.settle()
    assert live(job) == (6, 6)


def test_a_delete_that_is_lost_is_sent_again(start):
    job = start(on_delete="propagate", max_delete_percent=100)
    record, _ = job.pair_up()
    job.salesforce.delete(record)
    assert len(job.pipe(TO_PHONEIQ, target=lambda _: []).records) == 1
    job.settle()
    assert live(job) == (0, 0)


@pytest.mark.parametrize("on_delete", ["keep", "propagate"])
@pytest.mark.parametrize("side", SIDES)
def test_a_created_record_is_deleted_before_it_was_seen(start, side, on_delete):
    """It is not created once more; what it was made from stays, or goes with it."""
    job = start(on_delete=on_delete, salesforce_external_id_field=EXTERNAL_ID)
    made, source = (
        (job.salesforce, job.phoneiq) if side == "salesforce" else (job.phoneiq, job.salesforce)
    )
    if side == "salesforce":
        job.phoneiq.create(first_name="Ada", last_name="L", mobile_phone="+14155550132")
    else:
        job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    for title in ("Clerk", "Countess"):
        # The older tombstone of a record that was created before says nothing of the newer one.
        job.run()
        (created,) = made.live()
        made.delete(created["Id" if side == "salesforce" else "id"])
        job.settle()
        assert made.live() == []
        assert len(source.live()) == (on_delete == "keep")
        if on_delete == "propagate":
            return
        (left,) = source.live()
        if side == "salesforce":
            source.edit(left["id"], job_title=title)
        else:
            source.edit(left["Id"], Title=title)
    job.settle()
    assert len(made.live()) == 1
