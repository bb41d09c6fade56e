"""Fixtures that several packages' tests share: a sandbox, PostgreSQL, and tap-salesforce."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sandbox.client import Sandbox
from sqlalchemy.engine import URL, make_url

from tests.postgresql import MISSING, Places, cluster, programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TAP_SALESFORCE = "2.8.1"
ROOT = Path(__file__).resolve().parents[1]
#: Whether this is `make nightly`: every ledger on both databases, and more cases of a kind.
IS_NIGHT = os.environ.get("TEST_NIGHTLY") == "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that no worker is left alone with it at the end."""
    if not IS_NIGHT:
        left_out = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: item.get_closest_marker("pipeline") is None)
    for item in items:
        if item.get_closest_marker("pipeline"):
            # The first of them waits for the plugins to be installed.
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One sandbox for the whole session, on free ports. Tests take `box`, which resets it."""
    with Sandbox.start(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def box(sandbox_process: Sandbox) -> Sandbox:
    """The sandbox without data, faults or requests, its clock at real time."""
    sandbox_process.admin.reset()
    return sandbox_process


@pytest.fixture(scope="session")
def postgresql() -> Iterator[URL]:
    """A database of a PostgreSQL server that others can be made from.

    A server of our own, unless TEST_POSTGRES_URL names one. Where there is none, tests skip, or
    fail where TEST_POSTGRES_REQUIRED is set.
    """
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield make_url(given)
        return
    folder = programs()
    if folder is None:
        (pytest.fail if os.environ.get("TEST_POSTGRES_REQUIRED") else pytest.skip)(MISSING)
    with cluster(folder) as url:
        yield url


@pytest.fixture(scope="session")
def places(postgresql: URL) -> Iterator[Places]:
    """Empty places for ledgers on PostgreSQL, for those who give them back themselves."""
    made = Places(postgresql)
    yield made
    made.close()


@pytest.fixture
def place(places: Places) -> Iterator[Callable[[], str]]:
    """Gives the URL of one more empty place for a ledger on PostgreSQL."""
    yield places.take
    places.give_back()


@pytest.fixture(scope="session")
def tap_command() -> Path:
    """The unmodified tap-salesforce, in an environment that is made once and kept."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = ROOT / ".tools" / f"tap-salesforce-{TAP_SALESFORCE}-{python}"
    complete = folder / "complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", f"tap-salesforce=={TAP_SALESFORCE}"], check=True)
        complete.touch()
    return folder / "bin" / "tap-salesforce"
