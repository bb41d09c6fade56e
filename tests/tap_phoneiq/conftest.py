"""Runs the tap as Meltano does: as a process, with files for its settings and state."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Extract:
    """What a run of the tap left."""

    code: int
    log: str
    messages: list[dict[str, Any]] = field(repr=False)

    def records(self, stream="contacts"):
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and message["stream"] == stream
        ]

    @property
    def states(self):
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def schema(self):
        (schema,) = (
            message
            for message in self.messages
            if message["type"] == "SCHEMA" and message["stream"] == "contacts"
        )
        return schema


@pytest.fixture
def settings(box):
    """The settings that reach the sandbox."""
    return {"api_url": box.phoneiq_url, "api_key": box.phoneiq_key}


@pytest.fixture
def command(settings, tmp_path):
    """Returns the command that starts the tap with the sandbox's settings, changed."""

    def of(**changed: Any) -> list[str]:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(settings | changed))
        return [str(Path(sys.executable).parent / "tap-phoneiq"), "--config", str(config)]

    return of


@pytest.fixture
def tap(command, tmp_path):
    """Runs the tap with the sandbox's settings, changed by `settings`, and arguments."""

    def run(*arguments: str, state: Any = None, env: Any = None, **changed: Any) -> Extract:
        words = command(**changed)
        if state is not None:
            path = tmp_path / "state.json"
            path.write_text(json.dumps(state))
            words += ["--state", str(path)]
        done = subprocess.run(
            [*words, *arguments], capture_output=True, text=True, check=False, env=env
        )
        lines = done.stdout.splitlines() if not arguments else []
        log = done.stderr + (done.stdout if arguments else "")
        return Extract(done.returncode, log, [json.loads(line) for line in lines])

    return run


@pytest.fixture
def errors():
    """Returns the error lines of a log, and checks that it holds no traceback."""

    def of(log: str) -> list[str]:
        assert "Traceback" not in log
        return [line for line in log.splitlines() if "ERROR" in line or "CRITICAL" in line]

    return of
