"""Runs the target as Meltano does: as a process that reads messages."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SCHEMA = {"properties": {"id": {"type": ["string", "null"]}}}


def schema(stream="contacts", keys=()):
    return {"type": "SCHEMA", "stream": stream, "schema": SCHEMA, "key_properties": [*keys]}


def record(stream="contacts", **fields):
    return {"type": "RECORD", "stream": stream, "record": fields}


def state(value):
    return {"type": "STATE", "value": {"at": value}}


@dataclass
class Load:
    """What a run of the target left."""

    code: int
    log: str
    states: list[Any]
    rejects_path: Path

    @property
    def rejects(self):
        if not self.rejects_path.exists():
            return []
        return [json.loads(line) for line in self.rejects_path.read_text().splitlines()]

    @property
    def errors(self):
        assert "Traceback" not in self.log
        return [line for line in self.log.splitlines() if "ERROR" in line or "CRITICAL" in line]

    @property
    def closing(self):
        (line,) = (line for line in self.log.splitlines() if "contacts written" in line)
        return line.rpartition(" | ")[2].strip()


@pytest.fixture
def settings(box, tmp_path):
    """The settings that reach the sandbox."""
    return {
        "api_url": box.phoneiq_url,
        "api_key": box.phoneiq_key,
        "rejects_path": str(tmp_path / "rejects.jsonl"),
    }


@pytest.fixture
def command(settings, tmp_path):
    """Returns the command that starts the target with the sandbox's settings, changed."""

    def of(**changed: Any) -> list[str]:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(settings | changed))
        return [str(Path(sys.executable).parent / "target-phoneiq"), "--config", str(config)]

    return of


@pytest.fixture
def target(command, settings):
    """Runs the target on messages, with the sandbox's settings, changed."""

    def run(*messages: Any, **changed: Any) -> Load:
        lines = [m if isinstance(m, str) else json.dumps(m) for m in messages]
        done = subprocess.run(
            command(**changed),
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            text=True,
            check=False,
        )
        path = Path((settings | changed)["rejects_path"])
        states = [json.loads(line) for line in done.stdout.splitlines()]
        return Load(done.returncode, done.stderr, states, path)

    return run


@pytest.fixture
def say():
    """Makes Singer messages."""

    class Say:
        pass

    Say.schema = staticmethod(schema)
    Say.record = staticmethod(record)
    Say.state = staticmethod(state)
    return Say
