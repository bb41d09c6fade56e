"""A copy of the project with its plugins installed, and Meltano in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.client import Sandbox

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PLUGINS = (
    "tap-phoneiq", "tap-salesforce", "target-phoneiq", "target-salesforce", "reconciler",
)  # fmt: skip
PLUGIN_LINE = re.compile(r"\d{4}-\S+ \[\w+ *\] (?!meltano )")
WRITES = {"POST", "PATCH", "PUT", "DELETE"}


def copy_project(folder: Path) -> None:
    """What git tracks or would track, as it stands in the work tree."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def environment() -> dict[str, str]:
    """The shell's environment without what would lead Meltano elsewhere or slow Python down."""
    dropped = ("TAP_", "TARGET_", "RECONCIL", "MELTANO_", "PYTHON", "PHONEIQ_", "SALESFORCE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)}


@dataclass
class Outcome:
    """How one `meltano` command ended.

    Attributes:
        code: Its exit code.
        log: Everything it printed.
    """

    code: int
    log: str

    @property
    def plugin_lines(self) -> list[str]:
        """What the plugins logged, without Meltano's own lines and what it quotes in them."""
        return [line for line in self.log.splitlines() if PLUGIN_LINE.match(line)]


@dataclass
class Project:
    """The copy, and the sandbox that its environment `sandbox` leads to."""

    folder: Path
    box: Sandbox
    logs: list[str] = field(default_factory=list)

    @property
    def ledger(self) -> Path:
        return self.folder / ".meltano" / "contact-sync-sandbox.db"

    def meltano(self, *args: str, **env: str) -> Outcome:
        """Run a Meltano command; `env` adds to its environment."""
        result = subprocess.run(
            [BIN / "meltano", *args],
            cwd=self.folder,
            env=environment() | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        self.logs.append(result.stdout)
        return Outcome(result.returncode, result.stdout)

    def plugin(self, kind: str, name: str) -> Path:
        """The executable of an installed plugin."""
        return self.folder / ".meltano" / kind / name / "venv" / "bin" / name

    def run(self, *options: str, **env: str) -> Outcome:
        """Run the job."""
        return self.meltano("run", *options, "contact-sync", **env)

    def sync(self, **env: str) -> None:
        """Run the job, and once more: the second run may write nothing."""
        outcome = self.run(**env)
        assert outcome.code == 0, outcome.log
        since = self.last_request()
        outcome = self.run(**env)
        assert outcome.code == 0, outcome.log
        assert self.writes(since) == []

    def last_request(self) -> int:
        """The number of the newest request that the sandbox has answered."""
        return max((entry["seq"] for entry in self.box.admin.requests()), default=0)

    def writes(self, since: int = 0) -> list[dict[str, Any]]:
        """The writes of contacts on either side, as their senders put them, oldest first.

        PhoneIQ's are the operations of its batches; Salesforce's are the records of collections,
        of single-record calls and the rows of Bulk jobs.
        """
        found: list[dict[str, Any]] = []
        for entry in self.box.admin.requests(since=since):
            if entry["method"] not in WRITES or "/oauth2/" in entry["path"]:
                continue
            assert entry["status"] < 300, entry
            body = msgspec.json.decode(entry["body"]) if entry["body"] else {}
            if entry["path"].endswith("/contacts/batch"):
                found += body["operations"]
            elif "/composite/sobjects" in entry["path"]:
                found += body["records"]
            else:
                found.append({"path": entry["path"], "body": body})
        return found

    def reset(self) -> None:
        """Forget everything that earlier runs left in the project."""
        for path in (self.folder / ".meltano").glob("*.db*"):
            path.unlink()
        shutil.copy(self.folder / "meltano.db.fresh", self.folder / ".meltano" / "meltano.db")
        for name in ("run", "logs"):
            shutil.rmtree(self.folder / ".meltano" / name, ignore_errors=True)
        for path in (self.folder / "output").iterdir():
            path.unlink()
        self.logs.clear()


@pytest.fixture(scope="session")
def installed(
    tmp_path_factory: pytest.TempPathFactory, sandbox_process: Sandbox
) -> Iterator[Project]:
    """The project, its plugins and its sandbox, shared by all tests here."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    settings = folder / "meltano.yml"
    settings.write_text(
        settings.read_text()
        .replace("http://127.0.0.1:8701", sandbox_process.phoneiq_url)
        .replace("http://127.0.0.1:8703", sandbox_process.proxy_url)
        .replace(".sandbox/ca.pem", str(sandbox_process.ca_bundle))
    )
    project = Project(folder, sandbox_process)
    outcome = project.meltano("install", *PLUGINS)
    assert outcome.code == 0, outcome.log
    shutil.move(folder / ".meltano" / "meltano.db", folder / "meltano.db.fresh")
    yield project
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def project(installed: Project, box: Sandbox) -> Project:
    """The project as after its installation, both sides of the sandbox empty."""
    installed.box = box
    installed.reset()
    return installed
