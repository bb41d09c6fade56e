"""`make demo`, on ports of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from .conftest import BIN, copy_project, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Project

pytestmark = pytest.mark.pipeline


@pytest.fixture
def ports() -> list[int]:
    """Three ports that were free a moment ago."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture
def folder(installed: Project, ports: list[int], tmp_path: Path) -> Path:
    """A copy of the project with the plugins of the shared one, and other ports."""
    copy_project(tmp_path)
    for name in ("meltano.yml", "demo/run.py"):
        text = (tmp_path / name).read_text()
        for old, new in zip(("8701", "8702", "8703"), ports, strict=True):
            text = text.replace(old, str(new))
        (tmp_path / name).write_text(text)
    (tmp_path / ".meltano").mkdir()
    for kind in ("extractors", "loaders", "mappers"):
        (tmp_path / ".meltano" / kind).symlink_to(installed.folder / ".meltano" / kind)
    (tmp_path / ".venv").symlink_to(BIN.parent)
    return tmp_path


COMMAND = [BIN / "python", "demo/run.py", "--contacts", "300"]


def demo(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        COMMAND,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_demo_ends_in_sync_and_starts_over(folder: Path) -> None:
    tables = []
    for _ in range(2):
        result = demo(folder)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "in sync: the next run has nothing to write" in result.stdout
        tables.append([line for line in result.stdout.splitlines() if "│" in line])
        assert not (folder / ".sandbox" / "ready.json").exists(), "the sandbox was stopped"
    assert tables[0] == tables[1], "the second demo starts from nothing"
    assert any("created" in line for line in tables[0])


def test_demo_names_the_port_that_is_taken(folder: Path, ports: list[int]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports[1]))
        other.listen()
        result = demo(folder)
    assert result.returncode == 1
    assert f"another program listens on {ports[1]} (Salesforce)" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (folder / ".sandbox").exists()


def test_demo_shows_the_log_of_a_job_that_fails(folder: Path) -> None:
    settings = folder / "contact-sync.yml"
    settings.write_text(settings.read_text().replace("value: keep_salesforce", "value: keep_both"))
    result = demo(folder)
    assert result.returncode == 1
    assert "keep_both" in result.stderr
    assert "the job failed (exit code 1)" in result.stderr
    assert not (folder / ".sandbox" / "ready.json").exists(), "the sandbox was stopped"


@pytest.fixture
def _foreground() -> Iterator[None]:
    """Children heed the keyboard, also where a shell has started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_foreground")
def test_demo_is_stopped_from_the_keyboard(folder: Path) -> None:
    process = subprocess.Popen(
        COMMAND,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "observe-phoneiq" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.strip().endswith("demo: stopped")
    assert "Traceback" not in errors
    assert not (folder / ".sandbox" / "ready.json").exists(), "the sandbox was stopped"
