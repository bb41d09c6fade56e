"""Deleting a sync, and taking back what it did in PhoneIQ."""

from __future__ import annotations

import pytest

from tests.reconciler.job import OBSERVE, PIPES, TO_PHONEIQ, TO_SALESFORCE, lost_from

GREY = 4


def test_a_deleted_sync_keeps_every_record_and_does_nothing(seat):
    record, contact = seat.job.pair_up()
    seat.done("delete", "--yes")
    assert seat.json("status")["pairs"] == {}
    seat.job.salesforce.edit(record, Title="Countess")
    passed = seat.job.run()
    assert [one.code for one in passed] == [0, 0, 0]
    assert not any(one.records for one in passed)
    assert "contact-sync resume" in passed[0].text
    assert seat.job.phoneiq.get(contact)["job_title"] is None
    assert len(seat.job.phoneiq.live()) == len(seat.job.salesforce.live()) == 1


def test_deleting_asks_first_and_twice_is_refused(seat):
    seat.job.pair_up()
    assert seat.ask("delete", says="n\n").code == 1
    assert seat.json("status")["colour"] == "green"
    assert "1 pairs" in seat.done("delete", says="y\n").words
    assert "contact-sync resume" in seat.refused("delete", "--yes").words


def test_starting_anew_after_a_delete(seat):
    record, contact = seat.job.pair_up()
    seat.done("delete", "--yes")
    seat.job.salesforce.edit(record, Title="Countess")
    seat.job.run()
    seat.done("resume")
    seat.job.settle()
    assert seat.json("status")["state"] == "active"
    assert seat.job.phoneiq.get(contact)["job_title"] == "Countess"
    assert len(seat.job.phoneiq.live()) == len(seat.job.salesforce.live()) == 1


# --- revert --------------------------------------------------------------------------------


@pytest.fixture
def world(start):
    """Six Salesforce records; PhoneIQ had four contacts, of which two are among them."""
    seat = start(max_delete_percent=10)
    phoneiq, salesforce = seat.job.phoneiq, seat.job.salesforce
    phoneiq.create(first_name="P0", mobile_phone="(415) 555-0100", email="P0@Example.ORG",
                   salesforce_id=None, notes="as typed\n  by hand")  # fmt: skip
    phoneiq.create(first_name="p-one", mobile_phone="+1 415 555 0101", job_title="Old",
                   salesforce_id="003000000000009", salesforce_object="Lead",
                   custom_score=2.50)  # fmt: skip
    phoneiq.create(first_name="Own", mobile_phone="+14155550190")
    phoneiq.create(first_name="Numberless")
    for number in range(6):
        salesforce.create(
            "Contact",
            FirstName=f"P{number}",
            Title=f"T{number}",
            MobilePhone=f"+1415555010{number}",
            Email=f"p{number}@x.example",
        )
    seat.before = phoneiq.everything()
    return seat


def run_until_deleted(seat, runs=3):
    for _ in range(runs):
        assert [one.code for one in seat.job.run()] == [0, 0, 0]
        if seat.json("status")["why"].startswith("deleted on"):
            return
    raise AssertionError(seat.json("status"))


def live(seat):
    return {row["id"]: row for row in seat.job.phoneiq.live()}


def restored(seat):
    everything = seat.job.phoneiq.everything()
    return {id_: row for id_, row in everything.items() if row["deleted_at"] is None} == seat.before


def test_exactly_what_was_created_is_gone(world):
    world.job.settle()
    in_salesforce = world.job.salesforce.everything()
    assert len(live(world)) == 8
    answer = world.refused("delete", "--revert", "--yes")
    assert "4 of 8 contacts" in answer.words
    assert "contact-sync delete --revert --force" in answer.words
    assert world.ask("delete", "--revert", "--force", says="n\n").code == 1
    assert world.json("status")["state"] == "active"
    world.done("delete", "--revert", "--force", "--yes")
    status = world.json("status")
    assert (status["state"], world.ask("status").code) == ("deleted", GREY)
    assert "4 contacts" in status["why"]
    assert status["next"] == "meltano run contact-sync"
    run_until_deleted(world)
    assert set(live(world)) == set(world.before)
    assert {one.action for one in world.job.phoneiq.written if one.id not in world.before} == {
        "create", "delete",
    }  # fmt: skip
    assert world.job.salesforce.everything() == in_salesforce
    assert not any(one.records for one in world.job.run())


def test_with_restore_the_rest_is_as_it_was(world):
    world.job.settle()
    world.done("delete", "--revert", "--restore", "--force", "--yes")
    run_until_deleted(world)
    assert restored(world)


def test_nothing_is_reverted_in_a_dry_run(world):
    world.job.settle()
    world.done("delete", "--revert", "--restore", "--force", "--yes")
    world.job.settings["dry_run"] = True
    passed = world.job.run()
    assert "4 delete" in passed[1].text
    assert len(live(world)) == 8
    plan = world.json("plan")
    assert plan["counts"]["phoneiq"]["delete"] == 4
    del world.job.settings["dry_run"]
    run_until_deleted(world)
    assert restored(world)


def test_a_later_edit_of_a_written_field_is_taken_back_too(world):
    world.job.settle()
    first = next(iter(world.before))
    world.job.phoneiq.edit(first, job_title="Edited by hand")
    world.job.settle()
    world.done("delete", "--revert", "--restore", "--force", "--yes")
    run_until_deleted(world)
    assert restored(world)


def test_creates_that_nobody_has_seen_yet_are_reverted(world):
    world.job.pipe(OBSERVE)
    world.job.pipe(TO_PHONEIQ)
    world.done("delete", "--revert", "--restore", "--force", "--yes")
    run_until_deleted(world)
    assert restored(world)


def test_creates_that_were_seen_and_not_planned_since_are_reverted(world):
    world.job.pipe(OBSERVE)
    world.job.pipe(TO_PHONEIQ)
    world.done("pause")
    world.job.run()
    assert "4 of 8" in world.refused("delete", "--revert").words
    world.done("delete", "--revert", "--restore", "--force", "--yes")
    run_until_deleted(world)
    assert restored(world)


def test_a_create_whose_source_was_deleted_before_it_was_seen_is_reverted(world):
    world.job.pipe(OBSERVE)
    world.job.pipe(TO_PHONEIQ)
    record = world.job.salesforce.live()[-1]["Id"]
    world.job.salesforce.delete(record)
    world.job.settings["max_delete_percent"] = 20
    world.job.settle()
    world.done("delete", "--revert", "--restore", "--force", "--yes")
    run_until_deleted(world)
    assert restored(world)


def test_a_contact_that_was_found_by_phone_after_a_refused_create_stays(seat):
    seat.job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ, target=lost_from(2))
    mine = seat.job.phoneiq.create(first_name="Ada", mobile_phone="+14155550132")
    seat.job.settle()
    assert seat.json("explain", mine)[0]["pair"]["why"] == "phone"
    seat.done("delete", "--revert", "--force", "--yes")
    run_until_deleted(seat)
    assert set(live(seat)) == {mine}


def test_a_contact_that_people_deleted_meanwhile(world):
    world.job.settle()
    made = next(id_ for id_ in live(world) if id_ not in world.before)
    world.job.phoneiq.delete(made)
    world.done("delete", "--revert", "--restore", "--force", "--yes")
    run_until_deleted(world)
    assert restored(world)


@pytest.mark.parametrize("position", range(1, 9))
def test_interrupted_at_any_message_and_run_again(world, position):
    world.job.settle()
    world.done("delete", "--revert", "--restore", "--force", "--yes")
    world.job.pipe(OBSERVE)
    world.job.pipe(TO_PHONEIQ, target=lost_from(position))
    run_until_deleted(world)
    assert restored(world)


@pytest.mark.parametrize("pipe", PIPES)
@pytest.mark.parametrize("commit", range(3, 10, 2))
def test_killed_at_any_commit_and_run_again(world, pipe, commit):
    world.job.settle()
    world.done("delete", "--revert", "--restore", "--force", "--yes")
    for one in PIPES:
        world.job.pipe(one, kill_at_commit=commit if one == pipe else None)
    if not world.json("status")["why"].startswith("deleted on"):
        run_until_deleted(world)
    assert restored(world)


def test_a_crashed_tap_does_not_end_a_revert(world):
    world.job.settle()
    world.done("delete", "--revert", "--force", "--yes")
    world.job.pipe(OBSERVE)
    world.job.pipe(TO_PHONEIQ)
    assert world.job.pipe(TO_SALESFORCE, tap=lost_from(-1)).code == 1
    assert world.json("status")["next"] == "meltano run contact-sync"
    run_until_deleted(world)
    assert set(live(world)) == set(world.before)


def test_a_revert_can_be_paused_and_resumed(world):
    world.job.settle()
    world.done("delete", "--revert", "--force", "--yes")
    assert "let it end first" in world.refused("resume").words
    world.done("pause")
    assert world.json("status")["state"] == "paused"
    world.job.run()
    assert len(live(world)) == 8
    world.done("resume")
    run_until_deleted(world)
    assert set(live(world)) == set(world.before)


def test_reverting_a_sync_that_was_paused(world):
    world.job.settle()
    world.done("pause")
    world.done("delete", "--revert", "--force", "--yes")
    run_until_deleted(world)
    assert set(live(world)) == set(world.before)


def test_starting_anew_after_a_revert(world):
    world.job.settle()
    world.done("delete", "--revert", "--restore", "--force", "--yes")
    run_until_deleted(world)
    world.done("resume")
    world.job.settle()
    assert world.json("status")["state"] == "active"
    assert len(live(world)) == 8


def test_restore_goes_with_revert(seat):
    seat.job.run()
    assert "--restore goes with --revert" in seat.refused("delete", "--restore").words


def test_few_deletions_need_no_force(start):
    seat = start(max_delete_percent=100)
    record, _ = seat.job.pair_up()
    seat.done("delete", "--revert", "--yes")
    run_until_deleted(seat)
    assert not live(seat)
    assert not seat.job.salesforce.get(record)["IsDeleted"]


def test_deleting_says_first_that_nothing_can_be_reverted_afterwards(seat):
    _, contact = seat.job.pair_up()
    assert "contact-sync delete --revert instead" in seat.ask("delete", says="n\n").words
    assert "delete --revert cannot take back" in seat.done("delete", "--yes").words
    seat.done("resume")
    seat.job.settle()
    for more in ([], ["--restore"]):
        answer = seat.ask("delete", "--revert", *more, says="n\n")
        assert "there is nothing to revert" in answer.words
        assert "A delete without --revert" in answer.words
    assert seat.json("status")["state"] == "active"
    assert set(live(seat)) == {contact}
