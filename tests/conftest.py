"""Fixtures that every package's tests share: a running sandbox, reset before each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sandbox.client import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


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
