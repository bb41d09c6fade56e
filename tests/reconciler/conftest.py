"""A job between two empty platforms, on each kind of ledger."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.reconciler.job import Job, files


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test that has a ledger has one of each kind, but for those about the file."""
    if "kind_of_ledger" in metafunc.fixturenames:
        about_files = metafunc.definition.get_closest_marker("sqlite_only")
        kinds = ["sqlite"] if about_files else ["sqlite", "postgresql"]
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
