"""Pause and revert, with real programs between the two sides of the sandbox."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import Any

import pytest

from tests.operator.processes import BIN, Pipes
from tests.reconciler.job import OBSERVE, TO_PHONEIQ

EXTERNAL_ID = "PhoneIQ_Contact_ID__c"
#: How many; the scenarios are the same with many more.
MANY = int(os.environ.get("OPERATOR_SCENARIO", "600"))


@pytest.fixture
def pipes(box, tmp_path) -> Pipes:
    return Pipes(box, tmp_path, salesforce_external_id_field=EXTERNAL_ID, max_delete_percent=100)


def contact_sync(pipes: Pipes, *args: str) -> str:
    result = subprocess.run(
        [BIN / "contact-sync", "--ledger-url", pipes.settings["ledger_url"], *args],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode in {0, 3, 4, 5}, result.stderr
    return result.stdout


def status(pipes: Pipes) -> dict[str, Any]:
    return json.loads(contact_sync(pipes, "status", "--json"))


def until(pipes: Pipes, condition, *, runs: int = 4) -> None:
    for _ in range(runs):
        pipes.run()
        if condition(status(pipes)):
            return
    raise AssertionError(status(pipes))


def wait_for(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def people(pipes: Pipes, number: int) -> list[dict[str, Any]]:
    return [
        pipes.box.admin.salesforce.create(
            "Contact", FirstName=f"P{one}", LastName="Doe", MobilePhone=f"+1415{5_550_000 + one}"
        )
        for one in range(number)
    ]


def writes(pipes: Pipes, since: int = 0) -> list[dict[str, Any]]:
    """The writes that PhoneIQ took."""
    return [
        operation
        for entry in pipes.box.admin.requests(side="phoneiq", method="POST", since=since)
        if entry["path"].endswith("/contacts/batch") and entry["status"] < 300
        for operation in json.loads(entry["body"])["operations"]
    ]


def test_a_pause_in_the_middle_of_the_first_pass(pipes):
    """Edits on both sides meanwhile; everything arrives, nothing twice."""
    admin = pipes.box.admin
    # More than mapper, pipe and target hold between them while PhoneIQ does not answer.
    many = max(MANY, 3_000)
    records = people(pipes, many)
    pipes.finish(OBSERVE, *pipes.start(OBSERVE))
    admin.fault(side="phoneiq", kind="status", status=503, path="batch", after=1, retry_after=1)
    processes = pipes.start(TO_PHONEIQ)
    wait_for(lambda: writes(pipes))
    contact_sync(pipes, "pause")
    admin.clear_faults()
    pipes.finish(TO_PHONEIQ, *processes)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert status(pipes)["state"] == "paused"

    there = admin.phoneiq.list()
    assert 0 < len(there) < many
    for contact in there[:50]:
        admin.phoneiq.edit(contact["id"], email=f"{contact['id']}@example.org")
    for record in records[:50] + records[-50:]:
        admin.salesforce.edit("Contact", record["Id"], Title="Edited")
    pipes.run()
    assert len(admin.phoneiq.list()) == len(there)

    contact_sync(pipes, "resume")
    until(pipes, lambda found: found["state"] == "active" and not found["open_writes"])
    contacts = {contact["salesforce_id"]: contact for contact in admin.phoneiq.list()}
    assert len(admin.phoneiq.list()) == len(contacts) == many
    after = {record["Id"]: record for record in admin.salesforce.list("Contact")}
    for record in records[:50] + records[-50:]:
        assert contacts[record["Id"]]["job_title"] == "Edited"
    for contact in there[:50]:
        assert after[contact["salesforce_id"]]["Email"] == f"{contact['id']}@example.org"
    created = [one for one in writes(pipes) if one["op"] == "upsert"]
    assert len(created) == len({one["contact"]["salesforce_id"] for one in created})
    since = max(entry["seq"] for entry in admin.requests())
    pipes.run()
    assert writes(pipes, since) == []


@pytest.fixture
def synced(pipes):
    """After a first pass into a PhoneIQ that had its own contacts, a quarter of them paired."""
    admin = pipes.box.admin
    own = MANY * 2 // 5
    for one in range(own):
        admin.phoneiq.create(
            first_name=f" Own {one}",
            mobile_phone=f"(415) {555 if one < own // 4 else 777}-{one:04}",
            notes="as typed\n  by hand",
            email=f"Own{one}@Example.ORG",
        )
    pipes.before = {contact["id"]: contact for contact in admin.phoneiq.list()}
    people(pipes, MANY)
    until(pipes, lambda found: found["state"] == "active" and not found["open_writes"])
    assert len(admin.phoneiq.list()) == MANY + own - own // 4
    return pipes


def unstamped(contacts: dict[str, Any]) -> dict[str, Any]:
    moving = {"updated_at", "version"}
    return {
        id_: {name: value for name, value in contact.items() if name not in moving}
        for id_, contact in contacts.items()
    }


@pytest.mark.parametrize("killed", ["mapper", "target"])
def test_a_revert_that_is_killed_and_run_again(synced, killed):
    """Exactly the created ones are gone, and the rest is what it was."""
    contact_sync(synced, "delete", "--revert", "--restore", "--yes")
    assert status(synced)["state"] == "deleted"
    admin = synced.box.admin
    synced.finish(OBSERVE, *synced.start(OBSERVE))
    since = max(entry["seq"] for entry in admin.requests())
    admin.fault(side="phoneiq", kind="status", status=503, path="batch", after=1, retry_after=1)
    processes = dict(zip(("tap", "mapper", "target"), synced.start(TO_PHONEIQ), strict=True))
    wait_for(lambda: writes(synced, since))
    os.kill(processes[killed].pid, signal.SIGKILL)
    admin.clear_faults()
    synced.finish(TO_PHONEIQ, *processes.values())
    if killed == "target" or MANY >= 2_000:
        # A few deletes fit a pipe: the mapper may have sent all of them before it is killed.
        assert len(admin.phoneiq.list()) > len(synced.before)
    until(synced, lambda found: found["why"].startswith("deleted on"))
    left = {contact["id"]: contact for contact in admin.phoneiq.list()}
    assert unstamped(left) == unstamped(synced.before)
