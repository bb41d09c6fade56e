"""The unmodified tap-salesforce from PyPI, as a subprocess in its own environment."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SELECTED = {
    "Contact": {"FirstName", "LastName", "Phone", "AccountId", "IsDeleted", "MasterRecordId"},
    "Lead": {"LastName", "Company", "IsConverted", "ConvertedContactId", "IsDeleted"},
    "Account": {"Name", "IsPersonAccount", "PersonContactId", "PersonEmail", "IsDeleted"},
}


@dataclass
class Tap:
    command: Path
    folder: Path
    api_type: str
    env: dict[str, str]

    def run(self, *options: str) -> str:
        config = {
            "client_id": "sandbox-client-id",
            "client_secret": "sandbox-client-secret",
            "refresh_token": "sandbox-refresh-token",
            "start_date": "2020-01-01T00:00:00Z",
            "api_type": self.api_type,
            "select_fields_by_default": False,
        }
        result = subprocess.run(
            [self.command, "--config", self._file("config", config), *options],
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def discover(self) -> dict[str, Any]:
        return json.loads(self.run("--discover"))

    def sync(self, state: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the records by stream and id, the last one of each, and the last state."""
        catalog = self.discover()
        for stream in catalog["streams"]:
            for entry in stream["metadata"]:
                if not entry["breadcrumb"]:
                    entry["metadata"] |= {
                        "selected": True,
                        "replication-method": "INCREMENTAL",
                        "replication-key": "SystemModstamp",
                    }
                elif entry["breadcrumb"][1] in SELECTED[stream["stream"]]:
                    entry["metadata"]["selected"] = True
        options = ["--properties", self._file("catalog", catalog)]
        if state is not None:
            options += ["--state", self._file("state", state)]
        messages = [json.loads(line) for line in self.run(*options).splitlines()]
        records: dict[str, dict[str, Any]] = {name: {} for name in SELECTED}
        for message in messages:
            if message["type"] == "RECORD":
                record = message["record"]
                assert record["Id"] not in records[message["stream"]], "given twice"
                records[message["stream"]][record["Id"]] = record
        return records, [each["value"] for each in messages if each["type"] == "STATE"][-1]

    def _file(self, name: str, content: Any) -> str:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(content))
        return str(path)


@pytest.fixture(params=["REST", "BULK"])
def tap(request, box, tap_command, tmp_path):
    # As in the project: the instance is on plain HTTP, only the login goes through the proxy.
    env = {**box.salesforce_env, "NO_PROXY": "127.0.0.1"}
    return Tap(tap_command, tmp_path, request.param, env)


def test_discovery(tap):
    streams = {each["tap_stream_id"]: each for each in tap.discover()["streams"]}
    assert {*streams} == {*SELECTED}
    for name, fields in SELECTED.items():
        assert fields < {*streams[name]["schema"]["properties"]}
    key = {
        tuple(entry["breadcrumb"]): entry["metadata"] for entry in streams["Contact"]["metadata"]
    }
    assert key[()]["valid-replication-keys"] == ["SystemModstamp"]
    assert key[()]["table-key-properties"] == ["Id"]


def test_a_full_sync_brings_everything_as_it_is(box, salesforce, tap):
    for start in range(0, 2200, 200):
        rows = [
            {"attributes": {"type": "Contact"}, "LastName": f'P{start + at}, "é"', "Phone": "1"}
            for at in range(200)
        ]
        salesforce.call("POST", "composite/sobjects", {"records": rows})
    winner, loser, gone, blank = list(box.admin.salesforce.list("Contact"))[:4]
    box.admin.salesforce.merge("Contact", winner["Id"], [loser["Id"]])
    box.admin.salesforce.delete("Contact", gone["Id"])
    box.admin.salesforce.edit("Contact", blank["Id"], Phone=None)
    lead = box.admin.salesforce.create("Lead", LastName="L", Company="Two\nlines")
    made = box.admin.salesforce.convert(lead["Id"])
    person = box.admin.salesforce.create("Account", LastName="P", PersonEmail="a@b.co")

    records, state = tap.sync()
    for name, fields in SELECTED.items():
        there = {each["Id"]: each for each in box.admin.salesforce.list(name, include_deleted=True)}
        assert {*records[name]} == {*there}
        for record_id, record in records[name].items():
            assert {key: record[key] for key in fields} == {
                key: there[record_id][key] for key in fields
            }
    assert records["Contact"][loser["Id"]]["MasterRecordId"] == winner["Id"]
    assert records["Contact"][gone["Id"]]["IsDeleted"] is True
    assert records["Contact"][blank["Id"]]["Phone"] is None
    assert records["Lead"][lead["Id"]]["ConvertedContactId"] == made["contact_id"]
    assert records["Account"][person["Id"]]["IsPersonAccount"] is True
    assert {*state["bookmarks"]} == {*SELECTED}


def test_a_second_sync_brings_what_changed(box, tap):
    # The tap bookmarks nothing that lies ahead of its own clock.
    contacts = [box.admin.salesforce.create("Contact", LastName=name) for name in "ABC"]
    box.admin.salesforce.create("Lead", LastName="A", Company="A")
    box.admin.salesforce.create("Account", Name="A")
    _, state = tap.sync()
    box.admin.advance(60)
    box.admin.salesforce.edit("Contact", contacts[0]["Id"], Phone="1")
    box.admin.salesforce.delete("Contact", contacts[1]["Id"])
    new = box.admin.salesforce.create("Contact", LastName="D")
    state["bookmarks"]["Contact"]["SystemModstamp"] = _second_after(contacts[2])
    records, _ = tap.sync(state)
    assert {*records["Contact"]} == {contacts[0]["Id"], contacts[1]["Id"], new["Id"]}
    assert records["Contact"][contacts[0]["Id"]]["Phone"] == "1"
    assert records["Contact"][contacts[1]["Id"]]["IsDeleted"] is True


def _second_after(record):
    """A bookmark that leaves out the records of the first sync, whose second it shares."""
    stamp = record["SystemModstamp"].partition(".")[0]
    return f"{stamp}.500000Z"


def test_it_reads_nothing_but_the_api(box, tap):
    box.admin.salesforce.create("Contact", LastName="A")
    box.admin.clear_requests()
    tap.sync()
    seen = {(each["method"], each["status"]) for each in box.admin.requests(side="salesforce")}
    assert seen <= {("GET", 200), ("POST", 200), ("POST", 201)}
    paths = [each["path"] for each in box.admin.requests(side="salesforce")]
    assert any("/queryAll" in path for path in paths) is (tap.api_type == "REST")
    assert any("/services/async/" in path for path in paths) is (tap.api_type == "BULK")
