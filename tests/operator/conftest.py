"""An operator's seat at a job in one process: `contact-sync` on the job's ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner
from reconciler.cli import main as contact_sync

from tests.reconciler.job import Job


@dataclass
class Answer:
    """What a command answered.

    Attributes:
        code: Its exit code.
        text: What it printed, errors included.
    """

    code: int
    text: str

    @property
    def words(self) -> str:
        """The text without its line breaks and paddings."""
        return " ".join(self.text.split())


class Seat:
    """Types commands about one job.

    Args:
        job: The job.
    """

    def __init__(self, job: Job) -> None:
        self.job = job

    def ask(self, *args: str, width: int = 200, says: str | None = None, **env: str) -> Answer:
        """Type a command and let it exit as it likes."""
        result = CliRunner().invoke(
            contact_sync,
            ["--ledger-url", f"sqlite:///{self.job.ledger}", *args],
            env={"COLUMNS": str(width)} | env,
            input=says,
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.output)

    def done(self, *args: str, **options: Any) -> Answer:
        """Type a command that works."""
        answer = self.ask(*args, **options)
        assert answer.code == 0, answer.text
        return answer

    def refused(self, *args: str, **options: Any) -> Answer:
        """Type a command that is refused."""
        answer = self.ask(*args, **options)
        assert answer.code not in {0, 3, 4, 5}, answer.text
        assert "Traceback" not in answer.text
        return answer

    def json(self, *args: str) -> Any:
        """Type a command that answers in JSON."""
        return json.loads(self.ask(*args, "--json").text)


@pytest.fixture
def start(tmp_path) -> Callable[..., Seat]:
    """Seats the operator at a job; takes the settings that differ from their defaults."""
    return lambda **settings: Seat(Job(tmp_path, **settings))


@pytest.fixture
def seat(start) -> Seat:
    """A seat at a job with the default settings."""
    return start()
