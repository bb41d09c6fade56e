"""What goes wrong: each ends non-zero, says so once, shows no traceback, writes nothing."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

if TYPE_CHECKING:
    from .conftest import Outcome, Project

pytestmark = pytest.mark.pipeline


def people(project: Project, count: int) -> None:
    """Contacts on each side that the other one does not have."""
    for number in range(count):
        phone = f"+1415555{number:04}"
        project.box.admin.salesforce.create(
            "Contact", FirstName="Ada", LastName=f"Reyes {number}", Phone=phone
        )
        project.box.admin.phoneiq.create(
            first_name="Kim", last_name=f"Sato {number}", mobile_phone=f"+1212555{number:04}"
        )


def assert_failed(outcome: Outcome, *words: str) -> None:
    """It exited non-zero, one line of one plugin has all the words, and there is no traceback."""
    assert outcome.code != 0, outcome.log
    assert "Traceback" not in outcome.log, outcome.log
    saying = [line for line in outcome.plugin_lines if all(word in line for word in words)]
    assert len(saying) == 1, outcome.log


def test_wrong_phoneiq_key(project: Project) -> None:
    people(project, 2)
    outcome = project.run(TAP_PHONEIQ_API_KEY="wrong-key-of-mine")
    assert_failed(outcome, "401", "API key")
    assert "wrong-key-of-mine" not in outcome.log
    assert project.writes() == []


def test_unreachable_phoneiq(project: Project) -> None:
    people(project, 2)
    outcome = project.run(TAP_PHONEIQ_API_URL="http://127.0.0.1:9")
    assert_failed(outcome, "http://127.0.0.1:9")
    assert project.writes() == []


def test_wrong_salesforce_credentials(project: Project) -> None:
    people(project, 2)
    outcome = project.run(TAP_SALESFORCE_REFRESH_TOKEN="wrong-token-of-mine")
    assert outcome.code != 0
    assert "Traceback" not in outcome.log
    assert "invalid_grant" in outcome.log
    assert "wrong-token-of-mine" not in outcome.log
    assert project.writes() == []


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("SYNC_DIRECTION", "sideways", ("sync_direction", "sideways", "salesforce_to_phoneiq")),
        (
            "FIELD_MAPPINGS",
            (
                '{"Lead": [{"salesforce": "FirstName", "phoneiq": "nick_name"}, '
                '{"salesforce": "LastName", "phoneiq": "last_name"}, '
                '{"salesforce": "Phone", "phoneiq": "work_phone"}]}'
            ),
            ("field_mappings", "nick_name"),
        ),
    ],
)
def test_wrong_setting(project: Project, setting: str, value: str, words: tuple[str, ...]) -> None:
    people(project, 2)
    outcome = project.run(**{f"RECONCILER_{setting}": value})
    assert_failed(outcome, *words)
    assert project.writes() == []


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(1, id="second page, first pipe", marks=pytest.mark.nightly),
        pytest.param(3, id="first page, third pipe", marks=pytest.mark.nightly),
        pytest.param(5, id="third page, third pipe"),
    ],
)
def test_tap_phoneiq_crashes(project: Project, page: int) -> None:
    people(project, 6)
    project.box.admin.fault(
        side="phoneiq", method="GET", path="/v1/contacts$", kind="status", status=403, after=page
    )
    outcome = project.run(TAP_PHONEIQ_PAGE_SIZE="2")
    assert_failed(outcome, "tap-phoneiq", "403 forbidden")
    assert [write for write in project.writes() if "attributes" in write] == []

    project.box.admin.clear_faults()
    outcome = project.run()
    assert outcome.code == 0, outcome.log
    assert len(project.box.admin.phoneiq.list()) == 12
    assert len(project.box.admin.salesforce.list("Contact")) == 12


@pytest.mark.parametrize(
    "request_number",
    [
        pytest.param(0, id="contacts, first page"),
        pytest.param(1, id="contacts, second page", marks=pytest.mark.nightly),
        pytest.param(2, id="leads", marks=pytest.mark.nightly),
    ],
)
def test_tap_salesforce_crashes(project: Project, request_number: int) -> None:
    """Salesforce has more contacts than fit on one page of 2,000."""
    admin = project.box.admin
    admin.reset(contacts=2500)
    before = len(admin.phoneiq.list())
    admin.fault(
        side="salesforce",
        method="GET",
        path="/query",
        kind="status",
        status=500,
        after=request_number,
    )
    outcome = project.run()
    assert_failed(outcome, "CRITICAL 500")
    assert project.writes() == []

    admin.clear_faults()
    outcome = project.run()
    assert outcome.code == 0, outcome.log
    assert len(admin.phoneiq.list()) > before + 900


def test_salesforce_is_gone_when_the_target_writes(project: Project) -> None:
    """The writes are more than the pipes hold: the target still reads when it cannot write."""
    for number in range(700):
        project.box.admin.phoneiq.create(
            first_name="Kim",
            last_name=f"Sato {number}",
            mobile_phone=f"+1212555{number:04}",
            job_title="x" * 100,
            street="y" * 250,
            city="z" * 40,
        )
    outcome = project.run(TARGET_SALESFORCE_DOMAIN="gone")
    assert_failed(outcome, "target-salesforce", "Salesforce gives no usable answer", "7 tries")
    assert "BrokenPipe" not in outcome.log
    assert "ConnectionReset" not in outcome.log
    assert project.box.admin.salesforce.list("Contact") == []

    outcome = project.run()
    assert outcome.code == 0, outcome.log
    assert len(project.box.admin.salesforce.list("Contact")) == 700


def test_lost_ledger_with_old_bookmarks(project: Project) -> None:
    people(project, 3)
    outcome = project.run()
    assert outcome.code == 0, outcome.log
    since = project.last_request()
    project.ledger.unlink()

    outcome = project.run()
    assert_failed(outcome, "--full-refresh")
    assert project.writes(since) == []

    outcome = project.run("--full-refresh")
    assert outcome.code == 0, outcome.log
    assert project.writes(since) == [], "everyone finds their pair again"


def test_two_runs_at_once(project: Project) -> None:
    """The other one is a reconciler that waits for its tap, on the same ledger."""
    people(project, 2)
    settings = project.folder / "output" / "settings.json"
    settings.write_bytes(
        msgspec.json.encode(
            {"mode": "observe-phoneiq", "ledger_url": f"sqlite:///{project.ledger}"}
        )
    )
    other = subprocess.Popen(
        [project.plugin("mappers", "reconciler"), "--config", settings],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while not project.ledger.exists():
            assert time.monotonic() < deadline
            assert other.poll() is None
            time.sleep(0.05)
        outcome = project.run()
    finally:
        other.kill()
        other.wait()
        other.communicate()
    assert_failed(outcome, "lease", str(other.pid))
    assert project.writes() == []
