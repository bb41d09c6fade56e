"""The job's pipes as the processes that Meltano would start, between the two sides of the sandbox.

tap-phoneiq, the reconciler and the targets are the real programs. What tap-salesforce would send,
Contacts, comes from the sandbox's admin API: that tap lives in a virtual environment of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.client import Sandbox

from tests.reconciler.job import OBSERVE, PIPES, TO_PHONEIQ, TO_SALESFORCE

BIN = Path(sys.executable).parent


class Pipes:
    """The job between the sides of a sandbox.

    Args:
        box: The sandbox.
        folder: Where ledger, settings, states and logs go.
        settings: The reconciler's settings that differ from their defaults.
    """

    def __init__(self, box: Sandbox, folder: Path, **settings: Any) -> None:
        self.box = box
        self.folder = folder
        self.ledger = folder / "ledger.db"
        self.settings = {
            "ledger_url": f"sqlite:///{self.ledger}",
            "objects": ["Contact"],
        } | settings

    def run(self) -> None:
        """The three pipes, one after the other."""
        for pipe in PIPES:
            tap, mapper, target = self.start(pipe)
            self.finish(pipe, tap, mapper, target)
            codes = [process.returncode for process in (tap, mapper, target)]
            assert codes == [0, 0, 0], (pipe, codes, self.log(pipe)[-2_000:])

    def log(self, pipe: str) -> str:
        """What the processes of the last run of a pipe said."""
        return (self.folder / f"{pipe}.log").read_text()

    def start(self, pipe: str) -> tuple[subprocess.Popen[bytes], ...]:
        """Start a pipe: tap, mapper, target."""
        log = (self.folder / f"{pipe}.log").open("wb")
        tap = self._popen(self._tap(pipe), stdin=None, log=log)
        mapper = self._popen(
            [BIN / "reconciler", "--config", self._file("mapper", self.settings | {"mode": pipe})],
            stdin=tap.stdout,
            log=log,
        )
        target = self._popen(self._target(pipe), stdin=mapper.stdout, log=log)
        log.close()
        for process in (tap, mapper):
            assert process.stdout is not None
            process.stdout.close()
        return tap, mapper, target

    def finish(self, pipe: str, *processes: subprocess.Popen[bytes]) -> None:
        """Wait for a pipe and keep the state that its target wrote last."""
        target = processes[-1]
        assert target.stdout is not None
        lines = target.stdout.read().splitlines()
        for process in processes:
            process.wait(120)
        if lines:
            (self.folder / f"state-{pipe}.json").write_bytes(lines[-1])

    def _popen(self, command: list[Any], *, stdin: Any, log: Any) -> subprocess.Popen[bytes]:
        env = os.environ | {"NO_PROXY": "127.0.0.1"}
        if "target-salesforce" in str(command[0]):
            env |= self.box.salesforce_env
        return subprocess.Popen(
            [str(one) for one in command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=self.folder,
            env=env,
        )

    def _tap(self, pipe: str) -> list[Any]:
        state = self.folder / f"state-{pipe}.json"
        if pipe == TO_PHONEIQ:
            path = self.folder / "salesforce.jsonl"
            with path.open("w") as file:
                for message in self._extract(state):
                    file.write(json.dumps(message) + "\n")
            return ["cat", path]
        config = {"api_url": self.box.phoneiq_url, "api_key": self.box.phoneiq_key}
        command: list[Any] = [BIN / "tap-phoneiq", "--config", self._file("tap", config)]
        return [*command, "--state", state] if state.exists() else command

    def _extract(self, state: Path) -> Iterator[dict[str, Any]]:
        kept = json.loads(state.read_text()) if state.exists() else {"bookmarks": {}}
        yield {"type": "STATE", "value": kept | {"current_stream": "Contact"}}
        rows = self.box.admin.salesforce.list("Contact", include_deleted=True)
        fields = {field: {"type": ["null", "string"]} for field in rows[0]}
        yield {
            "type": "SCHEMA",
            "stream": "Contact",
            "schema": {"properties": fields},
            "key_properties": ["Id"],
        }
        for row in rows:
            yield {"type": "RECORD", "stream": "Contact", "record": row}
        yield {"type": "STATE", "value": kept | {"current_stream": None}}

    def _target(self, pipe: str) -> list[Any]:
        if pipe in {OBSERVE, TO_PHONEIQ}:
            config = {
                "api_url": self.box.phoneiq_url,
                "api_key": self.box.phoneiq_key,
                # So little is under way at once that a stop in the middle is one.
                "batch_size": 50,
                "max_in_flight": 1,
            }
            return [BIN / "target-phoneiq", "--config", self._file("target-phoneiq", config)]
        assert pipe == TO_SALESFORCE
        config = {
            "client_id": "sandbox-client-id",
            "client_secret": "sandbox-client-secret",
            "refresh_token": "sandbox-refresh-token",
            "external_id_field": "PhoneIQ_Contact_ID__c",
        }
        return [BIN / "target-salesforce", "--config", self._file("target-salesforce", config)]

    def _file(self, name: str, config: dict[str, Any]) -> Path:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(config))
        return path
