"""Runs the target as Meltano does: a subprocess with messages on its standard input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sandbox.client import Sandbox

EXTERNAL = "PhoneIQ_Contact_ID__c"

CREDENTIALS = {
    "client_id": "sandbox-client-id",
    "client_secret": "sandbox-client-secret",
    "refresh_token": "sandbox-refresh-token",
}


class Singer:
    """Makes messages."""

    @staticmethod
    def schema(
        stream: str = "Contact", *, keys: Sequence[str] = (), fields: Sequence[str] = ()
    ) -> dict[str, Any]:
        """A SCHEMA message; what it says of fields does not matter to the target."""
        names = ["Id", "LastName", *fields]
        return {
            "type": "SCHEMA",
            "stream": stream,
            "schema": {"properties": {name: {"type": ["null", "string"]} for name in names}},
            "key_properties": list(keys),
        }

    @staticmethod
    def record(stream: str = "Contact", /, **fields: Any) -> dict[str, Any]:
        """A RECORD message."""
        return {"type": "RECORD", "stream": stream, "record": fields}

    @staticmethod
    def state(value: Any) -> dict[str, Any]:
        """A STATE message."""
        return {"type": "STATE", "value": value}


@dataclass
class Run:
    """What a finished run left behind."""

    code: int
    states: list[Any]
    log: str
    folder: Path

    @property
    def rejects(self) -> list[dict[str, Any]]:
        path = self.folder / "rejects-target-salesforce.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def summary(self) -> str:
        """The closing line without its times."""
        (line,) = (line for line in self.log.splitlines() if "written=" in line)
        return line[line.index("written=") :].partition(" seconds=")[0]


@dataclass
class Target:
    """The target's command with the sandbox behind it."""

    box: Sandbox
    folder: Path

    def start(self, *options: str, **config: Any) -> subprocess.Popen[str]:
        """Start it; an entry that is None is left out of the settings."""
        settings = {**CREDENTIALS, "external_id_field": EXTERNAL, **config}
        path = self.folder / "config.json"
        path.write_text(json.dumps({k: v for k, v in settings.items() if v is not None}))
        return subprocess.Popen(
            [sys.executable, "-m", "target_salesforce", "--config", str(path), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={**os.environ, **self.box.salesforce_env},
        )

    def finish(self, process: subprocess.Popen[str], messages: str = "") -> Run:
        """Hand over the last messages and wait for the end."""
        out, log = process.communicate(messages)
        states = [json.loads(line) for line in out.splitlines()]
        return Run(process.returncode, states, log, self.folder)

    def __call__(self, *messages: dict[str, Any], **config: Any) -> Run:
        """Run it over messages from start to end."""
        lines = "".join(json.dumps(message) + "\n" for message in messages)
        return self.finish(self.start(**config), lines)


@pytest.fixture
def target(box: Sandbox, tmp_path: Path) -> Target:
    return Target(box, tmp_path)


@pytest.fixture
def singer() -> type[Singer]:
    return Singer


@pytest.fixture(params=["collections", "bulk"])
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings that send everything one way."""
    return {"bulk_threshold": 1 if request.param == "bulk" else 2000}


@pytest.fixture
def writes(box: Sandbox) -> Callable[[], list[tuple[str, str]]]:
    """Method and path of the requests so far that write, logins left out."""

    def read() -> list[tuple[str, str]]:
        return [
            (entry["method"], entry["path"].partition("/services/data/")[2].partition("/")[2])
            for entry in box.admin.requests(side="salesforce")
            if entry["method"] != "GET" and "/services/data/" in entry["path"]
        ]

    return read
