"""What each pipe says at its end, and what it never says."""

from __future__ import annotations

import json

import pytest

from tests.reconciler.job import OBSERVE, TO_PHONEIQ, lost_from

KEYS = {
    "run",
    "pipe",
    "read",
    "changed",
    "paired",
    "created",
    "updated",
    "deleted",
    "confirmed",
    "skipped",
    "conflicts",
    "unconfirmed",
    "seconds",
}


def people(job):
    job.salesforce.create(
        "Contact",
        FirstName="Augusta",
        LastName="Lovelace",
        Email="ada@example.org",
        MobilePhone="+14155550132",
        Phone="no number",
        MailingStreet="12 Secret Street",
    )
    job.salesforce.create("Lead", FirstName="Charles", Phone="nonsense")
    job.phoneiq.create(first_name="Augusta", last_name="King", mobile_phone="+14155550132")
    job.phoneiq.create(first_name="Grace", last_name="Hopper", work_phone="+14155550143")


def test_the_numbers_of_each_pipe(job):
    people(job)
    observe, to_phoneiq, to_salesforce = (passed.summary for passed in job.run())
    for summary in (observe, to_phoneiq, to_salesforce):
        assert set(summary) >= KEYS
    assert (observe["read"], observe["changed"]) == (2, 2)
    assert (to_phoneiq["read"], to_phoneiq["paired"], to_phoneiq["updated"]) == (2, 1, 1)
    assert to_phoneiq["skipped"] == {"invalid_phone": 1, "no_valid_phone": 1}
    assert to_phoneiq["conflicts"] == {"keep_salesforce": 1}
    assert (to_salesforce["created"], to_salesforce["confirmed"]) == (1, 1)


def test_one_line_for_people_and_one_for_machines(job):
    people(job)
    for passed in job.run():
        human, machine = passed.log[-2:]
        assert human.startswith(f"{passed.pipe}: ")
        assert "read" in human
        assert json.loads(machine) == passed.summary


def test_a_run_that_fails_says_its_numbers_too(job):
    people(job)
    passed = job.pipe(OBSERVE, tap=lost_from(-1))
    assert passed.code == 1
    assert passed.summary["read"] == 2


@pytest.mark.parametrize("level", ["settled", "crashed", "settings"])
def test_no_names_numbers_or_emails_of_people_in_the_log(job, level):
    people(job)
    lines = [line for passed in job.run() for line in passed.log]
    if level == "crashed":
        lines += job.pipe(TO_PHONEIQ, tap=lost_from(-1)).log
    if level == "settings":
        job.settings["shared_phone"] = "allow"
    lines += [line for passed in job.run() for line in passed.log]
    said = "\n".join(lines).casefold()
    assert said
    for secret in ("augusta", "lovelace", "king", "grace", "hopper", "charles"):
        assert secret not in said
    for secret in ("415555", "@example", "secret street", "no number", "nonsense"):
        assert secret not in said


def test_the_history_holds_every_run_with_its_numbers(job):
    people(job)
    passed = job.run()
    runs = job.history()
    assert [run["pipe"] for run in runs] == [one.pipe for one in reversed(passed)]
    for run, one in zip(runs, reversed(passed), strict=True):
        assert run["summary"]["read"] == one.summary["read"]
        assert run["outcome"] == "succeeded"
