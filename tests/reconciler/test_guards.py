"""What a plan must not do without approval."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from reconciler.cli import main as contact_sync

from tests.reconciler.job import Job

SIDES = ["salesforce", "phoneiq"]


def crowd(job: Job, number: int) -> list[tuple[str, str]]:
    """People on both sides, synced and quiet: the ids of each."""
    for digits in range(number):
        job.salesforce.create(
            "Contact", FirstName=f"P{digits}", Title="T", MobilePhone=f"+1415555{digits:04}"
        )
    job.settle()
    assert ask(job, "status").exit_code == 0
    job.forget_written()
    return [(row["salesforce_id"], row["id"]) for row in job.phoneiq.live()]


def edit(job: Job, side: str, pair: tuple[str, str], title: str | None) -> None:
    if side == "salesforce":
        job.salesforce.edit(pair[0], Title=title)
    else:
        job.phoneiq.edit(pair[1], job_title=title)


def delete(job: Job, side: str, pair: tuple[str, str]) -> None:
    if side == "salesforce":
        job.salesforce.delete(pair[0])
    else:
        job.phoneiq.delete(pair[1])


def ask(job: Job, *command: str):
    return CliRunner().invoke(contact_sync, ["--ledger-url", job.ledger_url, *command])


def stops(job: Job, *words: str) -> None:
    """The job fails before its first write, says both ways out, and the state is red."""
    passed = job.run()[-1]
    assert passed.code == 1
    for word in (*words, "If it is a mistake", "contact-sync plan", "contact-sync approve PLAN"):
        assert word in passed.text
    assert job.salesforce.written == job.phoneiq.written == []
    state = job.history()[0]
    assert state["outcome"] == "failed"
    assert ask(job, "status").exit_code == 5


def approve(job: Job) -> None:
    result = ask(job, "approve", job.ask("plan")["plan"])
    assert result.exit_code == 0, result.output


# --- pairs that end ------------------------------------------------------------------------


@pytest.mark.parametrize("on_delete", ["keep", "propagate"])
@pytest.mark.parametrize("side", SIDES)
def test_too_many_records_are_deleted(start, side, on_delete):
    job = start(on_delete=on_delete, max_delete_percent=25)
    pairs = crowd(job, 8)
    for pair in pairs[:3]:
        delete(job, side, pair)
    stops(job, "3 of 8 pairs", "max_delete_percent", "recycle bin")
    plan = job.ask("plan")
    assert sorted(map(tuple, plan["ended_pairs"])) == sorted(pairs[:3])
    approve(job)
    job.settle()
    assert ask(job, "status").exit_code == 0
    left = 5 if on_delete == "propagate" else 8
    assert len(job.salesforce.live()) + len(job.phoneiq.live()) == 5 + left


@pytest.mark.parametrize("on_delete", ["keep", "propagate"])
@pytest.mark.parametrize("side", SIDES)
def test_just_as_many_records_are_deleted_as_is_allowed(start, side, on_delete):
    job = start(on_delete=on_delete, max_delete_percent=25)
    for pair in crowd(job, 8)[:2]:
        delete(job, side, pair)
    job.settle()


def test_one_more_pair_ends_than_was_approved(start):
    job = start(max_delete_percent=25)
    pairs = crowd(job, 8)
    for pair in pairs[:3]:
        delete(job, "salesforce", pair)
    job.run()
    approve(job)
    delete(job, "salesforce", pairs[3])
    passed = job.run()[-1]
    assert passed.code == 1
    assert f"end the pair of salesforce {pairs[3][0]} and phoneiq {pairs[3][1]}" in passed.text


def test_the_records_are_restored_where_they_were_deleted(start):
    job = start(max_delete_percent=25)
    pairs = crowd(job, 8)
    for pair in pairs[:3]:
        delete(job, "salesforce", pair)
    stops(job, "3 of 8 pairs")
    for pair in pairs[:3]:
        job.salesforce.edit(pair[0], IsDeleted=False)
    job.settle()
    assert ask(job, "status").exit_code == 0


def test_deletes_that_were_approved_and_lost_are_sent_again(start):
    job = start(on_delete="propagate", max_delete_percent=25)
    pairs = crowd(job, 8)
    for pair in pairs[:3]:
        delete(job, "salesforce", pair)
    stops(job, "3 of 8 pairs")
    approve(job)
    for pipe in ("observe-phoneiq", "salesforce-to-phoneiq", "phoneiq-to-salesforce"):
        assert job.pipe(pipe, target=lambda _: []).code == 0
    job.settle()
    assert len(job.phoneiq.live()) == 5


# --- fields that are cleared ---------------------------------------------------------------


@pytest.mark.parametrize("side", SIDES)
def test_a_field_is_cleared_in_too_many_pairs(job, side):
    pairs = crowd(job, 30)
    for pair in pairs[:21]:
        edit(job, side, pair, None)
    stops(job, "'job_title' in 21 of 30 pairs", "max_clear_percent", "undo the import")
    approve(job)
    job.settle()
    assert sum(row["job_title"] is None for row in job.phoneiq.live()) == 21
    assert sum(row["Title"] is None for row in job.salesforce.live()) == 21
    assert ask(job, "status").exit_code == 0


@pytest.mark.parametrize("side", SIDES)
def test_a_field_is_cleared_in_as_many_pairs_as_is_allowed(job, side):
    for pair in crowd(job, 30)[:20]:
        edit(job, side, pair, None)
    job.settle()


@pytest.mark.parametrize("side", SIDES)
def test_a_field_is_cleared_in_just_the_share_that_is_allowed(start, side):
    job = start(max_clear_percent=70)
    for pair in crowd(job, 30)[:21]:
        edit(job, side, pair, None)
    job.settle()


def test_a_field_is_cleared_before_the_first_pass_is_confirmed(job):
    for digits in range(30):
        job.salesforce.create(
            "Contact", FirstName=f"P{digits}", Title="T", MobilePhone=f"+1415555{digits:04}"
        )
    job.run()
    for row in job.phoneiq.live():
        job.phoneiq.edit(row["id"], job_title=None)
    job.forget_written()
    stops(job, "'job_title' in 30 of 30 pairs")


# --- updates -------------------------------------------------------------------------------


@pytest.mark.parametrize("side", SIDES)
def test_too_many_pairs_are_updated(job, side):
    pairs = crowd(job, 110)
    for pair in pairs[:101]:
        edit(job, side, pair, "new")
    stops(job, "updates 101 of 110 pairs", "max_update_percent", "undo the import")
    approve(job)
    job.settle()
    assert sum(row["job_title"] == "new" for row in job.phoneiq.live()) == 101
    assert ask(job, "status").exit_code == 0


@pytest.mark.parametrize("side", SIDES)
def test_as_many_pairs_are_updated_as_is_allowed(job, side):
    for pair in crowd(job, 110)[:100]:
        edit(job, side, pair, "new")
    job.settle()


def test_many_pairs_are_updated_since_the_settings_have_changed(job):
    pairs = crowd(job, 110)
    for pair in pairs:
        edit(job, "salesforce", pair, "new")
    job.settings["on_conflict"] = "keep_phoneiq"
    job.settle()


def test_many_pairs_are_updated_and_only_a_limit_has_changed(job):
    for pair in crowd(job, 110):
        edit(job, "salesforce", pair, "new")
    job.settings["max_delete_percent"] = 99
    stops(job, "updates 110 of 110 pairs")


def test_updates_that_were_approved_and_lost_are_sent_again(job):
    for pair in crowd(job, 110):
        edit(job, "salesforce", pair, "new")
    stops(job, "updates 110 of 110 pairs")
    approve(job)
    for pipe in ("observe-phoneiq", "salesforce-to-phoneiq", "phoneiq-to-salesforce"):
        assert job.pipe(pipe, target=lambda _: []).code == 0
    job.settle()
