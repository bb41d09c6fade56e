"""Fixtures that several packages' tests share: a running sandbox, and tap-salesforce."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sandbox.client import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

TAP_SALESFORCE = "2.8.1"
ROOT = Path(__file__).resolve().parents[1]


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
