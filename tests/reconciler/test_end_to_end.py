"""The three pipes as processes: both taps, both targets and the reconciler, and the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from tests.reconciler.job import OBSERVE, PIPES, TO_PHONEIQ, TO_SALESFORCE

if TYPE_CHECKING:
    from sandbox.client import Sandbox

PROJECT = Path(__file__).resolve().parents[2] / "contact-sync.yml"
BIN = Path(sys.executable).parent
PHONE = "+14155550132"
CREDENTIALS = {
    "client_id": "sandbox-client-id",
    "client_secret": "sandbox-client-secret",
    "refresh_token": "sandbox-refresh-token",
}


@dataclass
class Job:
    """The job without Meltano: each pipe's processes one after the other."""

    box: Sandbox
    tap_salesforce: Path
    folder: Path
    settings: dict[str, Any]
    states: dict[str, Any] = field(default_factory=dict)

    def settle(self) -> None:
        """Run until nothing is written any more."""
        for _ in range(3):
            if not sum(self.pipe(pipe) for pipe in PIPES):
                return
        raise AssertionError("still writing after three runs")

    def pipe(self, pipe: str) -> int:
        """Run one pipe; how many records it wrote."""
        extract = self._extract_salesforce() if pipe == TO_PHONEIQ else self._extract_phoneiq(pipe)
        config = {"mode": pipe, "ledger_url": f"sqlite:///{self.folder / 'ledger.db'}"}
        written = self._run(BIN / "reconciler", config | self.settings, extract)
        self._load(pipe, written)
        messages = [json.loads(line) for line in written.splitlines()]
        self.states[pipe] = [one["value"] for one in messages if one["type"] == "STATE"][-1]
        return sum(one["type"] == "RECORD" for one in messages)

    def _extract_phoneiq(self, pipe: str) -> str:
        return self._run(BIN / "tap-phoneiq", self._phoneiq, "", *self._state(pipe))

    def _extract_salesforce(self) -> str:
        config = CREDENTIALS | {
            "start_date": "2020-01-01T00:00:00Z",
            "api_type": "REST",
            "select_fields_by_default": False,
        }
        catalog = json.loads(self._run(self.tap_salesforce, config, "", "--discover"))
        selected = self._selected()
        for stream in catalog["streams"]:
            for entry in stream["metadata"]:
                path = (stream["stream"], *entry["breadcrumb"][1:])
                entry["metadata"]["selected"] = ".".join(path) in selected
                if not entry["breadcrumb"]:
                    entry["metadata"] |= {
                        "selected": True,
                        "replication-method": "INCREMENTAL",
                        "replication-key": "SystemModstamp",
                    }
        properties = self._file("catalog", catalog)
        return self._run(
            self.tap_salesforce, config, "", "--properties", properties, *self._state(TO_PHONEIQ)
        )

    @staticmethod
    def _selected() -> set[str]:
        """What the project's own contact-sync.yml selects."""
        extractors = YAML(typ="safe").load(PROJECT)["plugins"]["extractors"]
        (tap,) = [one for one in extractors if one["name"] == "tap-salesforce"]
        return set(tap["select"])

    def _load(self, pipe: str, messages: str) -> None:
        if pipe == TO_SALESFORCE:
            self._run(BIN / "target-salesforce", CREDENTIALS, messages)
        else:
            self._run(BIN / "target-phoneiq", self._phoneiq, messages)
        assert not list(self.folder.glob("rejects-*"))

    @property
    def _phoneiq(self) -> dict[str, Any]:
        return {"api_url": self.box.phoneiq_url, "api_key": self.box.phoneiq_key}

    def _state(self, pipe: str) -> list[str]:
        return ["--state", self._file("state", self.states[pipe])] if pipe in self.states else []

    def _run(self, command: Path, config: dict[str, Any], messages: str, *options: str) -> str:
        # The instance is on plain HTTP for the tap; only its login goes through the proxy.
        exempt = "" if command.name == "target-salesforce" else "127.0.0.1"
        result = subprocess.run(
            [command, "--config", self._file(command.name, config), *options],
            input=messages,
            env={**os.environ, **self.box.salesforce_env, "NO_PROXY": exempt},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def _file(self, name: str, content: Any) -> str:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(content))
        return str(path)


@pytest.fixture
def job(box, tap_command, tmp_path):
    every = ["Contact", "Lead", "Account", "PersonAccount"]
    return Job(box, tap_command, tmp_path, {"objects": every})


def writes(box):
    """How many requests have changed something in Salesforce, logins apart."""
    return [
        entry
        for entry in box.admin.requests(side="salesforce")
        if entry["method"] in {"POST", "PATCH", "DELETE"} and "/oauth2/" not in entry["path"]
    ]


def test_a_person_account_is_one_contact_and_its_shadow_is_never_written(job, box):
    salesforce, phoneiq = box.admin.salesforce, box.admin.phoneiq
    person = salesforce.create(
        "Account", FirstName="Ada", LastName="King", PersonMobilePhone=PHONE, PersonTitle="Countess"
    )
    lead = salesforce.create(
        "Lead", FirstName="Bob", LastName="Lead", Company="Bob", Phone="+14155550143"
    )
    job.settle()
    contacts = {one["salesforce_id"]: one for one in phoneiq.list()}
    assert {*contacts} == {person["Id"], lead["Id"]}
    contact = contacts[person["Id"]]
    assert contact["salesforce_object"] == "PersonAccount"
    assert (contact["first_name"], contact["job_title"]) == ("Ada", "Countess")
    assert writes(box) == []

    salesforce.edit("Account", person["Id"], LastName="Lovelace")
    phoneiq.edit(contact["id"], email="ada@example.org")
    job.settle()
    assert phoneiq.get(contact["id"])["last_name"] == "Lovelace"
    assert salesforce.get("Account", person["Id"])["PersonEmail"] == "ada@example.org"
    assert len(list(phoneiq.list())) == 2
    bodies = [entry["body"] for entry in writes(box)]
    assert bodies
    assert not any(person["PersonContactId"] in body for body in bodies)


def test_the_name_of_an_account_is_the_company_of_its_contacts(job, box):
    salesforce, phoneiq = box.admin.salesforce, box.admin.phoneiq
    acme = salesforce.create("Account", Name="Acme", Phone="+14155550100")
    for number in range(2):
        salesforce.create(
            "Contact",
            FirstName="Ada",
            LastName=f"King {number}",
            AccountId=acme["Id"],
            MobilePhone=f"+1415555014{number}",
        )
    job.settle()
    assert [one["company"] for one in phoneiq.list()] == ["Acme"] * 3
    # Nothing but the Account changes.
    salesforce.edit("Account", acme["Id"], Name="Acme International")
    job.pipe(OBSERVE)
    job.pipe(TO_PHONEIQ)
    assert [one["company"] for one in phoneiq.list()] == ["Acme International"] * 3
    job.settle()
    assert writes(box) == []
