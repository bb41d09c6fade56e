"""Secrets and people's data stay where their owner put them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import msgspec
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Project

pytestmark = pytest.mark.pipeline

SECRETS = (b"sandbox-client-secret", b"sandbox-refresh-token", b"sandbox-phoneiq-key")
WRONG_SECRET = "a-wrong-secret-of-mine"
PERSON = (b"Zephyrine", b"Quillfeather", b"zephyrine@example.com", b"5552671")


def left_behind(project: Project) -> list[Path]:
    """The files that runs leave in the project: state, ledger, configuration, rejects."""
    return [
        path
        for folder in (project.folder / "output", project.folder / ".meltano")
        for path in folder.rglob("*")
        if path.is_file() and "venv" not in path.parts
    ]


def test_secrets_are_in_no_log_state_or_database(project: Project) -> None:
    admin = project.box.admin
    person = {"FirstName": "Zephyrine", "LastName": "Quillfeather"}
    admin.salesforce.create(
        "Contact", **person, Phone="+14155552671", Email="zephyrine@example.com"
    )
    admin.phoneiq.create(first_name="Kim", last_name="Sato", mobile_phone="+442079460123")
    assert project.run().code == 0
    # A login that fails at discovery puts the tap's log into Meltano's database.
    outcome = project.run(TAP_SALESFORCE_CLIENT_SECRET=WRONG_SECRET)
    assert outcome.code != 0
    assert "invalid_client" in outcome.log, "the reason is seen"

    log = "\n".join(project.logs).encode()
    for secret in (*SECRETS, WRONG_SECRET.encode()):
        assert secret not in log
        for path in left_behind(project):
            assert secret not in path.read_bytes(), path
    for detail in PERSON:
        assert detail not in log


def test_ledger_and_rejects_are_for_their_owner_only(project: Project) -> None:
    project.box.admin.phoneiq.create(
        first_name="Kim", last_name="Sato", mobile_phone="+12125550123"
    )
    project.box.admin.fault(
        side="salesforce",
        kind="row_error",
        object="Contact",
        code="FIELD_CUSTOM_VALIDATION_EXCEPTION",
    )
    outcome = project.run()
    rejects = project.folder / "output" / "rejects-target-salesforce.jsonl"
    assert rejects.exists(), outcome.log
    for path in (project.ledger, rejects):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_tap_starts_with_secrets_taken_out_of_its_log(project: Project, tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_bytes(
        msgspec.json.encode(
            {
                "client_id": "sandbox-client-id",
                "client_secret": WRONG_SECRET,
                "refresh_token": "sandbox-refresh-token",
                "start_date": "2000-01-01T00:00:00Z",
                "api_type": "REST",
            }
        )
    )
    tap = project.folder / ".meltano/extractors/tap-salesforce/venv/bin/tap-salesforce-masked"
    result = subprocess.run(
        [tap, "--config", settings, "--discover"],
        env=project.box.salesforce_env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert "'client_secret': '***', 'refresh_token': '***'" in result.stderr
    assert "CRITICAL" in result.stderr
    assert "invalid_client" in result.stderr
    assert "Traceback" not in result.stderr
    assert WRONG_SECRET not in result.stderr
    assert "sandbox-refresh-token" not in result.stderr
