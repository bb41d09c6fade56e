"""An operator's seat at a job in one process: `contact-sync` on the job's ledger."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner
from reconciler.cli import main as contact_sync

from tests.conftest import IS_NIGHT
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
            ["--ledger-url", self.job.ledger_url, *args],
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that are marked so have a ledger of each kind; at night all that can have one."""
    if "kind_of_ledger" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker
        both = marker("both_ledgers") or (IS_NIGHT and not marker("sqlite_only"))
        kinds = ["sqlite", "postgresql"] if both else ["sqlite"]
        metafunc.parametrize("kind_of_ledger", kinds)


@pytest.fixture
def start(tmp_path, kind_of_ledger, request, monkeypatch) -> Callable[..., Seat]:
    """Seats the operator at a job; takes the settings that differ from their defaults."""
    if kind_of_ledger == "postgresql":
        # Backups of a database go into the folder of the project.
        monkeypatch.chdir(tmp_path)
    new = request.getfixturevalue("place") if kind_of_ledger == "postgresql" else None
    return lambda **settings: Seat(Job(tmp_path, new, **settings))


@pytest.fixture
def seat(start) -> Seat:
    """A seat at a job with the default settings."""
    return start()


def on_terminal(
    command: list[Any], *, width: int = 80, given: bytes | None = None, **env: str
) -> str:
    """What a program shows on a terminal.

    Args:
        command: The program and its arguments.
        width: Columns of the terminal.
        given: Its standard input; then its standard output is no terminal, only its errors are.
        env: Added to its environment.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    process = subprocess.Popen(
        [str(one) for one in command],
        stdin=theirs if given is None else subprocess.PIPE,
        stdout=theirs if given is None else subprocess.DEVNULL,
        stderr=theirs,
        env={
            name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}
        }
        | {"TERM": "xterm-256color"}
        | env,
    )
    os.close(theirs)
    if given is not None:
        process.stdin.write(given)
        process.stdin.close()
    shown = b""
    # Linux says EIO once nobody has the other end open.
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 65_536):
            shown += chunk
    os.close(ours)
    process.wait()
    return shown.decode()
