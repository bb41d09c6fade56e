"""A job between two empty platforms, on SQLite and, where storage matters, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import IS_NIGHT
from tests.reconciler.job import Job, files

#: Tests of what the ledger's SQL decides or keeps. The others are about rules, which know no
#: database: they run on PostgreSQL at night.
STORAGE = {
    "test_deletions",
    "test_ledger_on_postgresql",
    "test_pairing",
    "test_references",
    "test_safety",
    "test_shards",
    "test_successors",
    "test_unchanged_records",
    "test_workers",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that has a ledger has one of each kind that it is about."""
    if "kind_of_ledger" in metafunc.fixturenames:
        about_files = metafunc.definition.get_closest_marker("sqlite_only")
        both = metafunc.module.__name__.rpartition(".")[2] in STORAGE or IS_NIGHT
        kinds = ["sqlite", "postgresql"] if both and not about_files else ["sqlite"]
        metafunc.parametrize("kind_of_ledger", kinds)


@pytest.fixture
def new_ledger(kind_of_ledger, request, tmp_path) -> Callable[[], str]:
    """Gives the URL of one more empty ledger."""
    return files(tmp_path) if kind_of_ledger == "sqlite" else request.getfixturevalue("place")


@pytest.fixture
def start(tmp_path, new_ledger) -> Callable[..., Job]:
    """Makes the test's job; takes the settings that differ from their defaults."""
    return lambda **settings: Job(tmp_path, new_ledger, **settings)


@pytest.fixture
def job(start) -> Job:
    """A job with the default settings."""
    return start()
