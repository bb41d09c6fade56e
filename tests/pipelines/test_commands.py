"""The operator's commands through Meltano, after real runs, on text and JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Project

pytestmark = pytest.mark.pipeline

PLAIN = {
    "NO_COLOR": "1",
    "COLUMNS": "200",
    # `check` starts Meltano itself.
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}


def ask(project: Project, command: str, *args: str, code: int = 0) -> str:
    """What a command prints, and Meltano's own lines before it."""
    outcome = project.meltano("invoke", f"reconciler:{command}", *args, **PLAIN)
    assert outcome.code == code, outcome.log
    assert "Traceback" not in outcome.log
    return outcome.log


def ask_json(project: Project, command: str, *args: str, code: int = 0) -> Any:
    log = ask(project, command, *args, "--json", code=code)
    start = next(
        position for position, line in enumerate(log.splitlines()) if line in {"{", "[", "[]"}
    )
    return json.loads("\n".join(log.splitlines()[start:]))


def test_an_operators_day(project: Project) -> None:
    """Every command once, in the order in which a day might need them."""
    admin = project.box.admin
    ada = admin.salesforce.create(
        "Contact", FirstName="Ada", LastName="Reyes", Phone="+1 415 555 2671", Title="Buyer"
    )
    mute = admin.salesforce.create("Contact", FirstName="Mute", LastName="Person")
    twin = admin.phoneiq.create(first_name="ADA", last_name="Reyes", work_phone="4155552671")
    assert "there is no ledger" in ask(project, "status", code=1)

    project.sync()
    found = ask_json(project, "status")
    assert (found["state"], found["colour"], found["pairs"]) == ("active", "green", {"Contact": 1})
    assert "● active" in ask(project, "status")
    checked = ask(project, "check")
    assert "✗" not in checked
    for part in ("ledger", "selection", "salesforce Contact", "phoneiq contacts", "PhoneIQ",
                 "Salesforce"):  # fmt: skip
        assert f"✓ {part}  " in checked

    (story,) = ask_json(project, "explain", ada["Id"][:15])
    assert {one["id"] for one in story["records"]} == {ada["Id"], twin["id"]}
    assert "they share a phone number" in ask(project, "explain", "(415) 555-2671")
    assert [row["id"] for row in ask_json(project, "skips")] == [mute["Id"]]
    assert "no_valid_phone" in ask(project, "skips")
    (conflict,) = ask_json(project, "conflicts")
    assert (conflict["salesforce"], conflict["phoneiq"]) == ("Ada", "ADA")
    assert "keep_salesforce" in ask(project, "conflicts")
    assert ask_json(project, "rejects") == []
    assert len(ask_json(project, "history")) == 6
    assert "phoneiq-to-salesforce" in ask(project, "history")

    ask(project, "pause")
    assert ask_json(project, "status", code=4)["state"] == "paused"
    admin.salesforce.edit("Contact", ada["Id"], Title="Head of Supply")
    since = project.last_request()
    assert project.run().code == 0
    assert project.writes(since) == []
    plan = ask_json(project, "plan")
    (write,) = plan["writes"]
    assert write["changes"]["job_title"]["new"] == "Head of Supply"
    assert "job_title: Buyer → Head of Supply" in ask(project, "plan")
    ask(project, "resume")
    outcome = project.run(RECONCILER_DRY_RUN="true")
    assert outcome.code == 0
    assert f"update phoneiq contact {twin['id']}: job_title" in outcome.log
    assert "Head of Supply" not in outcome.log
    assert project.writes(since) == []
    assert plan["plan"] in ask(project, "approve", plan["plan"])
    assert project.run().code == 0
    assert admin.phoneiq.get(twin["id"])["job_title"] == "Head of Supply"

    admin.phoneiq.delete(twin["id"])
    stopped = project.run()
    assert (stopped.code, "max_delete_percent" in stopped.log) == (1, True)
    ask(project, "approve", ask_json(project, "plan")["plan"])
    project.sync()
    assert "meltano --environment sandbox invoke reconciler:resync" in " ".join(
        ask(project, "explain", ada["Id"]).split()
    )
    ask(project, "resync", ada["Id"])
    project.sync()
    (again,) = admin.phoneiq.list()
    assert again["salesforce_id"] == ada["Id"]

    file = project.folder / "output" / "sync.jsonl"
    assert "1 pairs and records" in ask(project, "export", str(file))
    assert "holds records already" in ask(project, "import", str(file), code=1)
    assert f"forgotten: salesforce {mute['Id']}" in ask(project, "forget", mute["Id"], "--yes")
    assert "knows no record" in ask(project, "explain", mute["Id"], code=1)

    assert "--force" in ask(project, "delete", "--revert", code=1)
    ask(project, "delete", "--revert", "--restore", "--force", "--yes")
    assert project.run().code == 0
    assert admin.phoneiq.list() == []
    assert ask_json(project, "status", code=4)["why"].startswith("deleted on")
    assert len(admin.salesforce.list("Contact")) == 2
