"""A job between two empty platforms."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.reconciler.job import Job


@pytest.fixture
def start(tmp_path) -> Callable[..., Job]:
    """Makes the test's job; takes the settings that differ from their defaults."""
    return lambda **settings: Job(tmp_path, **settings)


@pytest.fixture
def job(start) -> Job:
    """A job with the default settings."""
    return start()
