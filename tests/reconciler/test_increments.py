"""What a run looks at: what has changed, and what it may still write."""

from __future__ import annotations

import pytest
from reconciler.ledger import Ledger
from reconciler.model import PHONEIQ, SALESFORCE

from tests.reconciler.job import PIPES

ADA = {"FirstName": "Ada", "LastName": "Lovelace", "MobilePhone": "+14155550132"}
ALAN = {"first_name": "Alan", "last_name": "Turing", "mobile_phone": "+14155550199"}


def left_open(job) -> dict[str, int]:
    """By side that is written to, what the next run has to look at."""
    ledger = Ledger(job.ledger_url)
    try:
        return {side: ledger.plans.count_open(side) for side in (SALESFORCE, PHONEIQ)}
    finally:
        ledger.close()


@pytest.mark.parametrize("direction", ["salesforce_to_phoneiq", "phoneiq_to_salesforce"])
def test_who_may_not_be_created_across_is_not_looked_at_again(start, direction):
    job = start(sync_direction=direction)
    job.salesforce.create("Contact", **ADA)
    job.phoneiq.create(**ALAN)

    job.settle()

    assert left_open(job) == {SALESFORCE: 0, PHONEIQ: 0}


@pytest.mark.parametrize("direction", ["salesforce_to_phoneiq", "phoneiq_to_salesforce"])
def test_a_changed_direction_creates_them(start, direction):
    job = start(sync_direction=direction)
    job.salesforce.create("Contact", **ADA)
    job.phoneiq.create(**ALAN)
    job.settle()
    job.forget_written()

    job.settings["sync_direction"] = "both"
    job.settle()

    written = (
        job.salesforce.written if direction == "salesforce_to_phoneiq" else job.phoneiq.written
    )
    assert [one.action for one in written].count("create") == 1
    assert left_open(job) == {SALESFORCE: 0, PHONEIQ: 0}


def test_someone_settled_is_paired_with_who_comes_to_share_the_number(start):
    job = start(sync_direction="salesforce_to_phoneiq")
    contact = job.phoneiq.create(**ALAN)
    job.settle()

    record = job.salesforce.create("Contact", **ADA | {"MobilePhone": ALAN["mobile_phone"]})
    job.settle()

    assert job.phoneiq.get(contact)["salesforce_id"] == record


def test_after_a_quiet_job_nothing_is_left_to_look_at(job):
    job.pair_up()
    job.salesforce.create("Contact", **ADA | {"FirstName": None})
    job.phoneiq.create(first_name="Nobody")
    job.settle()

    assert left_open(job) == {SALESFORCE: 0, PHONEIQ: 0}
    assert [job.pipe(pipe).records for pipe in PIPES] == [[], [], []]
