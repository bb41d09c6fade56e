"""The benchmarks run, and their page is what their results say. No duration is judged here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import page

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run with very few contacts and without peers, and what it printed."""
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "benchmarks", "--size", "smoke", "--folder", str(folder)]
    command += ["--only", "first-sync", "target-100-ms", "tap", "job"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder, result.stdout


def results_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results-smoke.json").read_text())


def test_the_last_line_is_every_row_as_json(run: tuple[Path, str]) -> None:
    rows = json.loads(run[1].splitlines()[-1])["rows"]
    assert [row["name"] for row in rows] == ["target-100-ms", "tap", "changes"]
    for row in rows:
        assert set(row) == {"name", "records_per_second", "ratio", "target", "met"}
        assert row["records_per_second"] > 0
        assert row["met"] == (row["ratio"] >= row["target"])


def test_what_needs_a_peer_says_so(run: tuple[Path, str]) -> None:
    assert "first-sync: not measured: the peers are not installed: `make bench` does it" in run[1]


def test_every_stage_is_in_the_table_and_in_the_file(run: tuple[Path, str]) -> None:
    folder, printed = run
    stages = results_of(folder)["stages"]
    assert {one["stage"] for one in stages} == {
        "tap-phoneiq",
        "observe-phoneiq",
        "salesforce-to-phoneiq",
        "target-phoneiq",
        "phoneiq-to-salesforce",
        "whole job",
    }
    for one in stages:
        assert one["stage"] in printed
        assert one["records"] > 0
        assert one["to_floor"] > 0


def test_people_are_the_owners_alone(run: tuple[Path, str]) -> None:
    folder, _ = run
    open_to_others = [path for path in folder.rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_the_page_is_what_the_results_say(tmp_path: Path) -> None:
    for name in ("performance.md", "performance.json"):
        shutil.copy(ROOT / "docs" / name, tmp_path)
    page.renew(tmp_path / "performance.md")
    for name in ("performance.md", "performance.svg"):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text()
