"""`make` on machines that are not as they should be."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("version", ["3.9", "3.15"])
def test_python_that_is_too_old_or_too_new(tmp_path: Path, version: str) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / "python"
    info = (*map(int, version.split(".")), 0, "final", 0)
    pretend = f"import sys; sys.version_info = {info}; exec(sys.argv[1])"
    python.write_text(f'#!/bin/sh\nexec python3 -c "{pretend}" "$2"\n')
    python.chmod(0o755)
    result = subprocess.run(
        ["make", "setup", f"PYTHON={python}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert f"Python 3.10 to 3.14 is needed, {python} is {version}." in result.stderr
    assert "make setup PYTHON=python3.13" in result.stderr
    assert not (tmp_path / ".tools").exists()


def test_help_lists_every_target(tmp_path: Path) -> None:
    result = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("setup", "demo", "test", "bench", "bench-quick", "lint", "lock", "clean"):
        assert f"make {target} " in result.stdout
