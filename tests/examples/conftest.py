"""The project with an example's plugin, a ledger on PostgreSQL, and people on both sides."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.pipelines.conftest import BIN, Project, environment, installed

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.client import Sandbox

__all__ = ["installed"]

CREATED = re.compile(r'"pipe":"([a-z-]+)","part":"(\d/\d)"[^}]*?"created":(\d+)')
SHARDS = 2
SECONDS = 400
BOTH, ONLY_SALESFORCE, LEADS, ONLY_PHONEIQ = 10, 12, 6, 14


def people(box: Sandbox) -> None:
    """Ten with a number on both sides, the rest on one side only."""
    admin = box.admin
    for n in range(BOTH + ONLY_SALESFORCE):
        number = f"+1415555{2000 + n}"
        admin.salesforce.create("Contact", FirstName="Ada", LastName=f"S{n}", Phone=number)
    for n in range(LEADS):
        named = {"FirstName": "Lee", "LastName": f"L{n}", "Company": "Acme"}
        admin.salesforce.create("Lead", **named, Phone=f"+1415555{3000 + n}")
    for n in (*range(BOTH), *range(500, 500 + ONLY_PHONEIQ)):
        number = f"+1415555{2000 + n}"
        admin.phoneiq.create(first_name="Kim", last_name=f"P{n}", work_phone=number)


@dataclass
class Example:
    """A project that includes an example, as its README tells."""

    project: Project
    name: str
    variables: dict[str, str]

    def meltano(self, *args: str) -> str:
        """What a Meltano command logs; it must go well, and nothing that it started may stay."""
        log = self.project.folder / "output" / "example.log"
        with (
            log.open("wb") as written,
            subprocess.Popen(
                [BIN / "meltano", *args],
                cwd=self.project.folder,
                env=environment() | self.variables,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process,
        ):
            try:
                code = process.wait(timeout=SECONDS)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        assert code == 0, log.read_text()
        return log.read_text()

    def python(self, code: str) -> Any:
        """What code in the plugin's environment prints as its last line, from JSON."""
        python = self.project.folder / ".meltano" / "utilities" / self.name / "venv/bin/python"
        printed = subprocess.run(
            [python, "-c", code],
            cwd=self.project.folder,
            env=environment() | self.variables,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return json.loads(printed.splitlines()[-1])

    def everybody_is_everywhere(self, log: str) -> None:
        """Check that both sides have the same people, nobody twice, and that every shard wrote."""
        admin = self.project.box.admin
        everybody = BOTH + ONLY_SALESFORCE + LEADS + ONLY_PHONEIQ
        assert len(admin.phoneiq.list()) == everybody
        assert len(admin.salesforce.list("Contact")) == everybody - LEADS
        assert len(admin.salesforce.list("Lead")) == LEADS
        created = {(pipe, shard): int(count) for pipe, shard, count in CREATED.findall(log)}
        assert created.keys() == {
            (pipe, f"{k}/{SHARDS}")
            for pipe in ("salesforce-to-phoneiq", "phoneiq-to-salesforce")
            for k in range(1, SHARDS + 1)
        }
        assert all(created.values())
        assert sum(created.values()) == everybody - BOTH


@pytest.fixture
def example(installed: Project, box: Sandbox, place: Callable[[], str]) -> Callable[[str], Example]:
    """Gives the project with one of the examples, and people to sync."""

    def of(name: str) -> Example:
        installed.box = box
        installed.reset()
        settings = installed.folder / "meltano.yml"
        rest = re.sub("include_paths: .*\n", "", settings.read_text())
        settings.write_text(
            f"include_paths: [contact-sync.yml, examples/{name}/meltano.yml]\n{rest}"
        )
        people(box)
        variables = {
            "CONTACT_SYNC_SHARDS": str(SHARDS),
            "CONTACT_SYNC_RETRIES": "0",
            "RECONCILER_LEDGER_URL": place(),
            "MELTANO_PROJECT_ROOT": str(installed.folder),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }
        example = Example(installed, name, variables)
        example.meltano("install", "tap-contact-sync", name)
        return example

    return of
